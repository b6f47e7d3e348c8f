"""What an order will do, frozen: the playbook, its digest, and one job for each target.

A plan is made once, stored on the run, and is all that a worker executes. The objectives of each check (how fresh, how
large, how many) stand in it, so that a later change of the inventory never rewrites what a past night was held against.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ronde.model.check import Json
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
class Step:
    """One step of a job: `use` names what to do (`backups`, `clock`, `machines`, `command`, `report`)."""

    id: str
    use: str
    parameters: Mapping[str, Json] = field(default_factory=dict)


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
class Order:
    """A run that does not exist yet: what, on which targets, who asked and why.

    Attributes:
        playbook: the name people see: `backup/check`, `report/night`, `round/night`.
        digest: SHA-256 of the playbook's text, so that the run says which version it followed.
        occurrence: the due instant it answers; None for an order by a person.
    """

    playbook: str
    digest: str
    jobs: tuple[JobPlan, ...]
    trigger: Trigger
    requested_by: str
    reason: str = ""
    occurrence: Occurrence | None = None


def plan_json(order: Order) -> dict[str, Json]:
    """The plan as JSON values, with times as ISO 8601 and durations in seconds."""
    return {
        "playbook": order.playbook,
        "digest": order.digest,
        "jobs": [job_json(job) for job in order.jobs],
    }


def job_json(job: JobPlan) -> dict[str, Json]:
    """One job's plan as JSON values; `job_from_json` reads it back."""
    return {
        "client": job.target.client,
        "kind": job.target.kind.value,
        "target": job.target.name,
        "playbook": job.playbook,
        "steps": [{"id": step.id, "use": step.use, "parameters": dict(step.parameters)} for step in job.steps],
        "lanes": {lane.name: lane.places for lane in job.lanes},
        "policy": job.policy.value,
        "retry": {"attempts": job.retry.attempts, "delays_s": [delay.total_seconds() for delay in job.retry.delays]},
        "limit_s": job.limit.total_seconds(),
        "not_before": job.not_before.isoformat() if job.not_before else None,
        "not_after": job.not_after.isoformat() if job.not_after else None,
    }


def job_from_json(value: Mapping[str, Json]) -> JobPlan:
    """The inverse of `job_json`, for values that it made."""
    raw = json.loads(json.dumps(value))
    return JobPlan(
        target=Target(raw["client"], TargetKind(raw["kind"]), raw["target"]),
        playbook=raw["playbook"],
        steps=tuple(Step(step["id"], step["use"], step["parameters"]) for step in raw["steps"]),
        lanes=tuple(Lane(name, places) for name, places in raw["lanes"].items()),
        policy=Policy(raw["policy"]),
        retry=Retry(raw["retry"]["attempts"], tuple(timedelta(seconds=delay) for delay in raw["retry"]["delays_s"])),
        limit=timedelta(seconds=raw["limit_s"]),
        not_before=_instant(raw["not_before"]),
        not_after=_instant(raw["not_after"]),
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
