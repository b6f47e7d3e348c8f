"""Questions to apk (Alpine, apk-tools 2.14 and later) and what its answers mean: **after its documentation only**.

Never run against a real Alpine. There are no advisories, so of no update it is known whether it mends a security hole,
and no mark for a reboot: the kernel is compared with the modules that are installed. What a run does is in `apk_run`.
"""

import re
from collections.abc import Sequence

from ronde.facts.patch.reading import (
    LOOK_LIMIT,
    REFRESH_LIMIT,
    SOLVE_LIMIT,
    common_failure,
    cut,
    not_understood,
    unusable,
)
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Manager, Metadata, RepositoryFault
from ronde.model.patch.packages import Change, Database, Entry, Package, Pending, Simulation, State, Transaction
from ronde.model.patch.reboot import Signal

FROZEN = ("--cache-max-age", "525600")  # minutes; the lists stay those of the refresh, for preview and run alike
_MARK = "-- flags --"
# The list of packages by apk itself, and by its database, which alone tells which of them are half done.
_DATABASE = f"""\
apk info -v || exit
echo "{_MARK}"
exec grep -E '^[Pf]:' /lib/apk/db/installed
"""
_FLAGS = {"f": "its files are not all there", "s": "its script failed", "x": "its attributes are not all there"}
_KERNEL = "uname -r && ls /lib/modules"
_VERSION = re.compile(r"^apk-tools (\d+)\.(\d+)\.(\d+)", re.MULTILINE)
_WARNING = re.compile(r"^WARNING: (?:Ignoring|opening|updating(?: and opening)?) (\S+?): (.+)$", re.MULTILINE)
_SUM = re.compile(r"^OK: \d+ distinct packages available$", re.MULTILINE)
_PARTLY = re.compile(r"^(\d+) (?:errors|unavailable), (\d+) stale", re.MULTILINE)
_SOURCE = re.compile(r"^\S+ \[(\S+)\]$", re.MULTILINE)
_NAMED = re.compile(r"(?P<name>\S+)-(?P<version>\d[^\s-]*-r\d+)")
_STEP = re.compile(r"^\( *(\d+)/(\d+)\) (\w+) (\S+) \((\S+)(?: -> (\S+))?\)$")
_DONE = re.compile(r"^OK: ", re.MULTILINE)


def version_question() -> Question:
    return Question(Command(("apk", "--version"), timeout=LOOK_LIMIT), "apk --version")


def parse_version(answer: Answer) -> Manager | Finding:
    match = _VERSION.search(answer.text)
    if answer.exit_status == 0 and match:
        return Manager("apk", tuple(int(number) for number in match.groups()))
    return common_failure("apk", answer) or not_understood("apk", answer)


def refresh_question() -> Question:
    return Question(Command(("apk", "update"), timeout=REFRESH_LIMIT), "apk update")


def parse_refresh(answer: Answer) -> Metadata | Finding:
    """Every repository that answered stands on a line of its own; those that did not are warnings.

    apk may end with 0 or with the number of failures: the words tell.
    """
    said = answer.text + answer.error_text
    faults = tuple(RepositoryFault(url, why) for url, why in _WARNING.findall(said))
    sources = _SOURCE.findall(answer.text)
    partly = _PARTLY.search(said)
    if answer.truncated or not (_SUM.search(said) or partly) or answer.exit_status is None:
        return cut(answer) or common_failure("apk", answer) or not_understood("apk", answer)
    if bool(faults) != bool(partly) or (answer.exit_status != 0 and not faults):
        return not_understood("apk", answer)
    return Metadata(len(sources) + len(faults), answer.ended if sources else None, faults)


def database_question() -> Question:
    return Question(Command(("sh", "-c", _DATABASE), timeout=LOOK_LIMIT), "apk info -v")


def parse_database(answer: Answer) -> Database | Finding:
    """Everything installed; broken is what apk flagged as such. Both lists have to name the same packages."""
    bad = unusable("apk", answer)
    if bad:
        return bad
    listed, _, flagged = answer.text.partition(f"{_MARK}\n")
    packages = [_package(line.strip()) for line in listed.splitlines() if line.strip()]
    known = [package for package in packages if package is not None]
    flags = _flags(flagged)
    if not known or len(known) != len(packages) or flags.keys() != {package.name for package in known}:
        return not_understood("apk info", answer, "its list and its database do not name the same packages")
    return Database(tuple(_entry(package, flags[package.name]) for package in sorted(known)))


def _flags(said: str) -> dict[str, str]:
    """What each package's `f:` says, empty for none."""
    found: dict[str, str] = {}
    name = ""
    for line in said.splitlines():
        field, _, value = line.partition(":")
        name = value if field == "P" else name
        found[name] = "" if field == "P" else value
    return found


def _entry(package: Package, flags: str) -> Entry:
    mark = ", ".join(words for flag, words in _FLAGS.items() if flag in flags)
    return Entry(package, State.BROKEN if mark else State.INSTALLED, mark)


def _package(text: str) -> Package | None:
    match = _NAMED.fullmatch(text)
    return Package(match["name"], "", match["version"]) if match else None


def preview_question(targets: Sequence[Package] = ()) -> Question:
    """What an upgrade would do, of these or of everything.

    By name alone: a version can only be named with `apk add`, which writes it into /etc/apk/world, for ever.
    """
    names = sorted(package.name for package in targets)
    command = Command(("apk", *FROZEN, "upgrade", "--simulate", *names), timeout=SOLVE_LIMIT)
    return Question(command, command.display)


def parse_preview(answer: Answer) -> Simulation | Finding:
    """What would happen, one numbered line a package; the numbers prove that none is missing."""
    bad = unusable("apk", answer)
    if bad or not _DONE.search(answer.text):
        return bad or not_understood("apk", answer)
    lines = [line for line in answer.text.splitlines() if line.startswith("(")]
    steps = [step for line in lines if (step := _STEP.match(line))]
    if [int(step[1]) for step in steps] != list(range(1, len(lines) + 1)) or any(
        int(step[2]) != len(lines) for step in steps
    ):
        return not_understood("apk", answer, "a numbered step is missing or not known")
    try:
        transaction = _transaction(steps)
    except KeyError as error:
        return not_understood("apk", answer, f"a step that we do not know: {error}")
    pending = [Pending(one.name, "", one.before, one.after, security=None) for one in transaction.upgrade]
    return Simulation(transaction, tuple(pending))


def _transaction(steps: Sequence["re.Match[str]"]) -> Transaction:
    rows: dict[str, list[Package | Change]] = {"Installing": [], "Upgrading": [], "Downgrading": [], "Purging": []}
    rows |= {"Replacing": [], "Reinstalling": []}
    for step in steps:
        _, _, act, name, before, after = step.groups()
        rows[act].append(Change(name, "", before, after) if after else Package(name, "", before))
    return Transaction(
        upgrade=tuple(row for row in rows["Upgrading"] if isinstance(row, Change)),
        downgrade=tuple(row for row in rows["Downgrading"] if isinstance(row, Change)),
        remove=tuple(row for row in rows["Purging"] if isinstance(row, Package)),
        new_dependencies=tuple(row for row in rows["Installing"] if isinstance(row, Package)),
    )


def kernel_question() -> Question:
    return Question(Command(("sh", "-c", _KERNEL), timeout=LOOK_LIMIT), _KERNEL)


def parse_kernel(answer: Answer) -> Signal | Finding:
    """Alpine replaces a kernel and its modules in place: without modules for the running one, another was installed."""
    running, _, modules = answer.text.partition("\n")
    if answer.exit_status not in {0, 1, 2} or answer.truncated or not running:
        return common_failure("uname", answer) or cut(answer) or not_understood("uname", answer)
    if answer.exit_status != 0 or not modules.split():
        reason = "No kernel modules are installed here; the kernel is not this host's own."
        return Signal("kernel", needed=False, reason=reason, evidence=f"running {running}", settles=False)
    evidence = f"running {running}, modules {', '.join(modules.split())}"
    if running in modules.split():
        return Signal("kernel", needed=False, reason="The installed kernel is running.", evidence=evidence)
    return Signal("kernel", needed=True, reason=f"The modules of the running {running} are gone.", evidence=evidence)
