"""One host on its way through a patch run: where it stands, what is on record of it, and who asks it.

Everything that a later attempt needs is on the step's record before the next thing is done: the events so far, the
frozen plan, how the host was before. What is not there is asked again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ronde.engine.backups.asking import Interview
from ronde.engine.patching.apk import ApkTool
from ronde.engine.patching.apt import AptTool
from ronde.engine.patching.rpm import Dnf5Tool, DnfTool, ZypperTool
from ronde.engine.patching.tools import Tool, Wanted, package_words
from ronde.engine.procedure.stage import Stage
from ronde.facts.question import Question
from ronde.model.check import Finding, Json
from ronde.model.command import Answer
from ronde.model.errors import InputError
from ronde.model.inventory import Host
from ronde.model.patch.health import Health
from ronde.model.patch.options import Options, read_options
from ronde.model.patch.packages import Database, Package, Transaction, transaction_from_json
from ronde.model.patch.stored import health_from_json, unpacked
from ronde.model.patch.transaction import PatchEvent, PatchRecord, PatchState
from ronde.model.verdict import Severity

TOOLS: Final[Mapping[str, Callable[..., Tool]]] = {
    "apt": AptTool,
    "dnf": DnfTool,
    "dnf5": Dnf5Tool,
    "zypper": ZypperTool,
    "apk": ApkTool,
}
"""The managers that a run may use."""


@dataclass(slots=True)
class Course:
    """One attempt at the way of one host.

    Attributes:
        options: what the run is told, frozen with its plan.
        host: the inventory's entry as it is now.
        telling: findings of this attempt that are not on record yet.
        notes: what goes on record with the next event.
    """

    stage: Stage
    options: Options
    host: Host
    telling: list[Finding] = field(default_factory=list)
    notes: dict[str, Json] = field(default_factory=dict)

    @classmethod
    def of(cls, stage: Stage) -> "Course":
        """The course of a step; raises InputError when its words mean nothing, or the host has left the inventory."""
        host = stage.job.client.hosts.get(stage.job.target.name)
        if host is None:
            raise InputError(f"{stage.job.target.name} is no longer in the inventory")
        return cls(stage, options_of(stage), host)

    @property
    def on_windows(self) -> bool:
        """Whether the host is a Windows, whose phases are others (`ronde.engine.patching.windows`)."""
        return self.host.system == "windows"

    # -- what is on record

    @property
    def journal(self) -> Mapping[str, Any]:
        return {**self.stage.record.journal, **self.notes}

    @property
    def way(self) -> PatchRecord:
        events = self.stage.record.journal.get("events")
        return PatchRecord(
            tuple(PatchEvent(str(event)) for event in events) if isinstance(events, (list, tuple)) else ()
        )

    @property
    def state(self) -> PatchState:
        return self.way.state

    def record(self, event: PatchEvent) -> None:
        """Put an event on record with everything noted and told since the last one; durable when it returns.

        Raises:
            IllegalChange: the state does not allow it. Fenced, LedgerError: as `Stage.keep`.
        """
        events: list[Json] = [each.value for each in self.way.after(event).events]
        self.keep(events=events)

    def keep(self, **more: Json) -> None:
        """Put what was noted and told on record now, without an event."""
        told = [*self.journal.get("findings", ()), *(_finding_json(finding) for finding in self.telling)]
        self.stage.keep(**{**self.notes, "findings": told, **more})
        self.notes, self.telling = {}, []

    def note(self, **values: Json) -> None:
        """Something for the record; it goes there with the next event."""
        self.notes.update(values)

    def tell(self, *findings: Finding) -> None:
        """Something for the record, and for people."""
        self.telling += findings

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything told so far, by this attempt and earlier ones; each once."""
        kept = [_finding(value) for value in self.journal.get("findings", ())]
        found = [*kept, *self.telling]
        return tuple(one for place, one in enumerate(found) if one not in found[:place])

    @property
    def plan(self) -> Transaction:
        return transaction_from_json(self.journal["plan"])

    @property
    def wanted(self) -> Wanted:
        kept = self.journal["wanted"]
        return Wanted(*(tuple(Package(*words) for words in kept[name]) for name in ("updates", "removals")))

    @property
    def before(self) -> Database:
        """The package database before the run."""
        return unpacked(self.journal["database"])

    @property
    def health_before(self) -> Health:
        return health_from_json(self.journal["health"])

    @property
    def root(self) -> bool:
        """Whether our user is root himself."""
        return bool(self.journal["root"])

    @property
    def caveat(self) -> str:
        """What must be said of a run whose manager is known from its documentation alone; empty for the others."""
        manager = self.journal.get("manager")
        return (
            f"{manager} is known from its documentation alone: not verified" if self.journal.get("documented") else ""
        )

    # -- who asks

    @property
    def tool(self) -> Tool:
        return TOOLS[self.journal["manager"]](self.ask)

    def ask(self, *questions: Question) -> list[Answer]:
        """Put questions to the host in one round trip, and keep the answers as evidence; raises as `Shell.run`."""
        interview = Interview(self.stage.shell, self.stage.job.engine.clock)
        try:
            return interview.ask_all(list(questions))
        finally:
            self.stage.asked += interview.exchanges

    def pause(self, seconds: float) -> None:
        """Wait, unless the job is lost or its time is over; raises as `Signal.check`."""
        self.stage.gate.check()
        self.stage.job.engine.pause(seconds)


def options_of(stage: Stage) -> Options:
    """What the step is told; raises InputError when its words mean nothing."""
    words = {
        name: stage.text(name) for name in ("policy", "reboot", "snapshot", "revert", "bake", "within", "approved")
    }
    allow = stage.content["allow"]
    globs = {"exclude": stage.content["exclude"], "new": allow["new"], "remove": allow["remove"]}
    return read_options(words, {name: " ".join(map(stage.fill, listed)) for name, listed in globs.items()})


def wanted_json(wanted: Wanted) -> dict[str, Json]:
    return {"updates": package_words(wanted.updates), "removals": package_words(wanted.removals)}


def _finding_json(finding: Finding) -> dict[str, Json]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": finding.message,
        "evidence": dict(finding.evidence),
    }


def _finding(value: Mapping[str, Any]) -> Finding:
    return Finding(value["rule"], Severity(value["severity"]), value["message"], value["evidence"])


def sentences(findings: Sequence[Finding]) -> str:
    return " ".join(finding.message for finding in findings)
