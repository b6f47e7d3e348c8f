"""From an order in people's words to a frozen plan: which targets, which steps, which objectives, which limits."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.inventory import BackupBase, Client, Host
from ronde.model.plan import JobPlan, Lane, Retry, Step, Target, TargetKind, digest
from ronde.model.playbook import Named
from ronde.model.schedule import next_occurrence
from ronde.model.units import DailyWindow

Playbooks = Mapping[str, Named]


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody or a schedule asked for.

    Attributes:
        on: `all`, names of hosts or vCenters, or `tag:NAME`; several are added together.
        parameters: as texts, `--param name=value`; checked against the playbook.
        wait_for_windows: whether a verification that is only allowed in a window may be planned for later tonight; a
            technician who asks for a check now does not want a run that stays open until four in the morning.
    """

    playbook: str
    on: Sequence[str] = ("all",)
    parameters: Mapping[str, str] = field(default_factory=dict)
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

    def jobs(self, client: Client, wish: Wish) -> tuple[JobPlan, ...]:
        """The jobs a wish means for one client; empty when it has no such target.

        Raises:
            InputError: the playbook, a target, a tag or a parameter is unknown.
        """
        named = self.find(wish.playbook)
        if named.playbook.parts:
            lists = [self.jobs(client, _for_part(wish, part, self.find(part))) for part in named.playbook.parts]
            return tuple(job for jobs in lists for job in jobs)
        parameters = _parameters(named, wish.parameters)
        if named.playbook.target == "vcenter":
            return self._vcenter_jobs(client, named, wish)
        jobs = []
        for name, host in select_hosts(client, wish.on):
            if host.backups or named.playbook.target != "host":
                jobs += self._host_jobs(client, name, named, parameters, wait=wish.wait_for_windows)
        return tuple(jobs)

    def _host_jobs(
        self, client: Client, name: str, named: Named, parameters: Mapping[str, Json], *, wait: bool
    ) -> list[JobPlan]:
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
        steps = tuple(
            Step(step.id, step.use, {**step.parameters, "backups": frozen, "deep": deep})
            if step.use == "backups"
            else Step(step.id, step.use, step.parameters)
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

    def _vcenter_jobs(self, client: Client, named: Named, wish: Wish) -> tuple[JobPlan, ...]:
        frozen: dict[str, Json] = {"client": client.model_dump(mode="json", exclude={"contacts", "schedules"})}
        return tuple(
            JobPlan(
                target=Target(client.client, TargetKind.VCENTER, name),
                playbook=named.name,
                steps=tuple(Step(step.id, step.use, {**step.parameters, **frozen}) for step in named.playbook.steps),
                lanes=(
                    Lane(f"client:{client.client}", client.limits.per_client),
                    Lane(f"vcenter:{client.client}/{name}", client.limits.per_vcenter),
                ),
                retry=Retry(named.playbook.retry.attempts, self.retry_delays),
                limit=named.playbook.limit,
            )
            for name in client.vcenters
            if _chosen(name, (), wish.on)
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


def select_hosts(client: Client, on: Sequence[str]) -> list[tuple[str, Host]]:
    """The hosts that a selection means, in the order of the inventory.

    Raises:
        InputError: a name or tag that the client does not have.
    """
    tags = {tag for host in client.hosts.values() for tag in host.tags}
    known = {"all", *client.hosts, *client.vcenters, *(f"tag:{tag}" for tag in tags)}
    for word in on:
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise InputError(f'{client.client} has no host, vCenter or tag "{word}"{hint}')
    return [(name, host) for name, host in client.hosts.items() if _chosen(name, host.tags, on)]


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


def _for_part(wish: Wish, part: str, named: Named) -> Wish:
    wanted = {name: text for name, text in wish.parameters.items() if name in named.playbook.parameters}
    return Wish(part, wish.on, wanted, wish.wait_for_windows)


def _parameters(named: Named, given: Mapping[str, str]) -> dict[str, Json]:
    known = named.playbook.parameters
    values: dict[str, Json] = {name: parameter.default for name, parameter in known.items()}
    for name, text in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise InputError(
                f'{named.name} has no parameter "{name}"' + (f'; did you mean "{near[0]}"?' if near else "")
            )
        try:
            values[name] = known[name].parse(name, text)
        except ValueError as error:
            raise InputError(f"{named.name}: {error}") from error
    return values


def _chosen(name: str, tags: Iterable[str], on: Sequence[str]) -> bool:
    return "all" in on or name in on or any(f"tag:{tag}" in on for tag in tags)


def _between(job: JobPlan, start: datetime, end: datetime) -> JobPlan:
    return JobPlan(
        job.target,
        job.playbook,
        job.steps,
        job.lanes,
        job.policy,
        job.retry,
        job.limit,
        not_before=start,
        not_after=end,
    )
