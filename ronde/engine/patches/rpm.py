"""The look at a host with dnf 4 or zypper. Both answer root alone: another user has a cache of his own, or none."""

from collections.abc import Mapping
from dataclasses import dataclass

from ronde.engine.patches.look import NEEDRESTART, Look, known
from ronde.facts.patch import dnf, dnf_run, rpm, zypper, zypper_run
from ronde.facts.patch.leftovers import RPM
from ronde.facts.patch.reading import LOOK_LIMIT
from ronde.facts.patch.rights import as_root
from ronde.facts.patch.rpm_updates import Advisory, Offer, Reasons, make_simulation
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Integrity, RepositoryFault
from ronde.model.patch.packages import Database, Simulation, Transaction
from ronde.model.patch.thresholds import unknown

DNF, ZYPPER, SHELL = "/usr/bin/dnf", "/usr/bin/zypper", "/bin/sh"
NOT_WANTED = unknown("patch-metadata-old", "The repositories were not read anew: it was asked for without that.")
Answers = Mapping[str, Answer]


class _RpmLook(Look):
    left = RPM

    def _refreshed(self, refresh: Question, version: Question) -> tuple[Answers, bool]:
        """The manager's version, its word on the refresh if that is wanted, and whether needrestart is there."""
        there = Question(Command(("test", "-x", NEEDRESTART), timeout=LOOK_LIMIT), f"test -x {NEEDRESTART}")
        asked = {"version": version, "there": there}
        answers = self.ask(**({**asked, "refresh": refresh} if self.means.refresh else asked))
        return answers, answers["there"].exit_status == 0

    def _integrity(self, held: tuple[str, ...] | Finding, found: Integrity | Finding) -> Integrity | Finding:
        """Whether the database is whole; not to be told while somebody works on it."""
        if isinstance(held, Finding):
            return held
        if held:
            return unknown("patch-locked", f"Packages are being worked on by {held[0]}.", holders=list(held))
        return found


@dataclass(frozen=True, slots=True)
class _Offered:
    """What waits on an rpm host: `advised` are repositories that carry advisories."""

    offers: tuple[Offer, ...]
    advisories: tuple[Advisory, ...]
    advised: frozenset[str]


class DnfLook(_RpmLook):
    def run(self) -> None:
        before, needrestart = self._refreshed(as_root(DNF, dnf.refresh_question()), dnf.version_question())
        self.learn(manager=dnf.parse_version(before["version"]))
        faults = known(dnf.parse_refresh, before["refresh"]) if self.means.refresh else NOT_WANTED
        self.unrefreshed = faults if isinstance(faults, Finding) else None
        answers = self.ask(
            **{name: as_root(DNF, question) for name, question in self._questions().items()},
            database=rpm.database_question(),
            kernel=rpm.kernel_question(),
            holders=rpm.holders_question(rpm.DNF_LOCKS),
            **self.common(needrestart=needrestart),
        )
        signals = known(dnf_run.parse_reboot, answers["reboot"]), rpm.parse_kernel(answers["kernel"])
        self.learn_common(answers, *signals, needrestart=needrestart)
        self._learn_packages(answers, faults)

    def _questions(self) -> dict[str, Question]:
        return {
            "repositories": dnf.repositories_question(),
            "locks": dnf.locks_question(),
            "offered": dnf.upgrades_question(excluded=True),
            "shown": dnf.upgrades_question(),
            "listed": dnf.advisories_question(),
            "detailed": dnf.references_question(),
            "preview": dnf_run.preview_question(),
            "integrity": dnf_run.integrity_question(),
            "history": dnf_run.history_question(),
            "reboot": dnf_run.reboot_question(),
        }

    def _learn_packages(self, answers: Answers, faults: tuple[RepositoryFault, ...] | Finding) -> None:
        held = known(dnf.parse_locks, answers["locks"])
        database = held if isinstance(held, Finding) else rpm.parse_database(answers["database"], held)
        integrity = known(dnf_run.parse_integrity, answers["integrity"], answers["history"])
        self.learn(
            metadata=faults
            if isinstance(faults, Finding)
            else known(lambda answer: dnf.parse_repositories(answer, faults), answers["repositories"]),
            database=database,
            integrity=self._integrity(rpm.parse_holders(answers["holders"]), integrity),
        )
        if isinstance(held, Finding) or isinstance(database, Finding):
            self.learn(simulation=held if isinstance(held, Finding) else database)
            return
        self.learn(simulation=self._simulation(answers, held, database))

    def _simulation(self, answers: Answers, held: frozenset[str], database: Database) -> Simulation | Finding:
        offers, shown = (known(dnf.parse_upgrades, answers[name]) for name in ("offered", "shown"))
        if isinstance(offers, Finding):
            return offers
        if isinstance(shown, Finding):
            return shown
        preview = known(lambda answer: dnf_run.parse_preview(answer, database), answers["preview"])
        if isinstance(preview, Finding):
            return preview
        offered = self._advised(offers, answers)
        if isinstance(offered, Finding):
            return offered
        pinned = {one.package.label for one in offers} - {one.package.label for one in shown}
        return _simulated(offered, database, preview[0], Reasons(held, pinned, preview[1]))

    def _advised(self, offers: tuple[Offer, ...], answers: Answers) -> _Offered | Finding:
        advisories = known(dnf.parse_advisories, answers["listed"], answers["detailed"])
        if isinstance(advisories, Finding):
            return advisories
        repositories = sorted({offer.repository for offer in offers})
        if not repositories:
            return _Offered(offers, advisories, frozenset())
        answer = self.interview.ask(as_root(SHELL, dnf.advised_question(repositories)))
        advised = known(dnf.parse_advised, answer)
        return advised if isinstance(advised, Finding) else _Offered(offers, advisories, advised)


class ZypperLook(_RpmLook):
    def run(self) -> None:
        before, needrestart = self._refreshed(as_root(ZYPPER, zypper.refresh_question()), zypper.version_question())
        self.learn(manager=zypper.parse_version(before["version"]))
        faults = known(zypper.parse_refresh, before["refresh"]) if self.means.refresh else NOT_WANTED
        self.unrefreshed = faults if isinstance(faults, Finding) else None
        answers = self.ask(
            **{name: as_root(ZYPPER, question) for name, question in self._questions().items()},
            database=rpm.database_question(),
            kernel=rpm.kernel_question(),
            holders=rpm.holders_question(rpm.ZYPPER_LOCKS),
            **self.common(needrestart=needrestart),
        )
        signals = known(zypper_run.parse_reboot, answers["reboot"]), rpm.parse_kernel(answers["kernel"])
        self.learn_common(answers, *signals, needrestart=needrestart)
        self.learn(
            metadata=faults
            if isinstance(faults, Finding)
            else known(
                lambda answer: zypper.parse_repositories(answer, before["refresh"], faults), answers["repositories"]
            )
        )
        self._learn_packages(answers)

    def _questions(self) -> dict[str, Question]:
        return {
            "repositories": zypper.repositories_question(),
            "locks": zypper.locks_question(),
            "offered": zypper.updates_question(),
            "patches": zypper.patches_question(),
            "carriers": zypper.carriers_question(),
            "preview": zypper_run.preview_question(),
            "integrity": zypper_run.integrity_question(),
            "reboot": zypper_run.reboot_question(),
        }

    def _learn_packages(self, answers: Answers) -> None:
        held = known(zypper.parse_locks, answers["locks"])
        database = held if isinstance(held, Finding) else rpm.parse_database(answers["database"], held)
        integrity = known(zypper_run.parse_integrity, answers["integrity"])
        self.learn(database=database, integrity=self._integrity(rpm.parse_holders(answers["holders"]), integrity))
        if isinstance(held, Finding) or isinstance(database, Finding):
            self.learn(simulation=held if isinstance(held, Finding) else database)
            return
        self.learn(simulation=self._simulation(answers, held, database))

    def _simulation(self, answers: Answers, held: tuple[str, ...], database: Database) -> Simulation | Finding:
        transaction = known(lambda answer: zypper_run.parse_preview(answer, database), answers["preview"])
        if isinstance(transaction, Finding):
            return transaction
        offered = self._offered(answers)
        if isinstance(offered, Finding):
            return offered
        return _simulated(offered, database, transaction, Reasons(held))

    def _offered(self, answers: Answers) -> _Offered | Finding:
        offers, patches = (
            known(zypper.parse_updates, answers["offered"]),
            known(zypper.parse_patches, answers["patches"]),
        )
        if isinstance(offers, Finding):
            return offers
        if isinstance(patches, Finding):
            return patches
        carriers = known(zypper.parse_carriers, answers["carriers"], answers["repositories"])
        if isinstance(carriers, Finding):
            return carriers
        advisories = patches.advisories
        if advisories:
            answer = self.interview.ask(as_root(ZYPPER, zypper.concerns_question(advisories)))
            filled = known(lambda one: zypper.parse_concerns(one, patches), answer)
            if isinstance(filled, Finding):
                return filled
            advisories = filled.advisories
        return _Offered(offers, advisories, carriers)


def _simulated(offered: _Offered, database: Database, transaction: Transaction, reasons: Reasons) -> Simulation:
    return make_simulation(offered.offers, offered.advisories, offered.advised, database, (transaction, reasons))
