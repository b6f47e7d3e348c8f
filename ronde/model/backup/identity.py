"""Rules over the repository itself: is it still the same one, is it encrypted, and is somebody holding it."""

from collections.abc import Iterator

from ronde.model.backup.evidence import Lock, Locks, Repository, Tool
from ronde.model.backup.objective import Night, Objective
from ronde.model.backup.thresholds import LOCK_FAILED, LOCK_WARNING, critical, finding, info, warning
from ronde.model.check import Finding
from ronde.model.units import format_duration
from ronde.model.verdict import Severity

_LOSSY_RESTIC = {(0, 16, 0), (0, 16, 3)}


def judge_repository(repository: Repository, objective: Objective, night: Night) -> Iterator[Finding]:
    """Identity, place, encryption and age of the repository's state against what was seen before.

    Borg guards against relocated and replayed repositories by files in its own user's folders. We read with a private,
    empty folder so as to change nothing, and therefore keep and compare the same three things ourselves.
    """
    memory = night.memory
    if memory.repository_id and memory.repository_id != repository.id:
        yield critical(
            "backup-repository-changed",
            f"The repository is another one: id {repository.id[:16]}, it was {memory.repository_id[:16]}. It was made "
            "anew, and the points of the old one are not here.",
            id=repository.id,
            before=memory.repository_id,
        )
        return
    if repository.location and memory.location not in {"", repository.location}:
        yield warning(
            "backup-relocated",
            f"The repository was at {memory.location} before and is now read at {repository.location}; borg asks its "
            "users to confirm that, and an unattended backup then stops.",
            location=repository.location,
            before=memory.location,
        )
    if memory.modified and repository.modified and repository.modified < memory.modified:
        yield critical(
            "backup-rolled-back",
            f"The repository's state is from {repository.modified:%Y-%m-%d %H:%M} UTC, but "
            f"{memory.modified:%Y-%m-%d %H:%M} UTC had already been seen: it was put back to an earlier state.",
            modified=repository.modified.isoformat(),
            seen=memory.modified.isoformat(),
        )
    yield from _encryption(repository, objective, night)


def _encryption(repository: Repository, objective: Objective, night: Night) -> Iterator[Finding]:
    mode, before = repository.encryption, night.memory.encryption
    clear = mode == "none" or mode.startswith("authenticated")
    if (before and before != mode) or (clear and objective.encrypted):
        expected = before or "encryption, since a password is declared"
        yield critical(
            "backup-encryption-changed", f"The encryption mode is {mode}; expected was {expected}.", mode=mode
        )
    elif clear:
        yield warning(
            "backup-unencrypted",
            f"The repository is not encrypted (mode {mode}): who reads it has the data.",
            mode=mode,
        )


def judge_locks(locks: Locks, night: Night) -> Iterator[Finding]:
    """Locks that a dead or hanging program left.

    Backups may stay green while check, forget and prune fail for ever (restic issue 3219: 787 hours). Nothing is
    unlocked by us.
    """
    for lock in locks.all:
        age = night.now - lock.since
        if age <= LOCK_WARNING or (lock.alive and age <= LOCK_FAILED):
            continue
        failed = age > LOCK_FAILED and not lock.alive
        yield finding(
            "backup-stale-lock",
            Severity.CRITICAL if failed else Severity.WARNING,
            f"{'An exclusive lock' if lock.exclusive else 'A lock'} of {lock.holder} is {format_duration(age)} old"
            f"{_life(lock)}; nothing was unlocked.",
            holder=lock.holder,
            since=lock.since.isoformat(),
            exclusive=lock.exclusive,
            alive=lock.alive,
            warning_after_s=int(LOCK_WARNING.total_seconds()),
            failed_after_s=int(LOCK_FAILED.total_seconds()),
        )


def rewriting(locks: Locks | Finding | None, night: Night) -> bool:
    """Whether another program is rewriting the repository right now, so that what looks damaged may just be moving."""
    if not isinstance(locks, Locks):
        return False
    return any(lock.exclusive and (lock.alive or night.now - lock.since <= LOCK_WARNING) for lock in locks.all)


def judge_tool(tool: Tool) -> Iterator[Finding]:
    if tool.name == "restic" and tool.version in _LOSSY_RESTIC:
        yield info(
            "backup-known-bug",
            f"{tool} can lose data when used with --compression max (restic issues 4523 and 4677); update it.",
            version=str(tool),
        )


def _life(lock: Lock) -> str:
    if lock.alive is None:
        return ""
    return ", its process still runs" if lock.alive else ", its process is gone"
