"""What zypper would do and does, whether dependencies are whole, and what it says of a reboot.

The run names every package with its version (`install name.arch=edition`), so that it is the run that was approved:
`patch` and `update` work out their own again. `patch_command` is there for whoever wants the vendor's patches as such.
"""

from collections.abc import Collection, Mapping, Sequence
from xml.etree import ElementTree as ET

from ronde.facts.patch.dnf_table import change, versions
from ronde.facts.patch.reading import LOOK_LIMIT, common_failure, not_understood, unusable
from ronde.facts.patch.rpm import new_packages
from ronde.facts.patch.zypper import LOCKED, NO_PRIVILEGE, NO_REPOSITORIES, NOT_FOUND, ask, failure
from ronde.facts.patch.zypper_xml import attribute, messages, stream
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Integrity
from ronde.model.patch.packages import Database, Package, Transaction
from ronde.model.patch.reboot import Signal
from ronde.model.patch.thresholds import critical, info, unknown, warning

APPLY_LIMIT = 4 * 3600.0  # seconds; a service pack over a slow line
DEPENDENCIES = 4  # also an aborted solver; zypper(8): ZYPPER_EXIT_ERR_ZYPP
COMMIT, REBOOT, AGAIN, SKIPPED, SCRIPT = 8, 102, 103, 106, 107  # zypper(8), EXIT CODES
AUTO = "/var/lib/zypp/AutoInstalled"
_READ_AUTO = '[ ! -e "$1" ] || exec cat -- "$1"'
# In one piece: what is read by zypper is the old list or the new one.
_ADD_AUTO = """\
f=$1; shift
umask 022
{ [ ! -e "$f" ] || cat -- "$f"; } >"$f.ronde" || exit
for name; do
  grep -qxF -- "$name" "$f.ronde" || printf '%s\\n' "$name" >>"$f.ronde" || exit
done
exec mv -f -- "$f.ronde" "$f"
"""
_SECTIONS = frozenset(
    {"to-install", "to-upgrade", "to-remove", "to-downgrade", "to-reinstall"}
    | {"to-change-arch", "to-change-vendor", "to-upgrade-change-arch", "to-upgrade-change-vendor"}
    | {"to-downgrade-change-arch", "to-downgrade-change-vendor"}
)


def preview_question(targets: Sequence[Package] = ()) -> Question:
    """What would happen: with exactly these, or without targets with everything that can be had."""
    command, *words = _words(targets)
    return ask(command, "--dry-run", *words)  # before the names: after them it would be taken for one


def _words(targets: Sequence[Package]) -> tuple[str, ...]:
    """The words that preview and run have in common, so that they cannot part."""
    if not targets:
        return ("update", "--with-interactive")
    named = sorted(f"{package.name}.{package.arch}={package.version}" for package in targets)
    return ("install", "--no-recommends", *named)


def parse_preview(answer: Answer, database: Database) -> Transaction | Finding:
    if answer.exit_status not in {0, REBOOT}:
        return _refused(answer)
    try:
        return _transaction(stream(answer).find("install-summary"), database)
    except Unreadable as error:
        return not_understood("zypper", answer, str(error))


def _refused(answer: Answer) -> Finding:
    """A preview that ended at a question of the solver: it answers itself with "cancel"."""
    try:
        problems = [description.text or "" for description in stream(answer).iter("description")]
    except Unreadable as error:
        return not_understood("zypper", answer, str(error))
    if answer.exit_status == DEPENDENCIES and problems:
        return critical("patch-broken-dependencies", f"zypper cannot work out the run: {problems[0].splitlines()[0]}")
    return failure(answer)


def _transaction(summary: ET.Element | None, database: Database) -> Transaction:
    """The packages of the summary; patches and the like, which are marks only, are left out."""
    if summary is None:
        raise Unreadable("no summary")
    sections: dict[str, list[Package]] = {}
    for section in summary:
        if section.tag not in _SECTIONS:
            raise Unreadable(f"a section that we do not know: {section.tag}")
        sections.setdefault(_act(section.tag), []).extend(
            Package(attribute(one, "name"), attribute(one, "arch"), attribute(one, "edition"))
            for one in section.iter("solvable")
            if attribute(one, "type") == "package"
        )
    installed = versions(database)
    further, new = new_packages(sections.get("install", []), {name for name, _ in installed})
    return Transaction(
        install=tuple(further),
        upgrade=tuple(change(package, installed) for package in sections.get("upgrade", [])),
        remove=tuple(sections.get("remove", [])),
        new_dependencies=tuple(new),
        downgrade=tuple(change(package, installed) for package in sections.get("downgrade", [])),
    )


def _act(section: str) -> str:
    """`to-upgrade-change-vendor` is an upgrade; a change of vendor or architecture alone counts as one as well."""
    act = section.removeprefix("to-").partition("-")[0]
    return "upgrade" if act == "change" else act


def apply_command(targets: Sequence[Package]) -> Command:
    """The run itself. A licence to be agreed to, or an unsigned package, ends it: nobody is there to say yes."""
    words = ("zypper", "--non-interactive", "--no-refresh", "--xmlout", *_words(targets))
    return Command(words, timeout=APPLY_LIMIT)


def auto_question(path: str = AUTO) -> Question:
    """Which packages came as dependencies: zypper forgets it of those that are named, and has no command for it."""
    return Question(Command(("sh", "-c", _READ_AUTO, "ronde", path), timeout=LOOK_LIMIT), f"cat {path}")


def parse_auto(answer: Answer) -> frozenset[str] | Finding:
    """Their names; none where there is no such list."""
    lines = (line.strip() for line in answer.text.splitlines())
    return unusable("cat", answer) or frozenset(line for line in lines if line and not line.startswith("#"))


def auto_command(done: Transaction, auto: Collection[str], path: str = AUTO) -> Command | None:
    """Puts back the marks that naming packages took; None when there is none.

    `auto` are names from before the run, `done` what was planned. New dependencies are marked by zypper itself.
    """
    names = sorted({change.name for change in (*done.upgrade, *done.downgrade)} & set(auto))
    return Command(("sh", "-c", _ADD_AUTO, "ronde", path, *names), timeout=LOOK_LIMIT) if names else None


def patch_command(*, security: bool) -> Command:
    """The vendor's patches. Without `--with-interactive` those that want a reboot are left out, with status 0."""
    category = ("--category", "security") if security else ()
    words = ("zypper", "--non-interactive", "--no-refresh", "--xmlout", "patch", "--with-interactive", *category)
    return Command(words, timeout=APPLY_LIMIT)


_ENDS: Mapping[int, tuple[str, str]] = {
    DEPENDENCIES: ("patch-broken-dependencies", "zypper could not work out the run, or failed inside."),
    NO_PRIVILEGE: ("patch-denied", "zypper wants root's privileges."),
    NO_REPOSITORIES: ("patch-no-repository", "No repository is defined."),
    LOCKED: ("patch-locked", "Another program held zypper's lock."),
    NOT_FOUND: ("patch-package-failed", "A package is no longer offered in this version; nothing was done."),
    COMMIT: ("patch-package-failed", "A package could not be installed; what came after it was not tried."),
    REBOOT: ("patch-reboot-pending", "What was installed wants a reboot."),
    AGAIN: ("patch-updates-pending", "zypper itself was updated alone; the run has to be made once more."),
    SKIPPED: ("patch-repository-failed", "A repository was skipped."),
    SCRIPT: ("patch-package-failed", "Everything was installed, and a script of a package failed."),
}
_WEIGHT = {REBOOT: info, AGAIN: warning}


def explain(status: int | None) -> Finding | None:
    """What the exit status of a run means; whether it succeeded is told by the package database alone.

    None for 0. A status that is not in the table is not understood.
    """
    if status == 0:
        return None
    if status is None or status not in _ENDS:
        return unknown("patch-not-understood", f"zypper ended with exit status {status}.", exit_status=status)
    rule, message = _ENDS[status]
    weigh = _WEIGHT.get(status, critical if rule in {"patch-package-failed", "patch-broken-dependencies"} else unknown)
    return weigh(rule, f"{message} (exit status {status})", exit_status=status)


def must_repeat(status: int | None) -> bool:
    """Whether the run stopped after updating zypper itself, with the rest still to come."""
    return status == AGAIN


def reboot_question() -> Question:
    return ask("needs-rebooting")


def parse_reboot(answer: Answer) -> Signal | Finding:
    """Its word and its status together. It goes by a mark that packages ask for, so it may miss a kernel."""
    try:
        said = " ".join(messages(stream(answer), "info"))
    except Unreadable:
        said = answer.text
    if answer.exit_status == REBOOT and "Reboot is required" in said:
        return Signal("needs-rebooting", needed=True, reason="Core libraries or services were updated.", evidence=said)
    if answer.exit_status == 0 and "Reboot is probably not necessary" in said:
        return Signal("needs-rebooting", needed=False, reason="No core library was updated.", evidence=said)
    if "Unknown command 'needs-rebooting'" in answer.error_text + answer.text:
        return Signal("needs-rebooting", None, "This zypper has no needs-rebooting.")
    return common_failure("zypper", answer) or not_understood("zypper needs-rebooting", answer)


def integrity_question() -> Question:
    return ask("verify", "--dry-run")


def parse_integrity(answer: Answer) -> Integrity | Finding:
    """Unmet dependencies. rpm leaves no mark of a run that was cut off; duplicates are in the package database."""
    try:
        root = stream(answer)
        satisfied = any("are satisfied" in message for message in messages(root, "info"))
    except Unreadable as error:
        return not_understood("zypper", answer, str(error))
    problems = tuple((description.text or "").strip().splitlines()[0] for description in _problems(root))
    if answer.exit_status == 0 and satisfied:
        return Integrity()
    if answer.exit_status in {0, DEPENDENCIES} and problems:
        return Integrity(unmet=problems)
    changes = [one.get("name", "") for one in root.iter("solvable")]
    if answer.exit_status == 0 and changes:
        return Integrity(unmet=(f"to mend them zypper would change {', '.join(changes[:5])}",))
    return failure(answer)


def _problems(root: ET.Element) -> list[ET.Element]:
    return [one for one in root.iterfind("prompt/description") if (one.text or "").strip()]
