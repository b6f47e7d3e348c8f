"""Commands on many hosts through the whole path, against bare paramiko, pyinfra and Ansible on the same hosts.

A job of Ronde here is one clock check a command: the smallest thing it does that asks a host anything. It is claimed in
the ledger, asked over one connection a job, judged, and recorded with its evidence.
"""

import resource
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Figure, Goal, Profile, ratios, seconds
from bench.measuring import memory_of, rounds, timed
from bench.peers import Peers
from bench.plant import CLIENT, Plant, running
from bench.scale import Scale
from lab.hosts import Hosts, many_hosts
from lab.identity import Identity
from ronde.facts.clock import clock_question
from ronde.model.plan import JobPlan, Lane, Step, Target, TargetKind

TIMES = (1, 5)
_SLOW_SECONDS = 10
_FLOOR = Goal(1.3)
_PYINFRA = Goal(2.0, at_least=True)
_RAW = Goal(8.0, at_least=True)


def measure(directory: Path, scale: Scale) -> Sequence[Figure]:
    with many_hosts(scale.hosts, directory / "hosts") as hosts:
        peers = Peers(directory / "peers", hosts, clock_question().command.line, scale.parallel)
        peers.prepare()
        figures: list[Figure] = []
        for times in TIMES:
            figures += _compare(directory / f"ronde-{times}", hosts, peers, times, scale)
        return [*figures, _memory(directory / "memory", hosts)]


def _compare(directory: Path, hosts: Hosts[Identity], peers: Peers, times: int, scale: Scale) -> list[Figure]:
    with running(Plant(directory, scale.parallel, [client_of(hosts)])) as plant:
        plan = _jobs(hosts, times, scale.parallel)
        plant.await_end(plant.order(plan))  # a worker that runs has its threads and its connections to the ledger
        meter = Meter(plant)
        ours = meter.watch("ronde", lambda: timed(lambda: plant.await_end(plant.order(plan))))
        pyinfra = meter.watch("pyinfra", partial(peers.pyinfra, times))
        fast = rounds({"ronde": ours, "floor": partial(peers.floor, times), "pyinfra": pyinfra}, scale.rounds)
        ansible = {f"ansible {module}": partial(peers.ansible, module, times) for module in ("raw", "command")}
        watched = {name: meter.watch(name, run) for name, run in ansible.items()}
        slow = rounds({"ronde": ours, **watched}, scale.slow_rounds)
        start = peers.ansible_start() if times == 1 else None
    figures = _figures(fast, slow, f"{len(hosts.servers)} hosts × {times}", start)  # noqa: RUF001 - that is what it is
    figures += _processor(meter, f"{len(hosts.servers)} hosts × {times}")  # noqa: RUF001 - the same
    return [
        one if one.reached in {True, None} else one.explained(_profile(directory / "profiled", hosts, plan, scale))
        for one in figures
    ]


class Meter:
    """The controller's own CPU seconds, which the hosts' do not dilute: here they share its cores, elsewhere not."""

    def __init__(self, plant: Plant) -> None:
        self.spent: dict[str, list[float]] = defaultdict(list)
        self._plant = plant

    def watch(self, name: str, run: Callable[[], float]) -> Callable[[], float]:
        """The same contestant, watched: all processes of the plant for Ronde, the ended children for the others."""
        used = self._of_plant if name == "ronde" else _of_children

        def watched() -> float:
            before = used()
            taken = run()
            self.spent[name].append(used() - before)
            return taken

        return watched

    def _of_plant(self) -> float:
        return sum(self._plant.cpu().values()) + time.process_time()


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _processor(meter: Meter, what: str) -> list[Figure]:
    ours = median(meter.spent["ronde"])
    return [
        Figure(
            f"ssh: {what}, times less CPU of its own",
            [spent / ours for spent in meter.spent[name]],
            "times",
            shown,
            None,
            f"Ronde {ours:.2f} s CPU, {shown} {median(meter.spent[name]):.2f} s CPU",
        )
        for name, shown in (
            ("pyinfra", "pyinfra"),
            ("ansible raw", "Ansible raw"),
            ("ansible command", "Ansible command"),
        )
    ]


def _figures(
    fast: Mapping[str, Sequence[float]], slow: Mapping[str, Sequence[float]], what: str, start: float | None
) -> list[Figure]:
    ours, again = fast["ronde"], slow["ronde"]
    name = f"ssh: {what}, time"
    faster = f"ssh: {what}, times faster"
    both = f"Ronde {seconds(ours)}"
    floor, pyinfra = fast["floor"], fast["pyinfra"]
    raw, command = slow["ansible raw"], slow["ansible command"]
    beginning = "" if start is None else f", of which it needs {start:.2f} s to start"
    return [
        Figure(name, ratios(ours, floor), "times", "bare paramiko", _FLOOR, f"{both}, paramiko {seconds(floor)}"),
        Figure(faster, ratios(pyinfra, ours), "times", "pyinfra", _PYINFRA, f"{both}, pyinfra {seconds(pyinfra)}"),
        Figure(
            faster,
            ratios(raw, again),
            "times",
            "Ansible raw",
            _RAW,
            f"Ronde {seconds(again)}, Ansible {seconds(raw)}{beginning}",
        ),
        Figure(
            faster,
            ratios(command, again),
            "times",
            "Ansible command",
            None,
            f"Ronde {seconds(again)}, Ansible {seconds(command)}",
        ),
    ]


def _profile(directory: Path, hosts: Hosts[Identity], plan: Sequence[JobPlan], scale: Scale) -> Profile:
    profile: Profile = {}
    with running(Plant(directory, scale.parallel, [client_of(hosts)], profiled=True)) as plant:
        plant.await_end(plant.order(plan))
        with plant.watched(profile):
            plant.await_end(plant.order(plan))
    return profile


def _memory(directory: Path, hosts: Hosts[Identity]) -> Figure:
    """The work process's peak with every host at once; how many truly were is read from the ledger."""
    count = len(hosts.servers)
    _slow_down(hosts)
    with running(Plant(directory, count, [client_of(hosts)])) as plant:
        worker = plant.workers["work"].pid
        before = memory_of(worker)
        run = plant.order(_jobs(hosts, 1, count))
        plant.await_end(run)
        peak, together = memory_of(worker, "VmHWM"), plant.concurrency(run)
    note = f"{before:.0f} MB before the first job; {together} of {count} hosts were under way at once"
    return Figure(f"ssh: peak memory, {count} hosts at once", [peak], "MB", "the same process, idle", None, note)


def _slow_down(hosts: Hosts[Identity]) -> None:
    """Make every command from now on begin late, so that all hosts are connected before the first is done."""
    for server in hosts.servers:
        keys = server.directory / "authorized_keys"
        forced = f'command="sleep {_SLOW_SECONDS}; eval $SSH_ORIGINAL_COMMAND" '
        keys.write_text(forced + keys.read_text(encoding="utf-8"), encoding="utf-8")


def _jobs(hosts: Hosts[Identity], times: int, places: int) -> list[JobPlan]:
    steps = tuple(Step(f"clock-{number}", "clock") for number in range(times))
    lanes = (Lane(f"client:{CLIENT}", places),)
    return [JobPlan(Target(CLIENT, TargetKind.HOST, s.name), "bench", steps, lanes) for s in hosts.servers]


def client_of(hosts: Hosts[Identity]) -> Mapping[str, Any]:
    """The client that has them all, as its file says it."""
    common = {"key": f"file://{hosts.key}", "host_key": hosts.host_key}
    entries = {s.name: {"address": s.address, "port": s.port, "user": s.user, **common} for s in hosts.servers}
    return {"client": CLIENT, "name": "Bench", "hosts": entries, "limits": {"per_client": max(1, len(entries))}}
