"""What a patch run as one transaction costs beside the package manager that it runs.

Two like machines, each with the same updates to install in every round; one of these takes half a minute, as a server's
usual round does. One is patched by `patch/linux`: look, plan, guards, health and probes before and after, the detached
run, the database before and after. On the other somebody types what apt needs, over ssh. Without a snapshot, whose time
is the vCenter's, and without a reboot.
"""

import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.figures import Figure, Goal, ratios, seconds
from bench.measuring import rounds, timed
from bench.plant import CLIENT, Plant, running
from bench.scale import Scale
from lab.machines import MachinePark
from lab.machines.machine import Machine
from ronde.engine.firing import send_due
from ronde.engine.ordering import Request, order

_SCENARIOS = ("long-update", "simple-update", "security-update")
_GOAL = Goal(1.1)
_PATCHED, _TYPED = "patched", "typed"
_APT = (
    "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Options::=--force-confold "
    "--with-new-pkgs upgrade"
)
_ASKED: Mapping[str, str] = {"policy": "all", "reboot": "never", "snapshot": "never"}


def measure(directory: Path, scale: Scale) -> Sequence[Figure]:
    """Both, in turns."""
    with MachinePark(directory.resolve() / "machines", (_PATCHED, _TYPED), "127.80.1") as park:
        plant = Plant(directory / "ronde", 4, [_client(park)])
        with running(plant):
            taken = rounds(
                {
                    "ronde": partial(_round, park.machines[_PATCHED], partial(_patch, plant)),
                    "apt": partial(_round, park.machines[_TYPED], partial(_type, park)),
                },
                max(scale.slow_rounds, 1),
            )
    note = f"Ronde {seconds(taken['ronde'])}, apt {seconds(taken['apt'])}"
    what = "patch/linux of one host, time of the whole transaction"
    return [Figure(what, ratios(taken["ronde"], taken["apt"]), "times", "apt-get update and upgrade", _GOAL, note)]


def _round(machine: Machine, work: partial[None]) -> float:
    """One round of updates, which are made to wait first; the time of the work alone."""
    for scenario in _SCENARIOS:
        machine.offer(scenario)
    took = timed(work)
    for scenario in _SCENARIOS:
        machine.withdraw(scenario)
    return took


def _patch(plant: Plant) -> None:
    asked = Request(
        "patch/linux", [CLIENT], [_PATCHED], "bench", "a round", dict(_ASKED), overrides=("window", "finish", "backup")
    )
    run = order(plant.engine, asked)
    send_due(plant.engine, run)
    plant.await_end(run)


def _type(park: MachinePark) -> None:
    machine = park.machines[_TYPED]
    known = machine.directory / "known_hosts"
    known.write_text(f"[{machine.address}]:{machine.port} {machine.public_keys[0]}\n")
    options = [f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes"]
    argv = ["ssh", "-F", "none", "-i", str(park.key), "-p", str(machine.port)]
    for option in options:
        argv += ["-o", option]
    subprocess.run([*argv, f"root@{machine.address}", _APT], check=True, capture_output=True)


def _client(park: MachinePark) -> dict[str, Any]:
    machine = park.machines[_PATCHED]
    host = {
        "address": machine.address,
        "port": machine.port,
        "user": "root",
        "key": f"file://{park.key}",
        "host_key": list(machine.public_keys),
    }
    return {"client": CLIENT, "name": "Bench", "timezone": "UTC", "hosts": {_PATCHED: host}}
