"""The look at a host with dnf 4, dnf5 or zypper.

They answer root alone: another user has a cache of his own, or none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ronde.engine.patches.look import NEEDRESTART, Look, known
from ronde.facts.patch import dnf, dnf5, dnf5_run, dnf_family, dnf_run, rpm, zypper, zypper_run
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

DNF, DNF5, ZYPPER, SHELL = "/usr/bin/dnf", "/usr/bin/dnf5", "/usr/bin/zypper", "/bin/sh"
PATHS = {"dnf": DNF, "dnf5": DNF5, "zypper": ZYPPER, "sh": SHELL}
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


def of_root(question: Question) -> Question:
    """The same question as root, which is the only one whom these managers answer."""
    return as_root(PATHS[question.command.argv[0]], question)


class DnfLook(_RpmLook):
    facts: dnf_family.Facts = dnf
    runs: dnf_family.Runs = dnf_run

    def run(self) -> None:
        before, needrestart = self._refreshed(of_root(self.facts.refresh_question()), self.facts.version_question())
        self.learn(manager=self.facts.parse_version(before["version"]))
        faults = known(self.facts.parse_refresh, before["refresh"]) if self.means.refresh else NOT_WANTED
        self.unrefreshed = faults if isinstance(faults, Finding) else None
        answers = self.ask(
            **{name: of_root(question) for name, question in self._questions().items()},
            database=rpm.database_question(),
            kernel=rpm.kernel_question(),
            holders=self.runs.holders_question(),
            **self.common(needrestart=needrestart),
        )
        signals = known(self.runs.parse_reboot, answers["reboot"]), rpm.parse_kernel(answers["kernel"])
        self.learn_common(answers, *signals, needrestart=needrestart)
        self._learn_packages(answers, faults)

    def _questions(self) -> dict[str, Question]:
        return {
            "repositories": self.facts.repositories_question(),
            "locks": self.facts.locks_question(),
            "offered": self.facts.upgrades_question(excluded=True),
            "shown": self.facts.upgrades_question(),
            "listed": self.facts.advisories_question(),
            "detailed": self.facts.references_question(),
            "preview": self.runs.preview_question(),
            "integrity": self.runs.integrity_question(),
            "history": self.runs.history_question(),
            "reboot": self.runs.reboot_question(),
        }

    def _learn_packages(self, answers: Answers, faults: tuple[RepositoryFault, ...] | Finding) -> None:
        held = known(self.facts.parse_locks, answers["locks"])
        database = held if isinstance(held, Finding) else rpm.parse_database(answers["database"], held)
        integrity = known(self.runs.parse_integrity, answers["integrity"], answers["history"])
        self.learn(
            metadata=faults
            if isinstance(faults, Finding)
            else known(lambda answer: self.facts.parse_repositories(answer, faults), answers["repositories"]),
            database=database,
            integrity=self._integrity(self.runs.parse_holders(answers["holders"]), integrity),
        )
        if isinstance(held, Finding) or isinstance(database, Finding):
            self.learn(simulation=held if isinstance(held, Finding) else database)
            return
        self.learn(simulation=self._simulation(answers, held, database))

    def _simulation(self, answers: Answers, held: frozenset[str], database: Database) -> Simulation | Finding:
        offers, shown = (known(self.facts.parse_upgrades, answers[name]) for name in ("offered", "shown"))
        if isinstance(offers, Finding):
            return offers
        if isinstance(shown, Finding):
            return shown
        preview = known(lambda answer: self.runs.parse_preview(answer, database), answers["preview"])
        if isinstance(preview, Finding):
            return preview
        offered = self._advised(offers, answers)
        if isinstance(offered, Finding):
            return offered
        pinned = {one.package.label for one in offers} - {one.package.label for one in shown}
        return _simulated(offered, database, preview[0], Reasons(held, pinned, preview[1]))

    def _advised(self, offers: tuple[Offer, ...], answers: Answers) -> _Offered | Finding:
        advisories = known(self.facts.parse_advisories, answers["listed"], answers["detailed"])
        if isinstance(advisories, Finding):
            return advisories
        repositories = sorted({offer.repository for offer in offers})
        if not repositories:
            return _Offered(offers, advisories, frozenset())
        answer = self.interview.ask(of_root(self.facts.advised_question(repositories)))
        advised = known(self.facts.parse_advised, answer)
        return advised if isinstance(advised, Finding) else _Offered(offers, advisories, advised)


class Dnf5Look(DnfLook):
    facts: dnf_family.Facts = dnf5
    runs: dnf_family.Runs = dnf5_run


class ZypperLook(_RpmLook):
    def run(self) -> None:
        before, needrestart = self._refreshed(of_root(zypper.refresh_question()), zypper.version_question())
        self.learn(manager=zypper.parse_version(before["version"]))
        faults = known(zypper.parse_refresh, before["refresh"]) if self.means.refresh else NOT_WANTED
        self.unrefreshed = faults if isinstance(faults, Finding) else None
        answers = self.ask(
            **{name: of_root(question) for name, question in self._questions().items()},
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
            answer = self.interview.ask(of_root(zypper.concerns_question(advisories)))
            filled = known(lambda one: zypper.parse_concerns(one, patches), answer)
            if isinstance(filled, Finding):
                return filled
            advisories = filled.advisories
        return _Offered(offers, advisories, carriers)


def _simulated(offered: _Offered, database: Database, transaction: Transaction, reasons: Reasons) -> Simulation:
    return make_simulation(offered.offers, offered.advisories, offered.advised, database, (transaction, reasons))
