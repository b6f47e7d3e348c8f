"""apk in the hands of a run, after its documentation alone: not verified on Alpine, and a run says so."""

from ronde.engine.patches.documented import APK_PROGRAM
from ronde.engine.patches.look import known
from ronde.engine.patches.rpm import SHELL
from ronde.engine.patching.rpm import said_by, unless_locked
from ronde.engine.patching.tools import Tool, Wanted
from ronde.facts.patch import apk, apk_run
from ronde.facts.patch.feeding import Fed, fed
from ronde.facts.patch.leftovers import APK
from ronde.facts.patch.rights import as_root
from ronde.model.check import Finding
from ronde.model.detached import Carried
from ronde.model.patch.audit import Integrity
from ronde.model.patch.packages import Database, Transaction
from ronde.model.patch.reboot import Signal


class ApkTool(Tool):
    left = APK

    def preview(self, wanted: Wanted, database: Database) -> Transaction | Finding:  # noqa: ARG002 - apk tells it all
        answer = self.one(as_root(APK_PROGRAM, apk.preview_question(wanted.updates)))
        found = known(apk.parse_preview, answer)
        return found if isinstance(found, Finding) else found.transaction

    def database(self) -> Database | Finding:
        return apk.parse_database(self.one(apk.database_question()))

    def whole(self) -> Integrity | Finding:
        """Nothing but the database's own flags tells; apk keeps no journal, and installs nothing with unmet needs."""
        return unless_locked(self.holders(), Integrity())

    def holders(self) -> tuple[str, ...] | Finding:
        return apk_run.parse_holders(self.one(apk_run.holders_question()))

    def signals(self) -> tuple[Signal | Finding, ...]:
        return (apk.parse_kernel(self.one(apk.kernel_question())),)

    def apply(self, wanted: Wanted, plan: Transaction) -> Fed:
        return fed(apk_run.apply_command(wanted.updates, plan), SHELL, 4)

    def recovery(self, database: Database, integrity: Integrity) -> tuple[Fed, ...]:  # noqa: ARG002 - the same, whatever is broken
        command = apk_run.recovery_command()
        return (fed(command, APK_PROGRAM, len(command.argv)),)

    def explain(self, carried: Carried) -> Finding | None:
        return apk_run.explain(carried.exit_status, said_by(carried))
