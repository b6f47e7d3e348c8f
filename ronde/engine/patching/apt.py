"""apt in the hands of a run."""

from collections.abc import Collection
from fnmatch import fnmatchcase

from ronde.engine.patching.tools import Tool, Wanted
from ronde.facts.patch import apt_locks, apt_run, dpkg
from ronde.facts.patch.apt import parse_names
from ronde.facts.patch.apt_simulation import parse_run, transaction_of
from ronde.facts.patch.feeding import Fed, fed
from ronde.facts.patch.kernel import kernel_question, parse_kernel
from ronde.facts.patch.leftovers import DPKG
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.detached import Carried
from ronde.model.patch.audit import Integrity
from ronde.model.patch.packages import Database, Kept, KeptReason, Package, Transaction
from ronde.model.patch.policy import Policy
from ronde.model.patch.reboot import Signal

APT, APT_MARK, DPKG_PROGRAM = "/usr/bin/apt-get", "/usr/bin/apt-mark", "/usr/bin/dpkg"
_PATHS = {"apt-get": APT, "dpkg": DPKG_PROGRAM, "apt-mark": APT_MARK}
_WOULD_REMOVE = "apt would remove "


class AptTool(Tool):
    left = DPKG

    def preview(self, wanted: Wanted, database: Database) -> Transaction | Finding:
        run = parse_run(self.one(apt_run.preview_question(wanted.updates, wanted.removals)))
        return run if isinstance(run, Finding) else transaction_of(run, database)

    def database(self) -> Database | Finding:
        return dpkg.parse_database(self.one(dpkg.database_question()))

    def whole(self) -> Integrity | Finding:
        journal, audit, check, holders = self._ask(
            dpkg.journal_question(), dpkg.audit_question(), dpkg.check_question(), apt_locks.holders_question()
        )
        return dpkg.parse_integrity(journal, audit, check, apt_locks.parse_holders(holders))

    def holders(self) -> tuple[str, ...] | Finding:
        return apt_locks.parse_holders(self.one(apt_locks.holders_question()))

    def signals(self) -> tuple[Signal | Finding, ...]:
        return (parse_kernel(self.one(kernel_question())),)

    def apply(self, wanted: Wanted, plan: Transaction) -> Fed:  # noqa: ARG002 - the plan names everything
        command = apt_run.apply_command(plan)
        return fed(command, APT, command.argv.index("install") + 1)

    def recovery(self, database: Database, integrity: Integrity) -> tuple[Fed, ...]:  # noqa: ARG002 - packages tell all
        return tuple(_mending(command) for command in apt_run.recovery_commands(database))

    def explain(self, carried: Carried) -> Finding | None:
        return apt_run.explain(_answer(carried))

    def automatic(self) -> frozenset[str]:
        found = parse_names(self.one(apt_run.auto_question()))
        return frozenset() if isinstance(found, Finding) else found

    def marks(self, plan: Transaction, automatic: Collection[str]) -> Fed | None:
        command = apt_run.auto_command(plan, frozenset(automatic))
        return None if command is None else fed(command, APT_MARK, 2)

    def removals_for(self, kept: Kept, policy: Policy, database: Database) -> tuple[Package, ...]:
        if kept.reason is not KeptReason.NEEDS_REMOVAL or not kept.detail.startswith(_WOULD_REMOVE):
            return ()
        names = {name.partition(":")[0] for name in kept.detail.removeprefix(_WOULD_REMOVE).split(", ")}
        if not all(any(fnmatchcase(name, glob) for glob in policy.removals) for name in names):
            return ()
        return tuple(entry.package for entry in database.entries if entry.package.name in names)


def _mending(command: Command) -> Fed:
    """Packages are named only to what installs them anew."""
    names = "--reinstall" in command.argv
    return fed(command, _PATHS[command.argv[0]], command.argv.index("install") + 1 if names else len(command.argv))


def _answer(carried: Carried) -> Answer:
    """A run that was carried, as the answer that the facts read."""
    now = carried.ended or carried.started
    assert now is not None  # noqa: S101 - who has an exit status has begun
    command = Command(("apt-get",))
    return Answer(command, carried.exit_status, carried.stdout, carried.stderr, now, now, truncated=carried.truncated)
