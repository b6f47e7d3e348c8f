"""From an order in people's words to a frozen plan: which targets, which steps, which objectives, which limits."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ronde.engine.procedure.planning import is_procedure, narrowed, procedure_of
from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.inventory import BackupBase, Client
from ronde.model.plan import JobPlan, Lane, Retry, Step, Target, TargetKind, digest
from ronde.model.playbook import Named, Playbook, parse_parameters
from ronde.model.run import Policy
from ronde.model.schedule import next_occurrence
from ronde.model.selection import Candidate, candidates_of, parse_selection, select
from ronde.model.units import DailyWindow

Playbooks = Mapping[str, Named]


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody or a schedule asked for.

    Attributes:
        on: a selection (`ronde.model.selection`), or several that are added together.
        parameters: as texts, `--param name=value`; checked against the playbook.
        overrides: guards that are set aside, with the reason.
        wait_until: until when a target that cannot be reached is waited for.
        windows: names of the only maintenance windows in which a target may be begun; empty, all that it has.
        wait_for_windows: whether a verification that is only allowed in a window may be planned for later tonight; a
            technician who asks for a check now does not want a run that stays open until four in the morning.
    """

    playbook: str
    on: Sequence[str] = ("all",)
    parameters: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    wait_until: datetime | None = None
    windows: tuple[str, ...] = ()
    wait_for_windows: bool = False


@dataclass(frozen=True, slots=True)
class Planner:
    """Resolves wishes against the playbooks and one instant."""

    playbooks: Playbooks
    retry_delays: tuple[timedelta, ...]
    now: datetime

    def find(self, name: str) -> Named:
        """The playbook of that name.

        Raises:
            InputError: there is none; the nearest is named.
        """
        found = self.playbooks.get(name)
        if found is None:
            near = difflib.get_close_matches(name, self.playbooks, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else f" There are: {', '.join(sorted(self.playbooks))}."
            raise InputError(f'There is no playbook "{name}".{hint}')
        return found

    def digest(self, name: str) -> str:
        """What the run records as the playbook's version; of parts, the digest over theirs too."""
        named = self.find(name)
        parts = [self.digest(part) for part in named.playbook.parts]
        return digest([named.digest, *parts]) if parts else named.digest

    def jobs(self, client: Client, wish: Wish, chosen: Collection[Candidate] | None = None) -> tuple[JobPlan, ...]:
        """The jobs a wish means for one client; empty when it has no such target.

        `chosen` are the targets it means where several clients were looked at together; left out, they are selected
        here.

        Raises:
            InputError: the playbook, a word of the selection or a parameter is unknown or does not fit.
        """
        named = self.find(wish.playbook)
        known = candidates_of(client)
        meant = set(select(parse_selection(wish.on), known) if chosen is None and known else chosen or ())
        if named.playbook.parts:
            lists = [self.jobs(client, _for_part(wish, part, self.find(part)), meant) for part in named.playbook.parts]
            return tuple(job for jobs in lists for job in jobs)
        try:
            parameters = parse_parameters(named.playbook.parameters, wish.parameters, named.name)
        except ValueError as error:
            raise InputError(str(error)) from error
        if is_procedure(named.playbook):
            return self._acting(client, named, wish, parameters, meant)
        if named.playbook.target == "vcenter":
            return self._vcenter_jobs(client, named, meant)
        names = {one.name for one in meant if one.kind == "host"}
        jobs = []
        for target in targets_of(client, named.playbook):
            if target.name in names:
                jobs += self._host_jobs(client, target.name, named, parameters, wait=wish.wait_for_windows)
        return tuple(jobs)

    def _acting(
        self, client: Client, named: Named, wish: Wish, parameters: Mapping[str, Json], meant: Collection[Candidate]
    ) -> tuple[JobPlan, ...]:
        """One job for each target of a procedure."""
        steps, procedure = procedure_of(named, parameters, self.playbooks, wish.overrides)
        procedure = narrowed(replace(procedure, wait_until=wish.wait_until), wish.windows)
        wanted = targets_of(client, named.playbook)
        chosen = {(candidate.kind, candidate.name) for candidate in meant}
        return tuple(
            JobPlan(
                target=target,
                playbook=named.name,
                steps=_with_objectives(client, target, steps),
                lanes=_lanes(client, target, named.playbook.risk),
                policy=Policy.RETRY_SAFE if named.playbook.risk == "read" else Policy.AT_MOST_ONCE,
                retry=Retry(named.playbook.retry.attempts, self.retry_delays),
                limit=named.playbook.limit,
                not_after=wish.wait_until,
                procedure=procedure,
            )
            for target in wanted
            if (target.kind, target.name) in chosen
        )

    def _host_jobs(
        self, client: Client, name: str, named: Named, parameters: Mapping[str, Json], *, wait: bool
    ) -> list[JobPlan]:
        if not any(step.use == "backups" for step in named.playbook.steps):
            return [self._job(client, name, named, {"patches": parameters})]
        host = client.hosts[name]
        local = self.now.astimezone(ZoneInfo(client.timezone))
        asked = bool(parameters.get("deep", False))
        open_now = [b for b in host.backups if asked or (b.check_window and b.check_window.holds(local.time()))]
        later = [b for b in host.backups if b.sample and b not in open_now] if wait else []
        jobs = [self._host_job(client, name, named, host.backups, deep=[b.name for b in open_now])]
        for window in dict.fromkeys(b.check_window for b in later if b.check_window):
            due = [backup for backup in later if backup.check_window == window]
            start, end = next_window(window, ZoneInfo(client.timezone), self.now)
            job = self._host_job(client, name, named, due, deep=[b.name for b in due])
            jobs.append(_between(job, start, end))
        return jobs

    def _host_job(
        self, client: Client, name: str, named: Named, backups: Sequence[BackupBase], *, deep: list[str]
    ) -> JobPlan:
        frozen = [backup.model_dump(mode="json") for backup in backups]
        return self._job(client, name, named, {"backups": {"backups": frozen, "deep": deep}})

    def _job(self, client: Client, name: str, named: Named, given: Mapping[str, Mapping[str, Json]]) -> JobPlan:
        """The job of one host; `given` is what is frozen into each kind of check besides its own parameters."""
        steps = tuple(
            Step(step.id, str(step.use), {**step.parameters, **given.get(str(step.use), {})})
            for step in named.playbook.steps
        )
        return JobPlan(
            target=Target(client.client, TargetKind.HOST, name),
            playbook=named.name,
            steps=steps,
            lanes=host_lanes(client, name),
            retry=Retry(named.playbook.retry.attempts, self.retry_delays),
            limit=named.playbook.limit,
        )

    def _vcenter_jobs(self, client: Client, named: Named, meant: Collection[Candidate]) -> tuple[JobPlan, ...]:
        frozen: dict[str, Json] = {"client": client.model_dump(mode="json", exclude={"contacts", "schedules"})}
        chosen = {candidate.name for candidate in meant if candidate.kind == "vcenter"}
        return tuple(
            JobPlan(
                target=Target(client.client, TargetKind.VCENTER, name),
                playbook=named.name,
                steps=tuple(
                    Step(step.id, str(step.use), {**step.parameters, **frozen}) for step in named.playbook.steps
                ),
                lanes=vcenter_lanes(client, name),
                retry=Retry(named.playbook.retry.attempts, self.retry_delays),
                limit=named.playbook.limit,
            )
            for name in client.vcenters
            if name in chosen
        )


def report_job(client: Client, report: str, schedule: str | None, retry_delays: tuple[timedelta, ...]) -> JobPlan:
    """The job that writes a client's report and queues it for sending."""
    return JobPlan(
        target=Target(client.client, TargetKind.CLIENT, client.client),
        playbook=f"report/{report}",
        steps=(Step("report", "report", {"report": report, "schedule": schedule}),),
        retry=Retry(3, retry_delays),
        limit=timedelta(minutes=10),
    )


def targets_of(client: Client, playbook: Playbook) -> tuple[Target, ...]:
    """Everything of a client that a playbook could act on, in the order of the inventory."""
    if playbook.target == "vcenter":
        return tuple(Target(client.client, TargetKind.VCENTER, name) for name in client.vcenters)
    return tuple(
        Target(client.client, TargetKind.HOST, name)
        for name, host in client.hosts.items()
        if playbook.target == host.system or (playbook.target == "host" and host.backups)
    )


def next_window(window: DailyWindow, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """The next span of a daily window that has not begun at `now`, as UTC instants."""
    start = next_occurrence(f"{window.start.minute} {window.start.hour} * * *", zone, now)
    end = next_occurrence(f"{window.end.minute} {window.end.hour} * * *", zone, start)
    return start, end


def host_lanes(client: Client, name: str) -> tuple[Lane, ...]:
    """The places a job on a host takes: the client's, and one on each jump host it passes through."""
    lanes = [Lane(f"client:{client.client}", client.limits.per_client)]
    seen = {name}
    via = client.hosts[name].via
    while via is not None and via not in seen:
        seen.add(via)
        lanes.append(Lane(f"jump:{client.client}/{via}", client.limits.per_jump_host))
        via = client.hosts[via].via if via in client.hosts else None
    return tuple(lanes)


def vcenter_lanes(client: Client, name: str) -> tuple[Lane, ...]:
    """The places a job on a vCenter takes."""
    return (
        Lane(f"client:{client.client}", client.limits.per_client),
        Lane(f"vcenter:{client.client}/{name}", client.limits.per_vcenter),
    )


def _lanes(client: Client, target: Target, risk: str) -> tuple[Lane, ...]:
    """The places that a procedure takes; of changes, a client also bears only so many at once."""
    own = host_lanes(client, target.name) if target.kind is TargetKind.HOST else vcenter_lanes(client, target.name)
    return own if risk == "read" else (*own, Lane(f"changes:{client.client}", client.limits.changes))


def _with_objectives(client: Client, target: Target, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps with what their checks hold a target against, frozen; most playbooks have no check among them."""
    if not any(step.use in ("backups", "machines") for step in steps):
        return steps
    return tuple(replace(step, parameters={**step.parameters, **_objective(client, target, step)}) for step in steps)


def _objective(client: Client, target: Target, step: Step) -> Mapping[str, Json]:
    if step.use == "backups":
        host = client.hosts.get(target.name)
        return {"backups": [backup.model_dump(mode="json") for backup in (host.backups if host else ())]}
    if step.use == "machines":
        return {"client": client.model_dump(mode="json", exclude={"contacts", "schedules"})}
    return {}


def _for_part(wish: Wish, part: str, named: Named) -> Wish:
    wanted = {name: text for name, text in wish.parameters.items() if name in named.playbook.parameters}
    return replace(wish, playbook=part, parameters=wanted)


def _between(job: JobPlan, start: datetime, end: datetime) -> JobPlan:
    return replace(job, not_before=start, not_after=end)
