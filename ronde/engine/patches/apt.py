"""The look at a host with apt: four round trips at most, three when nothing waits."""

from ronde.engine.patches.look import NEEDRESTART, Look, known
from ronde.facts.patch import apt, apt_locks, apt_simulation, dpkg, kernel
from ronde.facts.patch.apt_lists import aged_metadata, lists_question, targets_question
from ronde.facts.patch.apt_simulation import Run, Runs, parse_run, tell_all
from ronde.facts.patch.apt_waiting import Look as Known
from ronde.facts.patch.apt_waiting import parse_versions, simulation, versions_question, waiting
from ronde.facts.patch.leftovers import DPKG
from ronde.facts.patch.reading import LOOK_LIMIT
from ronde.facts.patch.rights import as_root
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Manager, RepositoryFault
from ronde.model.patch.packages import Database, Simulation
from ronde.model.patch.thresholds import unknown

APT = "/usr/bin/apt-get"
MODERN = Manager("apt", apt.ERRORS_ANY_SINCE)
NOT_WANTED = "It was asked for without reading the repositories anew."
# A refresh that was not made leaves the lists as they were, and their age can be told. One that failed leaves doubt.
NOT_MADE = frozenset({"patch-denied", "patch-locked", "patch-metadata-old"})
Refreshed = tuple[RepositoryFault, ...] | Finding
_PLANNED, _UNPHASED, _FREE, _UNPINNED = apt_simulation.runs_questions()


class AptLook(Look):
    left = DPKG

    def run(self) -> None:
        refreshed, read, needrestart = self._refresh()
        stale = refreshed if isinstance(refreshed, Finding) and refreshed.rule in NOT_MADE else None
        self.unrefreshed = stale
        answers = self.ask(
            **({"targets": targets_question(), "lists": lists_question()} if stale else {}),
            sources=apt.sources_question(),
            database=dpkg.database_question(),
            holders=apt_locks.holders_question(),
            journal=dpkg.journal_question(),
            audit=dpkg.audit_question(),
            check=dpkg.check_question(),
            planned=_PLANNED,
            unpinned=_UNPINNED,
            kernel=kernel.kernel_question(),
            **self.common(needrestart=needrestart),
        )
        self.learn_common(answers, kernel.parse_kernel(answers["kernel"]), needrestart=needrestart)
        self._learn_state(answers)
        sources = apt.parse_sources(answers["sources"])
        self.learn(
            metadata=aged_metadata(sources, answers["targets"], answers["lists"])
            if stale
            else apt.metadata(sources, refreshed, read),
            simulation=self._simulation(answers, sources),
        )

    def _refresh(self) -> tuple[Refreshed, Answer, bool]:
        """What a strict refresh came to, its answer, and whether needrestart is there.

        apt is taken for a modern one, which is strict when told so; an older one does not know the word and is asked
        once more in its own way.
        """
        asked = {"version": apt.version_question(), "needrestart": _there(NEEDRESTART)}
        if self.means.refresh:
            asked["refresh"] = refresh_question(MODERN)
        answers = self.ask(**asked)
        manager = apt.parse_version(answers["version"])
        self.learn(manager=manager)
        needrestart = answers["needrestart"].exit_status == 0
        if not self.means.refresh:
            return unknown("patch-metadata-old", NOT_WANTED), answers["version"], needrestart
        if isinstance(manager, Finding):
            return manager, answers["refresh"], needrestart
        read = answers["refresh"] if manager >= MODERN else self.interview.ask(refresh_question(manager))
        refreshed, read = self._unlocked(read, manager)
        return refreshed, read, needrestart

    def _unlocked(self, answer: Answer, manager: Manager) -> tuple[Refreshed, Answer]:
        """Another program that refreshes holds the lock for a minute or so, and is waited for: apt itself does not."""
        for _ in range(apt.LISTS_RETRIES):
            refreshed = known(lambda one: apt.parse_refresh(one, manager), answer)
            if not (isinstance(refreshed, Finding) and refreshed.rule == "patch-locked"):
                return refreshed, answer
            self.means.pause(apt.LISTS_RETRY_S)
            answer = self.interview.ask(refresh_question(manager))
        return known(lambda one: apt.parse_refresh(one, manager), answer), answer

    def _learn_state(self, answers: dict[str, Answer]) -> None:
        holders = apt_locks.parse_holders(answers["holders"])
        self.learn(
            database=dpkg.parse_database(answers["database"]),
            integrity=dpkg.parse_integrity(answers["journal"], answers["audit"], answers["check"], holders),
        )

    def _simulation(
        self, answers: dict[str, Answer], sources: tuple[apt.Source, ...] | Finding
    ) -> Simulation | Finding:
        planned, unpinned = parse_run(answers["planned"]), parse_run(answers["unpinned"])
        database = self.audit.database
        if isinstance(planned, Finding):
            return planned
        if isinstance(unpinned, Finding):
            return unpinned
        if isinstance(sources, Finding):
            return sources
        if not isinstance(database, Database):
            unread = unknown("patch-not-read", "The package database was not read.")
            return database if isinstance(database, Finding) else unread
        return self._explained(planned, unpinned, sources, database)

    def _explained(
        self, planned: Run, unpinned: Run, sources: tuple[apt.Source, ...], database: Database
    ) -> Simulation | Finding:
        """The last round trip: who offers what waits; two more simulations, only if they could tell something else."""
        runs = Runs(planned, planned, unpinned, unpinned)
        more = {} if tell_all(planned, unpinned) else {"unphased": _UNPHASED, "free": _FREE}
        labels = waiting(runs)
        asked = {**more, **({"versions": versions_question(labels)} if labels else {})}
        if not asked:
            return simulation(Known(runs, {}, sources, database.holds, database))
        answers = self.ask(**asked)
        if more:
            unphased, free = parse_run(answers["unphased"]), parse_run(answers["free"])
            if isinstance(unphased, Finding):
                return unphased
            if isinstance(free, Finding):
                return free
            runs = Runs(planned, unphased, free, unpinned)
        versions = parse_versions(answers["versions"], sources) if labels else {}
        if isinstance(versions, Finding):
            return versions
        return simulation(Known(runs, versions, sources, database.holds, database))


def refresh_question(manager: Manager) -> Question:
    """The strict refresh as root; `rights.sudo_words` of it is what sudoers must allow."""
    return as_root(APT, apt.refresh_question(manager))


def _there(path: str) -> Question:
    return Question(Command(("test", "-x", path), timeout=LOOK_LIMIT), f"test -x {path}")
