"""dnf 4, dnf5 and zypper in the hands of a run. They answer root alone."""

from collections.abc import Collection

from ronde.engine.patches.look import known
from ronde.engine.patches.rpm import DNF, DNF5, SHELL, ZYPPER, of_root
from ronde.engine.patching.tools import Tool, Wanted
from ronde.facts.patch import dnf, dnf5, dnf5_run, dnf_family, dnf_run, rpm, zypper, zypper_run
from ronde.facts.patch.feeding import Fed, fed
from ronde.facts.patch.leftovers import RPM
from ronde.model.check import Finding
from ronde.model.detached import Carried
from ronde.model.patch.audit import Integrity
from ronde.model.patch.packages import Database, Transaction
from ronde.model.patch.reboot import Signal
from ronde.model.patch.thresholds import unknown


class DnfTool(Tool):
    left = RPM
    path = DNF
    facts: dnf_family.Facts = dnf
    runs: dnf_family.Runs = dnf_run

    def preview(self, wanted: Wanted, database: Database) -> Transaction | Finding:
        answer = self.one(of_root(self.runs.preview_question(wanted.updates)))
        found = known(lambda one: self.runs.parse_preview(one, database), answer)
        return found if isinstance(found, Finding) else found[0]

    def database(self) -> Database | Finding:
        listed, locks = self._ask(rpm.database_question(), of_root(self.facts.locks_question()))
        held = known(self.facts.parse_locks, locks)
        return held if isinstance(held, Finding) else rpm.parse_database(listed, held)

    def whole(self) -> Integrity | Finding:
        checked, last, holders = self._ask(
            of_root(self.runs.integrity_question()),
            of_root(self.runs.history_question()),
            self.runs.holders_question(),
        )
        return unless_locked(self.runs.parse_holders(holders), known(self.runs.parse_integrity, checked, last))

    def holders(self) -> tuple[str, ...] | Finding:
        return self.runs.parse_holders(self.one(self.runs.holders_question()))

    def signals(self) -> tuple[Signal | Finding, ...]:
        said, kernel = self._ask(of_root(self.runs.reboot_question()), rpm.kernel_question())
        return (known(self.runs.parse_reboot, said), rpm.parse_kernel(kernel))

    def apply(self, wanted: Wanted, plan: Transaction) -> Fed:  # noqa: ARG002 - dnf adds what the plan adds
        command = self.runs.apply_command(wanted.updates)
        return fed(command, self.path, command.argv.index("upgrade") + 1)

    def recovery(self, database: Database, integrity: Integrity) -> tuple[Fed, ...]:  # noqa: ARG002 - not packages, but what is left of a run
        return tuple(fed(command, self.path, len(command.argv)) for command in self.runs.recovery_commands(integrity))

    def explain(self, carried: Carried) -> Finding | None:
        return self.runs.explain(carried.exit_status, said_by(carried))

    def after(self, database: Database, said: str) -> Database:
        return rpm.with_failed_scripts(database, said)


class Dnf5Tool(DnfTool):
    path = DNF5
    facts: dnf_family.Facts = dnf5
    runs: dnf_family.Runs = dnf5_run

    def preview(self, wanted: Wanted, database: Database) -> Transaction | Finding:
        """As dnf 4's, and it has to name what was asked for: a table may be cut to the width of a terminal."""
        found = super().preview(wanted, database)
        if isinstance(found, Finding):
            return found
        told = {*found.targets, *database.packages}
        untold = [f"{package.label} {package.version}" for package in wanted.updates if package not in told]
        words = f"dnf5's preview does not name {', '.join(untold)}."
        return unknown("patch-not-understood", words) if untold else found


class ZypperTool(Tool):
    left = RPM

    def preview(self, wanted: Wanted, database: Database) -> Transaction | Finding:
        answer = self.one(of_root(zypper_run.preview_question(wanted.updates)))
        return known(lambda one: zypper_run.parse_preview(one, database), answer)

    def database(self) -> Database | Finding:
        listed, locks = self._ask(rpm.database_question(), of_root(zypper.locks_question()))
        held = known(zypper.parse_locks, locks)
        return held if isinstance(held, Finding) else rpm.parse_database(listed, held)

    def whole(self) -> Integrity | Finding:
        verified, holders = self._ask(of_root(zypper_run.integrity_question()), rpm.holders_question(rpm.ZYPPER_LOCKS))
        return unless_locked(rpm.parse_holders(holders), known(zypper_run.parse_integrity, verified))

    def holders(self) -> tuple[str, ...] | Finding:
        return rpm.parse_holders(self.one(rpm.holders_question(rpm.ZYPPER_LOCKS)))

    def signals(self) -> tuple[Signal | Finding, ...]:
        said, kernel = self._ask(of_root(zypper_run.reboot_question()), rpm.kernel_question())
        return (known(zypper_run.parse_reboot, said), rpm.parse_kernel(kernel))

    def apply(self, wanted: Wanted, plan: Transaction) -> Fed:  # noqa: ARG002 - zypper adds what the plan adds
        command = zypper_run.apply_command(wanted.updates)
        return fed(command, ZYPPER, command.argv.index("--no-recommends") + 1)

    def recovery(self, database: Database, integrity: Integrity) -> tuple[Fed, ...]:  # noqa: ARG002 - rpm leaves nothing that could be mended
        return ()

    def explain(self, carried: Carried) -> Finding | None:
        return zypper_run.explain(carried.exit_status)

    def again(self, carried: Carried) -> bool:
        return super().again(carried) or zypper_run.must_repeat(carried.exit_status)

    def after(self, database: Database, said: str) -> Database:
        return rpm.with_failed_scripts(database, said)

    def automatic(self) -> frozenset[str]:
        found = known(zypper_run.parse_auto, self.one(of_root(zypper_run.auto_question())))
        return frozenset() if isinstance(found, Finding) else found

    def marks(self, plan: Transaction, automatic: Collection[str]) -> Fed | None:
        command = zypper_run.auto_command(plan, automatic)
        return None if command is None else fed(command, SHELL, command.argv.index(zypper_run.AUTO) + 1)


def unless_locked(holders: tuple[str, ...] | Finding, found: Integrity | Finding) -> Integrity | Finding:
    """Whether the database is whole; not to be told while somebody works on it."""
    if isinstance(holders, Finding):
        return holders
    if holders:
        return unknown("patch-locked", f"Packages are being worked on by {holders[0]}.", holders=list(holders))
    return found


def said_by(carried: Carried) -> str:
    return f"{carried.stdout.decode('utf-8', 'replace')}\n{carried.stderr.decode('utf-8', 'replace')}"
