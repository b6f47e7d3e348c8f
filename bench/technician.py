"""What a technician waits for: the first line of a command on a host, and the plan of a thousand hosts.

Two figures for the first line: the whole command as typed, with Python's start, and what Ronde itself takes once the
command line is up (`warm`): planned, recorded, sent, claimed, connected, started detached, published, read.
"""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import Figure, Goal, ratios, seconds
from bench.measuring import cpu, rounds
from bench.plant import Plant
from bench.sampler import watched
from bench.scale import Scale
from lab.hosts import Hosts, many_hosts
from lab.sshd import SshServer
from ronde.engine.firing import send_due
from ronde.engine.ordering import Request, order, planned
from ronde.model.feed import Stream

CLIENT = "bench"
_TWICE = Goal(2.0)
_WARM = Goal(0.3)
_PLAN = Goal(1.0)
_PATIENCE = 30.0
_HOSTS = 1_000  # of the plan; their names only, nobody connects


def measure(directory: Path, scale: Scale) -> Sequence[Figure]:
    """One host, one command, over and over; then a plan without any host behind it."""
    with many_hosts(1, directory / "hosts", "127.81") as hosts:
        plant = Plant(directory / "plant", 4, [_client(hosts)])
        try:
            plant.prepare()
            plant.start_workers()
            _first_line(plant)  # everything is imported, and the host's keys are parsed
            taken = rounds(
                {"ronde": lambda: _first_line(plant), "ssh": lambda: _bare(hosts)},
                max(scale.rounds, 3),
            )
        finally:
            plant.close()
    note = f"{seconds(taken['ronde'])}, ssh {seconds(taken['ssh'])}"
    first = "first line of a command, warm"
    return [
        Figure(first, ratios(taken["ronde"], taken["ssh"]), "times", "ssh to the same host", _TWICE, note),
        Figure(first, taken["ronde"], "s", "300 ms", _WARM, "from the order to the line read from the stream"),
        *_plan(directory / "plan", scale),
    ]


def _plan(directory: Path, scale: Scale) -> Sequence[Figure]:
    plant = Plant(directory, 1, [_thousand()])
    request = Request("adhoc/restart-service", [CLIENT], [], "bench", parameters={"service": "cron"}, dry=True)
    try:
        plant.prepare()
        plant.engine.inventories.current()

        def make() -> None:
            made = planned(plant.engine, request)
            if len(made.jobs) != _HOSTS or len(made.plan) != 64:
                raise RuntimeError("the plan has not every host in it")

        make()
        spent = [cpu(make) for _ in range(scale.rounds)]
        figure = Figure(f"plan of {_HOSTS:,} hosts", spent, "s CPU", "one second", _PLAN, "with its digest")
        return [figure if figure.reached else figure.explained(watched(make))]
    finally:
        plant.close()


def _first_line(plant: Plant) -> float:
    """From the order to the first line of the host's own."""
    began = time.perf_counter()
    request = Request("adhoc/command", [CLIENT], [], "bench", parameters={"command": "echo here"})
    run = order(plant.engine, request)
    send_due(plant.engine, run)
    after, deadline = "", began + _PATIENCE
    while time.perf_counter() < deadline:
        for entry, piece in plant.services.feed.read(run, after, 1.0):
            after = entry
            if piece.stream is Stream.OUT and b"here" in piece.data:
                took = time.perf_counter() - began
                plant.await_end(run)
                return took
    raise RuntimeError("the host said nothing")


def _bare(hosts: Hosts[SshServer]) -> float:
    """The same by OpenSSH's own client, which pins the key as we do."""
    server = hosts.servers[0]
    known = server.directory / "known_hosts"
    known.write_text(f"[{server.address}]:{server.port} {hosts.host_key}\n")
    argv = ["ssh", "-F", "none", "-i", str(hosts.key), "-p", str(server.port)]
    options = [f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes"]
    for option in options:
        argv += ["-o", option]
    began = time.perf_counter()
    with subprocess.Popen([*argv, f"{server.user}@{server.address}", "echo here"], stdout=subprocess.PIPE) as client:
        line = client.stdout.readline() if client.stdout is not None else b""
        took = time.perf_counter() - began
    if line != b"here\n":
        raise RuntimeError("ssh said something else")
    return took


def _client(hosts: Hosts[SshServer]) -> dict[str, Any]:
    server = hosts.servers[0]
    host = {
        "address": server.address,
        "port": server.port,
        "user": server.user,
        "key": f"file://{hosts.key}",
        "host_key": hosts.host_key,
    }
    return {"client": CLIENT, "name": "Bench", "timezone": "UTC", "hosts": {"srv": host}}


def _thousand() -> dict[str, Any]:
    host = {"address": "192.0.2.1", "user": "ronde", "key": "file:///nowhere"}
    hosts = {f"srv-{number:04}": host for number in range(_HOSTS)}
    return {"client": CLIENT, "name": "Bench", "timezone": "UTC", "hosts": hosts}
