"""The verdict of a night in sentences: a closed set, chosen by rule."""

from collections.abc import Sequence

from ronde.model.verdict import Verdict
from ronde.reports.clean import shorten
from ronde.reports.meanings import Cause
from ronde.reports.phrases import Phrase, counted, phrase
from ronde.reports.view import BackupLine, ChangeLine, MachineGroup, OtherLine, PatchLine

_MOST_NAME = 32  # the verdict and the decision must both fit into the first 300 characters


class Tally:
    """The subjects of a night, counted by what came of them."""

    def __init__(
        self,
        backups: Sequence[BackupLine],
        machines: Sequence[MachineGroup],
        others: Sequence[OtherLine],
        changes: Sequence[ChangeLine] = (),
        patches: Sequence[PatchLine] = (),
    ) -> None:
        exceptions = [line for group in machines for line in group.exceptions]
        self.backups = backups
        self.groups = machines
        self.all_backups = len(backups)
        self.all_machines = sum(group.total for group in machines)
        self.failed_backups = [line for line in backups if line.verdict is Verdict.FAILED]
        self.unknown_backups = [line for line in backups if line.verdict is Verdict.UNKNOWN]
        self.causes = frozenset[Cause]().union(*(line.causes for line in self.failed_backups))
        self.failed_machines = [line for line in exceptions if line.verdict is Verdict.FAILED]
        self.unknown_machines = [line for line in exceptions if line.verdict is Verdict.UNKNOWN]
        self.blind_groups = [group for group in machines if group.gaps]
        self.failed_groups = [group for group in machines if group.problems and group.verdict is Verdict.FAILED]
        self.failed_others = [line for line in others if line.verdict is Verdict.FAILED]
        self.unknown_others = [line for line in others if line.verdict is Verdict.UNKNOWN]
        self.failed_patches = [line for line in patches if line.verdict is Verdict.FAILED]
        self.unknown_patches = [line for line in patches if line.verdict is Verdict.UNKNOWN]
        self.unfinished = [line for line in changes if line.verdict is Verdict.FAILED]
        self.unknown_changes = [line for line in changes if line.verdict is Verdict.UNKNOWN]
        self.warnings = sum(
            line.verdict is Verdict.WARNING
            for lines in (backups, exceptions, others, changes, patches)
            for line in lines
        ) + sum(group.verdict is Verdict.WARNING and not group.exceptions for group in machines)

    @property
    def unverified(self) -> int:
        """Subjects that could not be verified; a vCenter that was not looked at counts as one."""
        looked_at = (self.unknown_backups, self.unknown_machines, self.blind_groups, self.unknown_others)
        return sum(len(lines) for lines in looked_at) + len(self.unknown_patches) + len(self.unknown_changes)

    @property
    def failed_checks(self) -> bool:
        """Whether something that was examined has failed; what we did ourselves left aside."""
        machines = self.failed_machines or self.failed_groups
        return bool(self.failed_backups or machines or self.failed_others or self.failed_patches)


def headline(verdict: Verdict, tally: Tally, decisions: int) -> tuple[Phrase, ...]:
    """The verdict first, then what we do about it and whether the client has to do anything."""
    nothing_to_do = () if decisions else (phrase("There is nothing for you to do."),)
    match verdict:
        case Verdict.FAILED:
            work = (also_unfinished(len(tally.unfinished)),) if tally.unfinished and tally.failed_checks else ()
            also = (also_unverified(tally.unverified),) if tally.unverified else ()
            return (_failed(tally), *work, *also, phrase("We are taking care of it."), *nothing_to_do)
        case Verdict.UNKNOWN if not tally.all_backups and not tally.groups and not tally.unverified:
            return (phrase("Nothing has been entrusted to us for verification yet."),)
        case Verdict.UNKNOWN:
            return (_unknown(tally), phrase("We are looking for the cause."), *nothing_to_do)
        case Verdict.WARNING:
            return _warning(tally, decisions)
        case _:
            return (phrase("Everything is in order."), *nothing_to_do)


def also_unverified(count: int) -> Phrase:
    return counted(
        "In addition, one item could not be verified.", "In addition, {n} items could not be verified.", count
    )


def also_unfinished(count: int) -> Phrase:
    return counted(
        "In addition, one intervention is not finished.", "In addition, {n} interventions are not finished.", count
    )


def short(verdict: Verdict, tally: Tally, decisions: int) -> Phrase:
    """The verdict in a few words, for the subject line."""
    match verdict:
        case Verdict.FAILED:
            return _failed_short(tally)
        case Verdict.UNKNOWN:
            return _unknown_short(tally)
        case Verdict.WARNING if decisions:
            return counted("one decision awaited", "{n} decisions awaited", decisions)
        case Verdict.WARNING:
            return counted("one point to watch", "{n} points to watch", tally.warnings)
        case _:
            return phrase("everything is in order")


def lead(tally: Tally) -> tuple[Phrase, ...]:
    """How much was examined, out of how much; counts only, no judgement."""
    parts: list[Phrase] = []
    if tally.all_backups:
        done = tally.all_backups - len(tally.unknown_backups)
        parts.append(phrase("Backups verified: {done} of {total}.", done=done, total=tally.all_backups))
    if tally.all_machines:
        seen = tally.all_machines - len(tally.unknown_machines)
        parts.append(phrase("Virtual machines verified: {done} of {total}.", done=seen, total=tally.all_machines))
    return tuple(parts)


def _failed(tally: Tally) -> Phrase:
    lines, causes = tally.failed_backups, tally.causes
    if len(lines) == 1:
        return _one_failed(lines[0])
    if lines and causes == {Cause.MISSING}:
        return counted("{n} backup is missing.", "{n} backups are missing.", len(lines))
    if lines and causes == {Cause.DAMAGED}:
        return counted("{n} backup is damaged.", "{n} backups are damaged.", len(lines))
    if lines:
        return counted("{n} backup has failed.", "{n} backups have failed.", len(lines))
    if tally.failed_machines or tally.failed_groups:
        return _failed_machines(tally)
    return _failed_elsewhere(tally)


def _failed_elsewhere(tally: Tally) -> Phrase:
    if tally.failed_patches and not tally.failed_others:
        return _overdue(tally.failed_patches)
    if not tally.failed_others:
        return _unfinished(tally.unfinished)
    return phrase("The check of server “{where}” has failed.", where=shorten(tally.failed_others[0].where, _MOST_NAME))


def _overdue(lines: Sequence[PatchLine]) -> Phrase:
    if len(lines) == 1:
        return phrase("The updates of server “{where}” need attention.", where=shorten(lines[0].host, _MOST_NAME))
    return counted(
        "The updates of {n} server need attention.", "The updates of {n} servers need attention.", len(lines)
    )


def _one_failed(line: BackupLine) -> Phrase:
    causes = line.causes
    name, host = shorten(line.name, _MOST_NAME), shorten(line.host, _MOST_NAME)
    if causes == {Cause.MISSING} and line.newest is not None:
        return phrase(
            "A backup is missing: “{name}” ({host}) has had no copy since {newest}.",
            name=name,
            host=host,
            newest=line.newest,
        )
    if causes == {Cause.MISSING}:
        return phrase("A backup is missing: “{name}” ({host}).", name=name, host=host)
    if causes == {Cause.DAMAGED}:
        return phrase("A backup is damaged: “{name}” ({host}).", name=name, host=host)
    return phrase("A backup has failed: “{name}” ({host}).", name=name, host=host)


def _failed_machines(tally: Tally) -> Phrase:
    count = len(tally.failed_machines)
    if count == 1:
        name = shorten(tally.failed_machines[0].name, _MOST_NAME)
        return phrase("A virtual machine needs attention: “{name}”.", name=name)
    if count:
        return counted("{n} virtual machine needs attention.", "{n} virtual machines need attention.", count)
    return phrase("The virtualisation platform needs attention.")


def _unfinished(lines: Sequence[ChangeLine]) -> Phrase:
    if len(lines) == 1:
        return phrase("An intervention is not finished on “{where}”.", where=shorten(lines[0].where, _MOST_NAME))
    return counted("{n} intervention is not finished.", "{n} interventions are not finished.", len(lines))


def _unknown(tally: Tally) -> Phrase:
    count, total = len(tally.unknown_backups), tally.all_backups
    if count and count == total:
        return counted("We could not verify your backup.", "We could not verify your backups.", total)
    if count:
        return counted(
            "We could not verify one of your {total} backups.",
            "We could not verify {n} of your {total} backups.",
            count,
            total=total,
        )
    if tally.blind_groups:
        return phrase("We could not verify your virtual machines completely.")
    if tally.unknown_machines:
        return counted(
            "We could not verify one of your virtual machines.",
            "We could not verify {n} of your virtual machines.",
            len(tally.unknown_machines),
        )
    return _unknown_elsewhere(tally)


def _unknown_elsewhere(tally: Tally) -> Phrase:
    if tally.unknown_patches and not tally.unknown_others:
        return counted(
            "We could not verify the updates of a server.",
            "We could not verify the updates of {n} servers.",
            len(tally.unknown_patches),
        )
    if tally.unknown_changes and not tally.unknown_others:
        return phrase("We could not verify what came of an intervention.")
    return phrase("A check could not be completed.")


def _warning(tally: Tally, decisions: int) -> tuple[Phrase, ...]:
    saved = (phrase("Your data are backed up."),) if tally.all_backups else ()
    if decisions:
        asks = counted("One point awaits your decision.", "{n} points await your decision.", decisions)
        return (*saved, asks)
    watch = counted("One point is to be watched.", "{n} points are to be watched.", tally.warnings)
    return (*saved, watch, phrase("There is nothing for you to do."))


def _failed_short(tally: Tally) -> Phrase:
    count, causes = len(tally.failed_backups), tally.causes
    if count and causes == {Cause.MISSING}:
        return counted("a backup is missing", "{n} backups are missing", count)
    if count and causes == {Cause.DAMAGED}:
        return counted("a backup is damaged", "{n} backups are damaged", count)
    if count:
        return counted("a backup has failed", "{n} backups have failed", count)
    machines = len(tally.failed_machines)
    if machines or tally.failed_groups:
        return counted("a machine needs attention", "{n} machines need attention", max(machines, 1))
    return _failed_elsewhere_short(tally)


def _failed_elsewhere_short(tally: Tally) -> Phrase:
    if tally.failed_patches and not tally.failed_others:
        return phrase("updates need attention")
    if not tally.failed_checks:
        lines = len(tally.unfinished)
        return counted("an intervention is not finished", "{n} interventions are not finished", lines)
    return phrase("a check has failed")


def _unknown_short(tally: Tally) -> Phrase:
    count = len(tally.unknown_backups)
    if count:
        return counted("one backup not verified", "{n} backups not verified", count)
    if tally.blind_groups or tally.unknown_machines:
        return phrase("virtual machines not verified")
    if tally.unknown_patches and not tally.unknown_others:
        return phrase("updates not verified")
    return phrase("not verified")
