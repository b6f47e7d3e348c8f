"""The examination of a restic repository."""

from functools import partial

from ronde.engine.backups.asking import Interview
from ronde.engine.backups.examination import Examination, Order
from ronde.facts import restic
from ronde.facts.host import HeldLock
from ronde.model.backup.conclusion import PROFILES_NEEDED
from ronde.model.backup.evidence import Locks, Point, Points, Profile, Repository, Tool
from ronde.model.backup.freshness import select, usable
from ronde.model.backup.rotation import next_part
from ronde.model.check import Finding
from ronde.model.inventory import ResticBackup

_LOCKS_READ = 20  # there is one lock a running program; more than these are read no further


class ResticExamination(Examination):
    """Version, key, locks, list, sizes and change; the check itself only when stored bytes may be read."""

    def __init__(self, interview: Interview, order: Order, backup: ResticBackup) -> None:
        super().__init__(interview, order)
        self.backup = backup
        self.restic = restic.Restic(backup.repository, order.secret)
        self.version: tuple[int, ...] = ()

    def run(self) -> None:
        tool = restic.parse_version(self.interview.ask(restic.version_question()))
        self.learn(tool=tool)
        if not isinstance(tool, Tool):
            return
        self.version, self.interview.tool = tool.version, str(tool)
        repository = self.ask_for(self.restic.config(), partial(restic.parse_config, version=self.version))
        self.learn(repository=repository)
        if isinstance(repository, Repository):
            self.learn(locks=self._locks())
            self._points()
            if self.order.night.deep:
                self._bytes()

    def fingerprint(self) -> object:
        """The index files: a prune writes new ones."""
        answer = self.interview.ask(self.restic.indexes())
        return answer.exit_status, frozenset(answer.stdout.split())

    def _locks(self) -> Locks | Finding:
        identifiers = restic.parse_lock_list(self.interview.ask(self.restic.locks()), self.version)
        if isinstance(identifiers, Finding):
            return identifiers
        held: list[HeldLock] = []
        for identifier in identifiers[:_LOCKS_READ]:
            lock = restic.parse_lock(self.interview.ask(self.restic.lock(identifier)), self.version)
            if isinstance(lock, HeldLock):
                held.append(lock)
            elif identifier in self._still_listed():
                return lock
        return self.locks_of(held)

    def _still_listed(self) -> tuple[str, ...]:
        """A lock that was renewed or given up while we read is gone from the list, and nothing to report."""
        listed = restic.parse_lock_list(self.interview.ask(self.restic.locks()), self.version)
        return () if isinstance(listed, Finding) else listed

    def _points(self) -> None:
        listed = self.ask_for(self.restic.snapshots(), partial(restic.parse_snapshots, version=self.version))
        if not isinstance(listed, Points):
            self.learn(points=listed)
            return
        points = select(listed, self.backup)
        self.learn(points=points)
        believed = usable(points, self.order.night)
        if not believed:
            return
        self.learn(profiles=self._remembered(believed))
        for point in reversed(believed[-PROFILES_NEEDED:]):
            if point.id not in self.evidence.profiles:
                self.learn(profiles={**self.evidence.profiles, point.id: self._profile(point)})
        if len(believed) > 1:
            self._churn(believed[-2], believed[-1])

    def _remembered(self, points: tuple[Point, ...]) -> dict[str, Profile | Finding]:
        """Profiles that the list itself gives, or that an earlier night asked for; a point never changes."""
        known = self.order.night.memory.profiles
        profiles = {point.id: restic.profile_of(point) or known.get(point.id) for point in points}
        return {key: profile for key, profile in profiles.items() if profile is not None}

    def _profile(self, point: Point) -> Profile | Finding:
        parse = partial(restic.parse_stats, version=self.version, point=point)
        return self.ask_for(self.restic.stats(point.id), parse)

    def _churn(self, before: Point, newest: Point) -> None:
        question = self.restic.diff(before.id, newest.id)
        self.learn(churn=self.ask_for(question, partial(restic.parse_diff, version=self.version)))

    def _bytes(self) -> None:
        night, parts = self.order.night, self.order.objective.parts
        part = (next_part(parts, night.memory.coverage, night.memory.damages), parts) if parts else None
        question = self.restic.check(self.version, self.order.limit, part)
        proven = self.ask_for(question, partial(restic.parse_check, version=self.version, part=part))
        if isinstance(proven, Finding):
            self.learn(**{"sampled" if part else "structure": proven}, attempted=part or (0, 0))
        else:
            self.learn(structure=proven[0], sampled=proven[1], attempted=part or (0, 0))
        if isinstance(proven, Finding) and isinstance(locks := self._locks(), Locks):
            known = self.evidence.locks
            self.learn(locks=Locks((*(known.all if isinstance(known, Locks) else ()), *locks.all)))
