"""The examination of a borg repository."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ronde.engine.backups.asking import Interview
from ronde.engine.backups.examination import Examination, Order
from ronde.facts import borg
from ronde.model.backup.conclusion import PROFILES_NEEDED
from ronde.model.backup.evidence import Complete, Locks, Point, Points, Profile, Repository, Tool
from ronde.model.backup.freshness import select, usable
from ronde.model.backup.rotation import next_part
from ronde.model.backup.thresholds import info, warning
from ronde.model.check import Finding
from ronde.model.command import Answer
from ronde.model.inventory import BorgBackup

Fact = TypeVar("Fact")


class BorgExamination(Examination):
    """Version, locks, archives, sizes, change and completeness; checksums only when stored bytes may be read."""

    def __init__(self, interview: Interview, order: Order, backup: BorgBackup) -> None:
        super().__init__(interview, order)
        self.backup = backup
        self.borg = borg.Borg(backup.repository, order.secret)
        self.version: tuple[int, ...] = ()

    def run(self) -> None:
        self.learn(whole=True)
        tool = borg.parse_version(self.interview.ask(borg.version_question()))
        self.learn(tool=tool)
        if not isinstance(tool, Tool):
            return
        self.version, self.interview.tool = tool.version, str(tool)
        self._archives()
        self.learn(locks=self._locks())
        if not isinstance(self.evidence.repository, Repository):
            return
        if isinstance(self.evidence.points, Points):
            self._look_inside(usable(self.evidence.points, self.order.night))
        self.learn(complete=self._complete())
        if self.order.night.deep:
            self._bytes()

    def fingerprint(self) -> object:
        """The segments and the number of the last transaction; behind ssh nothing that is cheap."""
        if self.borg.far:
            return None
        answer = self.interview.ask(self.borg.files())
        return answer.exit_status, frozenset(answer.stdout.splitlines())

    def _archives(self) -> None:
        listed = self.ask_for(self.borg.archives(), self._parser(borg.parse_archives))
        if isinstance(listed, Finding):
            self.learn(repository=listed)
            return
        repository, points = listed
        self.learn(repository=replace(repository, location=self.backup.repository), points=select(points, self.backup))

    def _locks(self) -> Locks | Finding:
        if self.borg.far:
            return info("backup-locked", "The locks of a repository behind ssh are not looked at from here.")
        held = borg.parse_locks(self.interview.ask(self.borg.locks()))
        return held if isinstance(held, Finding) else self.locks_of(held)

    def _look_inside(self, points: tuple[Point, ...]) -> None:
        known = self.order.night.memory.profiles
        self.learn(profiles={point.id: known[point.id] for point in points if point.id in known})
        for point in reversed(points[-PROFILES_NEEDED:]):
            if point.id not in self.evidence.profiles:
                profile: Profile | Finding = self.ask_for(
                    self.borg.profile(point.name), self._parser(borg.parse_profile)
                )
                self.learn(profiles={**self.evidence.profiles, point.id: profile})
        if len(points) > 1:
            question = self.borg.diff(points[-2].name, points[-1].name)
            self.learn(churn=self.ask_for(question, self._parser(borg.parse_diff)))

    def _complete(self) -> Complete | Finding:
        if self.borg.far:
            return info("backup-sample-impossible", "The segments behind ssh cannot be counted from here.")
        return self.sure(self._count)

    def _count(self) -> Complete | Finding:
        files = borg.parse_files(self.interview.ask(self.borg.files()))
        if isinstance(files, Finding):
            return files
        present, indexed = files
        if not indexed:
            return warning("backup-index-missing", "The repository has no index; borg will rebuild it when next used.")
        parse = partial(borg.parse_hints, version=self.version, present=present)
        return parse(self.interview.ask(self.borg.hints()))

    def _bytes(self) -> None:
        limit, night, parts = self.order.limit, self.order.night, self.order.objective.parts
        question = self.borg.check_archive(limit, self.backup.prefix)
        self.learn(structure=self.ask_for(question, self._parser(borg.parse_check_archive)))
        if parts and self.borg.far:
            why = "The segments to sample lie behind ssh; declare this backup under the host that has them."
            self.learn(sampled=warning("backup-sample-impossible", why))
        elif parts:
            part = (next_part(parts, night.memory.coverage, night.memory.damages), parts)
            parse = partial(borg.parse_check_segments, version=self.version, part=part)
            self.learn(sampled=self.ask_for(self.borg.check_segments(limit, part), parse), attempted=part)

    def _parser(self, parse: Callable[..., Fact]) -> Callable[[Answer], Fact]:
        return partial(parse, version=self.version)
