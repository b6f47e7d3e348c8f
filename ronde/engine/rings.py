"""An order that goes in rings: who stands in which, how fast it goes, and until when each target may be begun."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from ronde.engine.parts import Engine
from ronde.engine.procedure.guarding import calendar_for, past_runs
from ronde.model.errors import InputError
from ronde.model.guards import Guard
from ronde.model.guards.durations import estimate
from ronde.model.inventory import Client, RingsEntry
from ronde.model.pace import Pace, Place
from ronde.model.patch.rings import Member, plan_rings
from ronde.model.plan import JobPlan, Order
from ronde.model.records import Scope

Clients = Mapping[str, Client]


def in_rings(made: Order, rings: RingsEntry | None, clients: Clients) -> Order:
    """The order with each job in its place, in the order of the rings; as it is when there are none.

    The same targets with the same tags always come to the same rings.

    Raises:
        InputError: it only reads, or has a target twice.
    """
    if rings is None:
        return made
    if any(job.procedure is None or job.procedure.risk == "read" for job in made.jobs):
        raise InputError(f"{made.playbook} changes nothing, or is made of parts; rings are not for it.")
    by_key: dict[str, JobPlan] = {}
    members = []
    for job in made.jobs:
        tags = _tags(job, clients)
        member = Member(job.target.client, job.target.name, rings.roles(tags), frozenset(rings.apart_of(tags)))
        members.append(member)
        by_key[member.key] = job
    jobs = tuple(
        replace(by_key[member.key], place=Place(number, tuple(sorted(member.apart))))
        for number, ring in enumerate(plan_rings(members, rings.then).rings)
        for member in ring
    )
    tolerance = rings.abort_over
    return replace(made, jobs=jobs, pace=Pace(rings.at_most, rings.bake, tolerance.percent, tolerance.count))


def _tags(job: JobPlan, clients: Clients) -> tuple[str, ...]:
    host = clients[job.target.client].hosts.get(job.target.name)
    return host.tags if host is not None else ()


def within_windows(engine: Engine, made: Order, clients: Clients, now: datetime) -> Order:
    """The order with the last useful start of each job: its window is open, and, if that is asked, long enough.

    Frozen with the plan: a ring that comes later than that is not begun, and told as skipped. A target whose window is
    closed now, or whose guard was set aside, gets none; its guards are asked in any case just before it begins.
    """
    if not made.goes_in_rings:
        return made
    jobs = tuple(_until(job, _last_start(engine, clients[job.target.client], job, now)) for job in made.jobs)
    return replace(made, jobs=jobs)


def _until(job: JobPlan, last: datetime | None) -> JobPlan:
    if last is None or (job.not_after is not None and job.not_after <= last):
        return job
    return job.until(last)


def _last_start(engine: Engine, client: Client, job: JobPlan, now: datetime) -> datetime | None:
    procedure = job.procedure
    asked = set() if procedure is None else set(procedure.guards) - set(procedure.overrides)
    if not asked & {Guard.WINDOW, Guard.FINISH}:
        return None
    span = calendar_for(client, job).open_at(max(now, job.not_before) if job.not_before else now)
    if span is None:
        return None
    takes = timedelta(0)
    if Guard.FINISH in asked:
        takes = estimate(past_runs(engine, Scope.of(client.client), job)).duration
    return span.end - takes
