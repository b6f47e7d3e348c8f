"""The look at a host with dnf5 or apk, which we know from their documentation alone.

Less is known of them than a verdict needs (no plan of dnf5 can be read, apk carries no advisories), so that their hosts
are never better than `unknown`; what waits is told all the same.
"""

from dataclasses import replace

from ronde.engine.patches.look import Look, known
from ronde.facts.patch import apk, dnf5, rpm
from ronde.facts.patch.leftovers import APK, RPM
from ronde.facts.patch.rights import as_root
from ronde.facts.patch.rpm_updates import Reasons, make_simulation
from ronde.model.check import Finding
from ronde.model.command import Answer
from ronde.model.patch.packages import Database, Simulation, Transaction
from ronde.model.patch.thresholds import unknown

DNF5, APK_PROGRAM = "/usr/bin/dnf5", "/sbin/apk"
NOT_WANTED = unknown("patch-metadata-old", "The repositories were not read anew: it was asked for without that.")


class Dnf5Look(Look):
    left = RPM

    def run(self) -> None:
        refresh = {"refresh": as_root(DNF5, dnf5.refresh_question())} if self.means.refresh else {}
        before = self.ask(version=dnf5.version_question(), **refresh)
        self.learn(manager=dnf5.parse_version(before["version"]))
        faults = known(dnf5.parse_refresh, before["refresh"]) if self.means.refresh else NOT_WANTED
        self.unrefreshed = faults if isinstance(faults, Finding) else None
        answers = self.ask(
            repositories=as_root(DNF5, dnf5.repositories_question()),
            offered=as_root(DNF5, dnf5.upgrades_question(excluded=True)),
            advisories=as_root(DNF5, dnf5.advisories_question()),
            reboot=as_root(DNF5, dnf5.reboot_question()),
            database=rpm.database_question(),
            kernel=rpm.kernel_question(),
            **self.common(needrestart=False),
        )
        signals = known(dnf5.parse_reboot, answers["reboot"]), rpm.parse_kernel(answers["kernel"])
        self.learn_common(answers, *signals, needrestart=False)
        database = rpm.parse_database(answers["database"])
        self.learn(
            database=database,
            simulation=database if isinstance(database, Finding) else _offered(answers, database),
            metadata=faults
            if isinstance(faults, Finding)
            else known(
                lambda answer: dnf5.parse_repositories(answer, before["refresh"], faults), answers["repositories"]
            ),
        )


def _offered(answers: dict[str, Answer], database: Database) -> Simulation | Finding:
    """What waits; why something would stay is in the plan alone, which cannot be read."""
    offers = known(dnf5.parse_upgrades, answers["offered"])
    advisories = known(dnf5.parse_advisories, answers["advisories"])
    if isinstance(offers, Finding):
        return offers
    if isinstance(advisories, Finding):
        return advisories
    found = make_simulation(offers, advisories, frozenset(), database, (Transaction(), Reasons()))
    return replace(found, kept=())


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
