"""Questions to zypper (SLES and openSUSE, from 1.14 on) and what its answers mean.

`refresh` comes first and must succeed: `patch-check` and `list-updates` end with 0 and "0 patches needed" when a
repository has gone and when none is defined. Afterwards everything is asked with `--no-refresh`, so that all answers of
one look speak of one state.

Two lists hide what matters. While a patch for zypper itself waits, all others stand in a list of their own,
`blocked-update-list`. And `list-updates` without `--all` leaves out what is locked and what cannot be installed.

What a run does is in `zypper_run`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from xml.etree import ElementTree as ET

from ronde.facts.patch.reading import LOOK_LIMIT, REFRESH_LIMIT, SOLVE_LIMIT, common_failure, cut, not_understood
from ronde.facts.patch.rpm_updates import Advisory, Offer
from ronde.facts.patch.zypper_xml import attribute, messages, stream
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Manager, Metadata, RepositoryFault
from ronde.model.patch.packages import Package
from ronde.model.patch.thresholds import unknown

NO_PRIVILEGE, NO_REPOSITORIES, LOCKED = 5, 6, 7  # zypper(8), EXIT CODES
NOT_FOUND = 104
LIST_CAP = 16 * 1024 * 1024  # some 100,000 patches
_FAILED = 4
_VERSION = re.compile(r"^zypper (\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_SKIPPED = re.compile(r"Skipping repository '([^']+)' because of the above error\.")
_PATCH = re.compile(r"^Information for patch (\S+):$", re.MULTILINE)
_CONFLICT = re.compile(r"^(?:Conflicts +: |    )(\S+) < \S+$")


@dataclass(frozen=True, slots=True)
class Patches:
    """The vendor's patches that this host needs.

    Attributes:
        told: False when no repository carries patches at all, so that their absence means nothing.
        manager: whether one of them is for zypper itself; it goes in alone, and the run is repeated (status 103).
    """

    advisories: tuple[Advisory, ...]
    told: bool = True
    manager: bool = False


def version_question() -> Question:
    return Question(Command(("zypper", "--version"), timeout=LOOK_LIMIT), "zypper --version")


def parse_version(answer: Answer) -> Manager | Finding:
    match = _VERSION.search(answer.text)
    if answer.exit_status == 0 and match:
        return Manager("zypper", tuple(int(number) for number in match.groups()))
    return common_failure("zypper", answer) or not_understood("zypper", answer)


def refresh_question() -> Question:
    """Reads all repositories anew. Without `--force` zypper may call one up to date that it has not asked."""
    command = Command(("zypper", "--non-interactive", "--xmlout", "refresh", "--force"), timeout=REFRESH_LIMIT)
    return Question(command, "zypper refresh --force")


def parse_refresh(answer: Answer) -> tuple[RepositoryFault, ...] | Finding:
    """The repositories that did not answer. No repository at all is for `parse_repositories` to tell."""
    if answer.exit_status not in {0, _FAILED, NO_REPOSITORIES}:
        return failure(answer)
    try:
        errors = messages(stream(answer), "error", "warning")
    except Unreadable as error:
        return not_understood("zypper", answer, str(error))
    faults, why = [], ""
    for message in errors:
        skipped = _SKIPPED.search(message)
        if skipped:
            faults.append(RepositoryFault(skipped[1], why[:300]))
        why = message
    if bool(faults) != (answer.exit_status == _FAILED):
        return not_understood("zypper", answer)
    return tuple(faults)


def repositories_question() -> Question:
    return ask("repos", "--details")


def parse_repositories(answer: Answer, refreshed: Answer, faults: Sequence[RepositoryFault]) -> Metadata | Finding:
    """How many repositories are on. All of them were read in the `refreshed` answer, but for the `faults` in it.

    A folder that has lost its `repodata` becomes a plain folder of packages, and all its patches are gone without a
    word; such a one is a fault.
    """
    if answer.exit_status == NO_REPOSITORIES:
        return Metadata(0, None, tuple(faults))
    if answer.exit_status != 0:
        return failure(answer)
    try:
        enabled = [repo for repo in stream(answer).iter("repo") if attribute(repo, "enabled") == "1"]
        plain = [attribute(repo, "alias") for repo in enabled if repo.get("type") == "plaindir"]
    except Unreadable as error:
        return not_understood("zypper", answer, str(error))
    lost = [RepositoryFault(name, "a plain folder without metadata: its patches cannot be seen") for name in plain]
    return Metadata(len(enabled), refreshed.ended if enabled else None, (*faults, *lost))


def updates_question() -> Question:
    """Newer versions of what is installed, also of what is locked or cannot be installed as things are (`--all`)."""
    return ask("list-updates", "--all")


def parse_updates(answer: Answer) -> tuple[Offer, ...] | Finding:
    if answer.exit_status != 0:
        return failure(answer)
    try:
        return tuple(_offer(update) for update in stream(answer).iter("update") if update.get("kind") == "package")
    except Unreadable as error:
        return not_understood("zypper", answer, str(error))


def _offer(update: ET.Element) -> Offer:
    source = update.find("source")
    package = Package(attribute(update, "name"), attribute(update, "arch"), attribute(update, "edition"))
    return Offer(package, "" if source is None else source.get("alias", ""))


def patches_question() -> Question:
    """All categories: zypper shows patches of its own whatever category is asked for."""
    return ask("list-patches")


def parse_patches(answer: Answer) -> Patches | Finding:
    """The patches needed, also those that wait for one of zypper itself; their packages are not in this list."""
    if answer.exit_status != 0:
        return failure(answer)
    try:
        root = stream(answer)
        updates = [update for update in root.iter("update") if update.get("kind") == "patch"]
        updates = [update for update in updates if attribute(update, "status") == "needed"]
        found = tuple(_advisory(update) for update in updates)
        manager = any(attribute(update, "pkgmanager") == "true" for update in updates)
    except Unreadable as error:
        return not_understood("zypper", answer, str(error))
    told = all(info.get("status") != "no-update-repositories" for info in root.iter("appletinfo"))
    return Patches(found, told=told, manager=manager)


def _advisory(update: ET.Element) -> Advisory:
    cves = tuple(attribute(issue, "id") for issue in update.iter("issue") if issue.get("type") == "cve")
    secure = attribute(update, "category") == "security"
    return Advisory(attribute(update, "name"), secure, attribute(update, "severity"), cves)


def carriers_question() -> Question:
    """Which repositories carry patches, also those of which none is needed. As text, which is a tenth of the XML."""
    words = ("zypper", "--non-interactive", "--no-refresh", "patches")
    return Question(Command(words, timeout=SOLVE_LIMIT, cap=LIST_CAP), "zypper patches")


def parse_carriers(answer: Answer, repositories: Answer) -> frozenset[str] | Finding:
    """Aliases of the repositories that carry patches; of the others' updates nobody knows if they are for security.

    The table has names, everything else aliases: the list of repositories knows both.
    """
    if answer.exit_status != 0 or answer.truncated:
        return cut(answer) or failure(answer)
    rows = [[column.strip() for column in line.split(" | ")] for line in answer.text.splitlines() if " | " in line]
    if not rows:
        return frozenset() if "patches found." in answer.text else not_understood("zypper patches", answer)
    if rows[0][:2] != ["Repository", "Name"]:
        return not_understood("zypper patches", answer, f"a table with {rows[0][:2]}")
    names = {row[0] for row in rows[1:]}
    try:
        repos = list(stream(repositories).iter("repo"))
        return frozenset(attribute(repo, "alias") for repo in repos if attribute(repo, "name") in names)
    except Unreadable as error:
        return not_understood("zypper", repositories, str(error))


def concerns_question(advisories: Iterable[Advisory]) -> Question:
    """Which packages the patches are about. As text: in XML this is one message with the text inside."""
    names = sorted(advisory.id for advisory in advisories)
    words = ("zypper", "--non-interactive", "--no-refresh", "info", "--type", "patch", *names)
    return Question(Command(words, timeout=SOLVE_LIMIT), f"zypper info --type patch {' '.join(names)}")


def parse_concerns(answer: Answer, patches: Patches) -> Patches | Finding:
    """The same patches with their packages: those of which a patch conflicts with the older versions."""
    if answer.exit_status != 0 or answer.truncated:
        return cut(answer) or failure(answer)
    found = _conflicts(answer.text)
    missing = [advisory.id for advisory in patches.advisories if not found.get(advisory.id)]
    if missing:
        return not_understood("zypper info", answer, f"no packages are told for {missing[0]}")
    filled = (replace(advisory, packages=frozenset(found[advisory.id])) for advisory in patches.advisories)
    return replace(patches, advisories=tuple(filled))


def _conflicts(said: str) -> Mapping[str, set[str]]:
    pieces = _PATCH.split(said)[1:]
    found: dict[str, set[str]] = {}
    for name, text in zip(pieces[::2], pieces[1::2], strict=True):
        _, _, conflicts = text.partition("\nConflicts")
        lines = f"Conflicts{conflicts}".splitlines()
        matches = [match for line in lines if (match := _CONFLICT.match(line))]
        found.setdefault(name, set()).update(match[1] for match in matches if ":" not in match[1])
    return found


def locks_question() -> Question:
    return ask("locks")


def parse_locks(answer: Answer) -> tuple[str, ...] | Finding:
    """Names or globs of packages that the host holds."""
    if answer.exit_status != 0:
        return failure(answer)
    try:
        locks = list(stream(answer).iter("lock"))
    except Unreadable as error:
        return not_understood("zypper", answer, str(error))
    return tuple(lock.findtext("name") or "" for lock in locks if lock.findtext("type") in {None, "package"})


def failure(answer: Answer) -> Finding:
    """What an answer that did not succeed means; a status that is not known is never good news."""
    status = answer.exit_status
    try:
        said = "; ".join(messages(stream(answer), "error"))[:300]
    except Unreadable:
        said = ""
    if status == LOCKED:
        return unknown("patch-locked", said or "Another program holds zypper's lock.", exit_status=status)
    if status == NO_PRIVILEGE:
        return unknown("patch-denied", said or "zypper wants root's privileges.", exit_status=status)
    if status == NO_REPOSITORIES:
        return unknown("patch-no-repository", said or "No repository is defined.", exit_status=status)
    return common_failure("zypper", answer) or not_understood("zypper", answer, said)


def ask(*words: str, limit: float = SOLVE_LIMIT) -> Question:
    command = Command(("zypper", "--non-interactive", "--no-refresh", "--xmlout", *words), timeout=limit)
    return Question(command, f"zypper {' '.join(words)}")
