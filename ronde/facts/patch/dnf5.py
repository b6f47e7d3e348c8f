"""Questions to dnf5 (Fedora 41 and later) and what its answers mean: **after its documentation only**.

Never run against a real dnf5. What differs from dnf 4, after its manual pages: `advisory` instead of `updateinfo`, with
a subcommand and `--json`; `repoquery --queryformat` ends no line by itself; `needs-restarting` needs no flag for the
reboot; `best` is the default. Its table of a run cuts names and versions to the width of the terminal, so that no plan
can be read from it: there is no preview here, and nothing is applied without a person.

Repositories are asked strictly (one that fails is an error of the whole): the words of a tolerated failure are not
known to us.
"""

import re
from collections.abc import Sequence

from ronde.facts.patch.reading import LOOK_LIMIT, REFRESH_LIMIT, SOLVE_LIMIT, common_failure, not_understood, unusable
from ronde.facts.patch.rpm import nevra, split_nevra
from ronde.facts.patch.rpm_updates import Advisory, Offer
from ronde.facts.question import Question, tail
from ronde.facts.reading import Unreadable, items, loads, mapping, text
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Manager, Metadata, RepositoryFault
from ronde.model.patch.evr import evr
from ronde.model.patch.packages import Package
from ronde.model.patch.reboot import Signal

APPLY_LIMIT = 4 * 3600.0
_STRICT = "--setopt=*.skip_if_unavailable=0"
_FORMAT = "%{name}\t%{epoch}\t%{version}\t%{release}\t%{arch}\t%{repoid}\n"
_VERSION = re.compile(r"^dnf5 version (\d+)\.(\d+)\.(\d+)", re.MULTILINE)


def version_question() -> Question:
    return Question(Command(("dnf5", "--version"), timeout=LOOK_LIMIT), "dnf5 --version")


def parse_version(answer: Answer) -> Manager | Finding:
    match = _VERSION.search(answer.text)
    if answer.exit_status == 0 and match:
        return Manager("dnf5", tuple(int(number) for number in match.groups()))
    return common_failure("dnf5", answer) or not_understood("dnf5", answer)


def refresh_question() -> Question:
    return _ask("--refresh", _STRICT, "makecache", limit=REFRESH_LIMIT)


def parse_refresh(answer: Answer) -> tuple[RepositoryFault, ...] | Finding:
    """No fault, or one without a name: which repository it was is only in the words."""
    if answer.exit_status == 1:
        return (RepositoryFault("", tail(answer)),)
    return unusable("dnf5", answer) or ()


def repositories_question() -> Question:
    return _ask("repo", "list", "--enabled", "--json")


def parse_repositories(answer: Answer, refreshed: Answer, faults: Sequence[RepositoryFault]) -> Metadata | Finding:
    """How many there are; they were all read in the `refreshed` answer unless there are `faults`."""
    bad = unusable("dnf5", answer)
    if bad:
        return bad
    try:
        count = len(items(loads(answer.text)))
    except Unreadable as error:
        return not_understood("dnf5", answer, str(error))
    return Metadata(count, refreshed.ended if count and not faults else None, tuple(faults))


def upgrades_question(*, excluded: bool = False) -> Question:
    """Newer versions of what is installed. The newline is part of the format: dnf5 adds none."""
    extra = ("--setopt=disable_excludes=*",) if excluded else ()
    return _ask("-C", *extra, "repoquery", "--upgrades", "--latest-limit=1", "--queryformat", _FORMAT)


def parse_upgrades(answer: Answer) -> tuple[Offer, ...] | Finding:
    bad = unusable("dnf5", answer)
    if bad:
        return bad
    offers = []
    for line in answer.text.splitlines():
        columns = line.split("\t")
        if len(columns) != 6 or not columns[1].isdecimal():
            return not_understood("dnf5 repoquery", answer, f"a line we do not know: {line[:80]!r}")
        name, epoch, version, release, arch, repository = columns
        offers.append(Offer(Package(name, arch, evr(int(epoch), version, release)), repository))
    return tuple(offers)


def advisories_question() -> Question:
    return _ask("-C", "advisory", "list", "--updates", "--json")


def parse_advisories(answer: Answer) -> tuple[Advisory, ...] | Finding:
    """Advisories without their CVEs, of which the shape is not documented."""
    bad = unusable("dnf5", answer)
    if bad:
        return bad
    found: dict[str, Advisory] = {}
    try:
        for entry in items(loads(answer.text)):
            one = _advisory(mapping(entry))
            before = found.get(one.id, one)
            found[one.id] = Advisory(one.id, one.security, one.severity, (), before.packages | one.packages)
    except Unreadable as error:
        return not_understood("dnf5 advisory", answer, str(error))
    return tuple(found.values())


def _advisory(entry: object) -> Advisory:
    fields = mapping(entry)
    package = split_nevra(text(fields, "nevra"))
    if package is None:
        raise Unreadable(f"not a package: {fields.get('nevra')!r}")
    severity = text(fields, "severity", "")
    secure = text(fields, "type") == "security"
    return Advisory(text(fields, "name"), secure, severity, (), frozenset({f"{package.name}.{package.arch}"}))


def reboot_question() -> Question:
    return _ask("needs-restarting")


def parse_reboot(answer: Answer) -> Signal | Finding:
    """The plugin's word, which it must have spoken: status 1 is also that of an unknown command."""
    if answer.exit_status == 1 and "Reboot is required" in answer.text:
        names = ", ".join(re.findall(r"^ +\* (\S+)$", answer.text, re.MULTILINE))
        return Signal("needs-restarting", needed=True, reason=f"Updated since boot: {names}.", evidence=names)
    if answer.exit_status == 0 and "Reboot should not be necessary" in answer.text:
        reason = "No core library or service was updated since boot."
        return Signal("needs-restarting", needed=False, reason=reason)
    if "Unknown argument" in answer.error_text:
        return Signal("needs-restarting", None, "The needs-restarting plugin of dnf5 is not installed.")
    return common_failure("dnf5", answer) or not_understood("dnf5 needs-restarting", answer)


def apply_command(targets: Sequence[Package]) -> Command:
    """The run, for a person who has seen it: by name and version, strictly."""
    words = ("dnf5", "-y", "--setopt=best=1", "upgrade", *sorted(nevra(package) for package in targets))
    return Command(words, timeout=APPLY_LIMIT)


def _ask(*words: str, limit: float = SOLVE_LIMIT) -> Question:
    command = Command(("dnf5", *words), timeout=limit)
    return Question(command, command.display)
