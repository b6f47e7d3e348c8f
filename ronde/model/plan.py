"""What an order will do, frozen: the playbook, its digest, and one job for each target.

A plan is made once, stored on the run, and is all that a worker executes. The objectives of each check (how fresh, how
large, how many) stand in it, so that a later change of the inventory never rewrites what a past night was held against.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, cast

from ronde.model.check import Json
from ronde.model.pace import Pace, Place, pace_json, place_from_json, place_json
from ronde.model.run import Policy


class TargetKind(StrEnum):
    HOST = "host"
    VCENTER = "vcenter"
    CLIENT = "client"  # what concerns a client as a whole: its reports


@dataclass(frozen=True, slots=True, order=True)
class Target:
    client: str
    kind: TargetKind
    name: str


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a job that met a passing trouble is tried in all, and how long is waited before each further try."""

    attempts: int = 3
    delays: tuple[timedelta, ...] = (timedelta(minutes=2), timedelta(minutes=10))

    def delay(self, attempt: int) -> timedelta:
        """How long to wait after attempt number `attempt` (from 1)."""
        return self.delays[min(attempt, len(self.delays)) - 1] if self.delays else timedelta(0)


@dataclass(frozen=True, slots=True)
class Terms:
    """When and how one action of a procedure is done; see `ronde.model.playbook.StepEntry` for the conditions.

    Attributes:
        changes: whether it changes the target.
        repeats: whether it may be done again when nobody knows how far it came; never both, in effect: what may not be
            repeated is reconciled with the target instead.
        timeout: seconds.
        when, changed_when, expect: conditions in the step's own scope; `gates`: those of the includes that it came in
            by, each with the scope it is answered in.
        shown: the command as a person would type it, as far as it is known before anything was asked; None when it
            depends on an answer.
    """

    changes: bool
    repeats: bool
    timeout: float
    become: bool = False
    when: str | None = None
    changed_when: str | None = None
    expect: str | None = None
    attempts: int = 1
    delay: float = 0.0
    shown: str | None = None
    gates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a job.

    Attributes:
        id: its name; one that was included by another carries that one's in front: `prepare.units`.
        use: a check (`backups`, `clock`, `machines`, `report`), or the action of a procedure (`run`, `service`, …).
        parameters: what the check or action needs.
        terms: when and how an action is done; None for the steps of a job that only examines.
    """

    id: str
    use: str
    parameters: Mapping[str, Json] = field(default_factory=dict)
    terms: Terms | None = None

    @property
    def scope(self) -> str:
        """The id of the include that it came in by; empty for a step of the playbook itself."""
        return self.id.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Its id within its own playbook."""
        return self.id.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Procedure:
    """What makes a job more than an examination: parameters, guards, and what is done when a step fails.

    Attributes:
        values: the parameters of the playbook, and of each include under its scope; scope "" is the playbook itself.
        title: what it is called, by language.
        rescue, always: steps for when one failed, and for in any case.
        guards: what must be so just before it starts; `overrides`: those set aside, with the reason.
        windows: names of the only maintenance windows in which it may begin; empty, all that its target has.
        approved: whether a second person approved exactly this plan, so that it is made anew and compared first.
        dry: only look: what would change something is told, and not done.
        wait_until: a target that cannot be reached is waited for until then, before anything was begun.
    """

    risk: str
    title: Mapping[str, str]
    values: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    rescue: tuple[Step, ...] = ()
    always: tuple[Step, ...] = ()
    guards: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    approved: bool = False
    dry: bool = False
    wait_until: datetime | None = None


@dataclass(frozen=True, slots=True, order=True)
class Lane:
    """Something of which only so many jobs may hold a place at once: `client:x`, `jump:x/bastion`, `vcenter:x/vc1`."""

    name: str
    places: int


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What will be done on one target.

    Attributes:
        lanes: what the job shares with others, over all runs; it starts only while every lane has room.
        limit: longest time the job may take once started.
        not_before, not_after: the span in which a first start is useful; a job not started by then is `expired`, never
            run late. Left out, at once and without end.
        procedure: for a playbook that acts; None for one that only examines.
        place: where the target stands, for a change that goes in rings.
    """

    target: Target
    playbook: str
    steps: tuple[Step, ...]
    lanes: tuple[Lane, ...] = ()
    policy: Policy = Policy.RETRY_SAFE
    retry: Retry = Retry()
    limit: timedelta = timedelta(hours=1)
    not_before: datetime | None = None
    not_after: datetime | None = None
    procedure: Procedure | None = None
    place: Place | None = None

    @property
    def is_change(self) -> bool:
        """Whether it may change its target."""
        return self.procedure is not None and self.procedure.risk != "read" and not self.procedure.dry

    @property
    def waits_its_turn(self) -> bool:
        """Whether it is only begun when its ring says so; a dry run looks at every target at once."""
        return self.place is not None and self.is_change

    def sections(self) -> Mapping[str, tuple[Step, ...]]:
        """The steps by section: `steps`, `rescue`, `always`."""
        more = self.procedure
        return {"steps": self.steps, "rescue": more.rescue if more else (), "always": more.always if more else ()}

    def until(self, end: datetime) -> "JobPlan":
        """The same job, no longer useful to start after `end`."""
        return replace(self, not_after=end)


class Trigger(StrEnum):
    SCHEDULE = "schedule"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One due instant of one schedule of one client."""

    client: str
    schedule: str
    due: datetime


@dataclass(frozen=True, slots=True)
class AwaitedApproval:
    """What an order waits for: why a second technician must agree, and until when that is still possible."""

    why: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """A run that does not exist yet: what, on which targets, who asked and why.

    Attributes:
        playbook: the name people see: `backup/check`, `report/night`, `round/night`.
        digest: SHA-256 of the playbook's text, so that the run says which version it followed.
        occurrence: the due instant it answers; None for an order by a person.
        request: what was asked for, as it can be asked for again.
        approval: for an order that waits for a second technician.
        pace: for a change that goes in rings; its jobs stand in the order of their rings, each with its place.
    """

    playbook: str
    digest: str
    jobs: tuple[JobPlan, ...]
    trigger: Trigger
    requested_by: str
    reason: str = ""
    occurrence: Occurrence | None = None
    request: Mapping[str, Json] = field(default_factory=dict)
    approval: AwaitedApproval | None = None
    pace: Pace | None = None

    @property
    def goes_in_rings(self) -> bool:
        """Whether its rings say when each job begins; a dry run only shows them."""
        return self.pace is not None and any(job.waits_its_turn for job in self.jobs)

    @property
    def plan(self) -> str:
        """The plan's digest: what a preview shows, an approval is bound to, and a run is held to."""
        return plan_digest(self)


def plan_json(order: Order) -> dict[str, Json]:
    """The plan as JSON values, with times as ISO 8601 and durations in seconds."""
    return {
        "playbook": order.playbook,
        "digest": order.digest,
        "jobs": [job_json(job) for job in order.jobs],
        **({} if order.pace is None else {"pace": pace_json(order.pace)}),
    }


def plan_digest(order: Order) -> str:
    """SHA-256 over what will be done, on which targets and in which rings, hexadecimal.

    Left out is when (it differs from one look at the plan to the next) and how often a passing trouble is tried again.
    """
    value: dict[str, Json] = {"playbook": order.playbook, "digest": order.digest}
    value["jobs"] = [job_digest(job) for job in order.jobs]
    if order.pace is not None:
        value["pace"] = pace_json(order.pace)
        value["places"] = [place_json(job.place) if job.place else None for job in order.jobs]
    return digest(value)


def job_digest(job: JobPlan) -> str:
    """The same for one target, whatever its ring: that follows from the others, and one target knows none."""
    value = job_json(job)
    for name in ("not_before", "not_after", "retry", "lanes", "policy", "place"):
        del value[name]
    procedure = dict(cast("Mapping[str, Json]", value["procedure"] or {}))
    for name in ("wait_until", "approved", "dry"):
        procedure.pop(name, None)
    return digest({**value, "procedure": procedure})


def job_json(job: JobPlan) -> dict[str, Json]:
    """One job's plan as JSON values; `job_from_json` reads it back."""
    return {
        "client": job.target.client,
        "kind": job.target.kind.value,
        "target": job.target.name,
        "playbook": job.playbook,
        "steps": [_step_json(step) for step in job.steps],
        "lanes": {lane.name: lane.places for lane in job.lanes},
        "policy": job.policy.value,
        "retry": {"attempts": job.retry.attempts, "delays_s": [delay.total_seconds() for delay in job.retry.delays]},
        "limit_s": job.limit.total_seconds(),
        "not_before": job.not_before.isoformat() if job.not_before else None,
        "not_after": job.not_after.isoformat() if job.not_after else None,
        "procedure": _procedure_json(job.procedure) if job.procedure else None,
        "place": place_json(job.place) if job.place else None,
    }


def _step_json(step: Step) -> dict[str, Json]:
    found: dict[str, Json] = {"id": step.id, "use": step.use, "parameters": dict(step.parameters)}
    if step.terms is not None:
        found["terms"] = {name: value for name, value in asdict(step.terms).items() if value is not None}
    return found


def _procedure_json(procedure: Procedure) -> dict[str, Json]:
    return {
        "risk": procedure.risk,
        "title": dict(procedure.title),
        "values": {scope: dict(values) for scope, values in procedure.values.items()},
        "rescue": [_step_json(step) for step in procedure.rescue],
        "always": [_step_json(step) for step in procedure.always],
        "guards": list(procedure.guards),
        "windows": list(procedure.windows),
        "overrides": dict(procedure.overrides),
        "approved": procedure.approved,
        "dry": procedure.dry,
        "wait_until": procedure.wait_until.isoformat() if procedure.wait_until else None,
    }


def job_from_json(value: Mapping[str, Json]) -> JobPlan:
    """The inverse of `job_json`, for values that it made."""
    raw = json.loads(json.dumps(value))
    return JobPlan(
        target=Target(raw["client"], TargetKind(raw["kind"]), raw["target"]),
        playbook=raw["playbook"],
        steps=_steps(raw["steps"]),
        lanes=tuple(Lane(name, places) for name, places in raw["lanes"].items()),
        policy=Policy(raw["policy"]),
        retry=Retry(raw["retry"]["attempts"], tuple(timedelta(seconds=delay) for delay in raw["retry"]["delays_s"])),
        limit=timedelta(seconds=raw["limit_s"]),
        not_before=_instant(raw["not_before"]),
        not_after=_instant(raw["not_after"]),
        procedure=_procedure(raw["procedure"]) if raw.get("procedure") else None,
        place=place_from_json(raw.get("place")),
    )


def _steps(raw: Sequence[Any]) -> tuple[Step, ...]:
    return tuple(
        Step(step["id"], step["use"], step["parameters"], _terms(step["terms"]) if "terms" in step else None)
        for step in raw
    )


def _terms(raw: Mapping[str, Any]) -> Terms:
    return Terms(**{**raw, "gates": tuple((scope, when) for scope, when in raw["gates"])})


def _procedure(raw: Mapping[str, Any]) -> Procedure:
    return Procedure(
        risk=raw["risk"],
        title=raw["title"],
        values=raw["values"],
        rescue=_steps(raw["rescue"]),
        always=_steps(raw["always"]),
        guards=tuple(raw["guards"]),
        windows=tuple(raw["windows"]),
        overrides=raw["overrides"],
        approved=raw["approved"],
        dry=raw["dry"],
        wait_until=_instant(raw["wait_until"]),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


# default=dict: read-only mappings, which frozen values hold, are mappings like any other
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict)


def canonical(value: Json) -> bytes:
    """The one writing of a JSON value that is hashed: sorted keys, no spaces, UTF-8."""
    return _CANONICAL.encode(value).encode()


def digest(value: Json) -> str:
    """SHA-256 of the canonical writing, hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()
