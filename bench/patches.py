"""The audit of what waits on many hosts, against Ansible's `apt` module in check mode on the same hosts.

Hosts are lab machines, each a Debian with its own package database and an update or two to find; beyond `_MACHINES` of
them further hosts are further names of these. Nobody refreshes lists, which would measure the mirror. Both log in as an
ordinary user, for whom apt takes no lock, so that two looks at one machine do not wait for each other.

The two do not do the same: Ansible tells that a simulated upgrade would change something. The audit also tells what is
for security, what is kept back and why, whether the package database is whole, and whether a restart is due.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Figure, Goal, ratios, seconds
from bench.measuring import rounds, timed
from bench.peers import Peers
from bench.plant import CLIENT, Plant, running
from bench.scale import Scale
from bench.ssh import Meter, client_of
from lab.hosts import Hosts, many_hosts
from lab.identity import Identity
from lab.machines import MachinePark
from lab.machines.machine import Machine
from lab.rpm import RpmRoots
from ronde.model.plan import JobPlan, Lane, Step, Target, TargetKind

_MACHINES = 8  # as many as two cores boot side by side in a minute
_GOAL = Goal(8.0, at_least=True)
_PYTHON = {"packages": ("python3", "python3-apt")}  # which Ansible needs on every host
_APT: Mapping[str, Any] = {"ansible.builtin.apt": {"upgrade": "yes", "update_cache": False}, "check_mode": True}

_CHECK_UPDATE: Mapping[str, Any] = {
    "ansible.builtin.command": {"argv": ["dnf", "-q", "check-update"]},
    "register": "said",
    "failed_when": "said.rc not in [0, 100]",  # 100: updates wait
}


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom the audit is held against: what one would write for Ansible."""

    name: str
    task: Mapping[str, Any]


def measure(directory: Path, scale: Scale) -> Sequence[Figure]:
    return [*_apt(directory, scale), *_dnf(directory / "dnf", scale)]


def _apt(directory: Path, scale: Scale) -> Sequence[Figure]:
    names = [f"m{number:02}" for number in range(min(scale.hosts, _MACHINES))]
    shared = directory.resolve() / "host-keys"
    with MachinePark(directory.resolve() / "machines", names, "127.80.0", {**_PYTHON, "key_directory": shared}) as park:
        for machine in park.machines.values():
            _offer(machine)
        hosts = _hosts(park, scale.hosts)
        peers = Peers(directory / "peers", hosts, "true", scale.parallel)
        peers.prepare()
        with running(Plant(directory / "ronde", scale.parallel, [client_of(hosts)])) as plant:
            return _compare(plant, peers, hosts, scale, Peer("Ansible apt, check mode", _APT))


def _dnf(directory: Path, scale: Scale) -> Sequence[Figure]:
    """The same of hosts with dnf; one copy of the lab's root for every so many of them, since dnf locks its cache."""
    directory = directory.resolve()
    roots = RpmRoots()
    roots.prepare("dnf")
    machines = [roots.machine(directory / f"root-{number}", "dnf") for number in range(min(scale.hosts, _MACHINES))]
    for machine in machines:
        machine.tool("dnf").run("-q", "makecache")
    lines = [machine.as_host() for machine in machines]
    with many_hosts(scale.hosts, directory / "hosts", "127.85", lines) as hosts:
        peers = Peers(directory / "peers", hosts, "true", scale.parallel)
        peers.prepare()
        with running(Plant(directory / "ronde", scale.parallel, [client_of(hosts)])) as plant:
            return _compare(plant, peers, hosts, scale, Peer("Ansible command, dnf check-update", _CHECK_UPDATE))


def _offer(machine: Machine) -> None:
    for scenario in ("simple-update", "security-update"):
        machine.offer(scenario)
    machine.must("apt-get", "update", "-q", "--error-on=any")


def _hosts(park: MachinePark, count: int) -> Hosts[Identity]:
    """As many names as are wanted, spread over the machines."""
    machines = list(park.machines.values())
    named = []
    for number in range(count):
        of = machines[number % len(machines)]
        one = Identity(f"host-{number:04}", of.directory, of.address, of.port, key_directory=of.key_directory)
        one.user = "ronde"
        named.append(one)
    return Hosts(tuple(named), park.key, machines[0].public_keys[0])


def _compare(plant: Plant, peers: Peers, hosts: Hosts[Any], scale: Scale, peer: Peer) -> list[Figure]:
    plan = _jobs(hosts, scale.parallel)
    plant.await_end(plant.order(plan))  # a worker that runs has its threads and its connections to the ledger
    meter = Meter(plant)
    ours = meter.watch("ronde", lambda: timed(lambda: plant.await_end(plant.order(plan))))
    theirs = meter.watch("ansible", partial(peers.playbook, "look", [peer.task]))
    taken, own = rounds({"ronde": ours, "ansible": theirs}, scale.slow_rounds), meter.spent
    what = f"patches: audit of {len(hosts.servers)} hosts"
    both = f"Ronde {seconds(taken['ronde'])}, Ansible {seconds(taken['ansible'])}"
    cpu = f"Ronde {median(own['ronde']):.2f} s CPU, Ansible {median(own['ansible']):.2f} s CPU"
    faster, less = ratios(taken["ansible"], taken["ronde"]), ratios(own["ansible"], own["ronde"])
    return [
        Figure(f"{what}, times faster", faster, "times", peer.name, _GOAL, both),
        Figure(f"{what}, times less CPU of its own", less, "times", peer.name, None, cpu),
    ]


def _jobs(hosts: Hosts[Identity], places: int) -> list[JobPlan]:
    steps = (Step("patches", "patches", {"refresh": False}),)
    lanes = (Lane(f"client:{CLIENT}", places),)
    return [JobPlan(Target(CLIENT, TargetKind.HOST, s.name), "bench", steps, lanes) for s in hosts.servers]
