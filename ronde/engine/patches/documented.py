"""The look at a host with apk, which we know from its documentation alone.

It carries no advisories, which is less than a verdict needs, so that its hosts are never better than `unknown`; what
waits is told all the same.
"""

from ronde.engine.patches.look import Look, known
from ronde.engine.patches.rpm import NOT_WANTED
from ronde.facts.patch import apk
from ronde.facts.patch.leftovers import APK
from ronde.facts.patch.rights import as_root
from ronde.model.check import Finding

APK_PROGRAM = "/sbin/apk"


class ApkLook(Look):
    left = APK

    def run(self) -> None:
        refresh = {"refresh": as_root(APK_PROGRAM, apk.refresh_question())} if self.means.refresh else {}
        before = self.ask(version=apk.version_question(), **refresh)
        self.learn(
            manager=apk.parse_version(before["version"]),
            metadata=known(apk.parse_refresh, before["refresh"]) if self.means.refresh else NOT_WANTED,
        )
        self.unrefreshed = self.audit.metadata if isinstance(self.audit.metadata, Finding) else None
        answers = self.ask(
            database=apk.database_question(),
            preview=as_root(APK_PROGRAM, apk.preview_question()),
            kernel=apk.kernel_question(),
            **self.common(needrestart=False),
        )
        self.learn_common(answers, apk.parse_kernel(answers["kernel"]), needrestart=False)
        self.learn(
            database=apk.parse_database(answers["database"]), simulation=known(apk.parse_preview, answers["preview"])
        )
