"""Patch runs end to end: real machines with their own apt and reboots, a vCenter, and Ronde as real processes.

The machines are made once. Before each test they are given what waits there, and afterwards they are asked what became
of them: by their package database, apt's own history, and the boots they counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.machines import Machine, MachinePark
from lab.vcenter import VCenterServer
from ronde.model.records import JobRecord
from tests.e2e.installation import CLIENT, Installation, Process
from tests.integration.patching.conftest import at_rest, see_only_its_own

ROOT = Path(__file__).resolve().parents[3]
BOOTS = "/var/lib/boots"
ON_CALL = "astreinte@infogerance.example"
_COUNT_BOOTS = (
    f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'cat /proc/sys/kernel/random/boot_id >>{BOOTS}'\n"
    "[Install]\nWantedBy=multi-user.target\n"
)
# patch/linux as it is shipped, but for its pace: a test waits for no canary, and may kill a worker nine times.
_PACES = {
    "together": "{then: [all], at_most: 4, abort_over: 10%, bake: 1s}",
    "pairs": "{then: [all], at_most: 2, abort_over: 10%, bake: 1s}",
}
_SHIPPED = "{canary: role, then: [25%, all], at_most: 3, abort_over: 10%, bake: 30m}"


def write_playbooks(folder: Path) -> None:
    """patch/together and patch/pairs; a host may be away for a few seconds only in patch/impatient."""
    shipped = (ROOT / "playbooks" / "patch" / "linux.yaml").read_text(encoding="utf-8")
    assert _SHIPPED in shipped
    tried = shipped.replace("limit: 4h", "limit: 4h\nretry: {attempts: 10}")
    impatient = tried.replace('within: "{{ within }}"', "within: 4s")
    assert impatient != tried
    folder.joinpath("patch").mkdir(parents=True)
    for name, text, pace in [(n, tried, n) for n in _PACES] + [("impatient", impatient, "together")]:
        path = folder / "patch" / f"{name}.yaml"
        path.write_text(text.replace(_SHIPPED, _PACES[pace]), encoding="utf-8")


@dataclass
class Site:
    """The machines of one client, and the Ronde that patches them.

    Attributes:
        waiting: the scenarios that each machine has been given.
    """

    ronde: Installation
    park: MachinePark
    vcenter: VCenterServer
    waiting: dict[str, set[str]] = field(default_factory=dict)

    def look_after(self, *names: str, **of_each: dict[str, Any]) -> list[Machine]:
        """These machines and no others; each has a role of its own unless `of_each` says otherwise."""
        self.ronde.entries = {name: {**self._entry(name), **of_each.get(name.replace("-", "_"), {})} for name in names}
        self.ronde.write_inventory()
        return [self.park.machines[name] for name in names]

    def _entry(self, name: str) -> dict[str, Any]:
        machine = self.park.machines[name]
        return {
            "address": machine.address, "port": machine.port, "user": "root", "key": f"file://{self.park.key}",
            "host_key": list(machine.public_keys), "tags": [f"role:{name}"],
        }  # fmt: skip

    def offer(self, machines: Iterable[Machine], *scenarios: str) -> None:
        """Let these updates wait on each of the machines, and no others; whatever was recorded is forgotten."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda machine: self._offer(machine, set(scenarios)), machines))

    def _offer(self, machine: Machine, scenarios: set[str]) -> None:
        for old in self.waiting.get(machine.name, set()) - scenarios:
            machine.withdraw(old)
        at_rest(machine)
        for scenario in sorted(scenarios):
            machine.offer(scenario)
        self.waiting[machine.name] = scenarios
        machine.must("sh", "-c", f": >{BOOTS}; : >/var/log/apt/history.log; rm -f /run/reboot-required*")

    def as_vm(self, machine: Machine, vm: str) -> None:
        """Let the machine be a VM of the vCenter, of which nothing else is known."""
        if vm in self.vcenter.machines():
            self.vcenter.remove_vm(vm)
        self.vcenter.add_vm(vm)
        self.vcenter.couple(vm, machine.couple_command)
        self.vcenter.forget_calls()

    def order(self, playbook: str, *, on: Sequence[str] = (), **parameters: str) -> str:
        """`ronde run patch/… --detach`: all updates, of all machines that are looked after."""
        words = {"policy": "all", **parameters}
        done = self.ronde.ronde(
            *("run", f"patch/{playbook}", "--client", CLIENT, "--detach"),
            *("--override", "backup", "--reason", "a machine of the lab has none"),
            *(word for name, value in words.items() for word in ("--param", f"{name}={value}")),
            *(word for name in on for word in ("--host", name)),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def crew(self, *names: str, threads: int = 4) -> Iterator[list[Process]]:
        """Workers that do the work for as long as the context; one more may be put into the list."""
        crew = self.ronde.start_workers(*names, queues="work", threads=threads)
        try:
            yield crew
        finally:
            for process in crew:
                process.kill()

    def jobs(self, run: str, *, within: float = 120) -> dict[str, JobRecord]:
        """The jobs of a run by the names of their hosts, once it has ended."""
        return {job.target.name: job for job in self.ronde.finished(run, within=within).jobs}


def prepared(machine: Machine) -> None:
    """What is the same for all tests: it counts its boots, and sees no sockets but its own."""
    see_only_its_own(machine)
    machine.must("tee", "/etc/systemd/system/boots.service", stdin=_COUNT_BOOTS)
    machine.must("systemctl", "enable", "--quiet", "boots.service")


def database(machine: Machine) -> list[str]:
    """Every package of the machine with its state: `ii lab-simple 1.1-1`."""
    argv = ("dpkg-query", "-W", "-f=${db:Status-Abbrev}${Package} ${Version}\n")
    return sorted(machine.must(*argv).splitlines())


def version(machine: Machine, package: str) -> str:
    """`ii 1.1-1`."""
    (line,) = [line for line in database(machine) if line.split()[1] == package]
    return " ".join(line.split()[::2])


def upgraded(machine: Machine) -> list[list[str]]:
    """What each run of apt that came to its end has upgraded, by apt's own history."""
    log = machine.must("cat", "/var/log/apt/history.log")
    found = []
    for stanza in log.split("\n\n"):
        lines = dict(line.partition(": ")[::2] for line in stanza.strip().splitlines())
        if "Upgrade" in lines:
            assert "End-Date" in lines, f"{machine.name}: apt was cut off:\n{stanza}"
            found.append(sorted(part.split(":")[0].lstrip(", ") for part in lines["Upgrade"].split("),")))
    return found


def assert_whole(machine: Machine) -> None:
    """Every package is installed, and the package manager has nothing left to do."""
    assert [line for line in database(machine) if not line.startswith("ii ")] == []
    assert machine.must("dpkg", "--audit") == ""
    assert machine.must("ls", "-A", "/var/lib/dpkg/updates") == ""


def boots(machine: Machine) -> list[str]:
    """The boots since the machine was last offered something."""
    return machine.must("cat", BOOTS).split()
