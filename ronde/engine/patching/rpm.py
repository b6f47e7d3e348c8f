"""dnf and zypper in the hands of a run. Both answer root alone."""

from ronde.engine.patches.look import known
from ronde.engine.patches.rpm import DNF, ZYPPER
from ronde.engine.patching.tools import Tool, Wanted
from ronde.facts.patch import dnf, dnf_run, rpm, zypper, zypper_run
from ronde.facts.patch.feeding import Fed, fed
from ronde.facts.patch.leftovers import RPM
from ronde.facts.patch.rights import as_root
from ronde.model.check import Finding
from ronde.model.detached import Carried
from ronde.model.patch.audit import Integrity
from ronde.model.patch.packages import Database, Transaction
from ronde.model.patch.reboot import Signal
from ronde.model.patch.thresholds import unknown


class DnfTool(Tool):
    left = RPM

    def preview(self, wanted: Wanted, database: Database) -> Transaction | Finding:
        answer = self.one(as_root(DNF, dnf_run.preview_question(wanted.updates)))
        found = known(lambda one: dnf_run.parse_preview(one, database), answer)
        return found if isinstance(found, Finding) else found[0]

    def database(self) -> Database | Finding:
        listed, locks = self._ask(rpm.database_question(), as_root(DNF, dnf.locks_question()))
        held = known(dnf.parse_locks, locks)
        return held if isinstance(held, Finding) else rpm.parse_database(listed, held)

    def whole(self) -> Integrity | Finding:
        checked, last, holders = self._ask(
            as_root(DNF, dnf_run.integrity_question()),
            as_root(DNF, dnf_run.history_question()),
            rpm.holders_question(rpm.DNF_LOCKS),
        )
        return unless_locked(rpm.parse_holders(holders), known(dnf_run.parse_integrity, checked, last))

    def holders(self) -> tuple[str, ...] | Finding:
        return rpm.parse_holders(self.one(rpm.holders_question(rpm.DNF_LOCKS)))

    def signals(self) -> tuple[Signal | Finding, ...]:
        said, kernel = self._ask(as_root(DNF, dnf_run.reboot_question()), rpm.kernel_question())
        return (known(dnf_run.parse_reboot, said), rpm.parse_kernel(kernel))

    def apply(self, wanted: Wanted, plan: Transaction) -> Fed:  # noqa: ARG002 - dnf adds what the plan adds
        command = dnf_run.apply_command(wanted.updates)
        return fed(command, DNF, command.argv.index("upgrade") + 1)

    def recovery(self, integrity: Integrity) -> tuple[Fed, ...]:
        return tuple(fed(command, DNF, len(command.argv)) for command in dnf_run.recovery_commands(integrity))

    def explain(self, carried: Carried) -> Finding | None:
        return dnf_run.explain(carried.exit_status, said_by(carried))

    def after(self, database: Database, said: str) -> Database:
        return rpm.with_failed_scripts(database, said)


class ZypperTool(Tool):
    left = RPM

    def preview(self, wanted: Wanted, database: Database) -> Transaction | Finding:
        answer = self.one(as_root(ZYPPER, zypper_run.preview_question(wanted.updates)))
        return known(lambda one: zypper_run.parse_preview(one, database), answer)

    def database(self) -> Database | Finding:
        listed, locks = self._ask(rpm.database_question(), as_root(ZYPPER, zypper.locks_question()))
        held = known(zypper.parse_locks, locks)
        return held if isinstance(held, Finding) else rpm.parse_database(listed, held)

    def whole(self) -> Integrity | Finding:
        verified, holders = self._ask(
            as_root(ZYPPER, zypper_run.integrity_question()), rpm.holders_question(rpm.ZYPPER_LOCKS)
        )
        return unless_locked(rpm.parse_holders(holders), known(zypper_run.parse_integrity, verified))

    def holders(self) -> tuple[str, ...] | Finding:
        return rpm.parse_holders(self.one(rpm.holders_question(rpm.ZYPPER_LOCKS)))

    def signals(self) -> tuple[Signal | Finding, ...]:
        said, kernel = self._ask(as_root(ZYPPER, zypper_run.reboot_question()), rpm.kernel_question())
        return (known(zypper_run.parse_reboot, said), rpm.parse_kernel(kernel))

    def apply(self, wanted: Wanted, plan: Transaction) -> Fed:  # noqa: ARG002 - zypper adds what the plan adds
        command = zypper_run.apply_command(wanted.updates)
        return fed(command, ZYPPER, command.argv.index("--no-recommends") + 1)

    def recovery(self, integrity: Integrity) -> tuple[Fed, ...]:  # noqa: ARG002 - rpm leaves nothing that could be mended
        return ()

    def explain(self, carried: Carried) -> Finding | None:
        return zypper_run.explain(carried.exit_status)

    def again(self, carried: Carried) -> bool:
        return super().again(carried) or zypper_run.must_repeat(carried.exit_status)

    def after(self, database: Database, said: str) -> Database:
        return rpm.with_failed_scripts(database, said)


def unless_locked(holders: tuple[str, ...] | Finding, found: Integrity | Finding) -> Integrity | Finding:
    """Whether the database is whole; not to be told while somebody works on it."""
    if isinstance(holders, Finding):
        return holders
    if holders:
        return unknown("patch-locked", f"Packages are being worked on by {holders[0]}.", holders=list(holders))
    return found


def said_by(carried: Carried) -> str:
    return f"{carried.stdout.decode('utf-8', 'replace')}\n{carried.stderr.decode('utf-8', 'replace')}"
