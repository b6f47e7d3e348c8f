"""An office that patches one real machine; the machine is a module's, the office a test's."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.keys import client_key
from lab.machines import Machine
from lab.machines.guest import Guest
from ronde.adapters.files.playbooks import load_playbooks
from ronde.engine.patching import proving
from ronde.engine.procedure.sudoers import sudoers_lines
from ronde.model.check import Json
from ronde.model.procedure import StepRecord
from ronde.model.records import JobRecord
from tests.doubles.office import Office
from tests.integration.machines.conftest import own_network

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
HOST = "srv"
ORDINARY = "ronde"  # a user of the machine who is not root, and may what sudoers says
NO_BACKUP: dict[str, Any] = {"overrides": ("backup",), "reason": "a machine of the lab has none"}


@dataclass
class Patcher:
    """Orders patch runs of one machine."""

    office: Office
    machine: Guest

    def do(self, *, dry: bool = False, **parameters: Any) -> JobRecord:
        """`ronde run patch/linux` with these parameters; all updates where nothing else is said."""
        return self.office.work(self.order(dry=dry, **parameters))

    def order(self, *, dry: bool = False, **parameters: Any) -> str:
        """The same, not yet worked through; the run's id."""
        words = {"policy": "all", **parameters}
        return self.office.order("patch/linux", HOST, parameters=words, dry=dry, **NO_BACKUP)

    def hurried(self, timeout: str) -> None:
        """Work by a patch/linux whose step takes no longer than this."""
        copy = self.office.directory / "playbooks"
        shutil.copytree(PLAYBOOKS, copy, dirs_exist_ok=True)
        path = copy / "patch" / "linux.yaml"
        path.write_text(
            path.read_text(encoding="utf-8").replace("timeout: 3h", f"timeout: {timeout}"), encoding="utf-8"
        )
        self.office.settings["playbooks"] = copy

    def version(self, package: str) -> str:
        """What the machine's database says of a package: `ii 1.1-1`."""
        argv = ["dpkg-query", "-W", "-f=${db:Status-Abbrev}${Version}", package]
        return " ".join(self.machine.run(argv).stdout.split())

    def broken(self) -> str:
        """Whatever is not whole: nothing on a healthy machine."""
        audit = self.machine.run(["dpkg", "--audit"]).stdout
        return audit + self.machine.run(["ls", "-A", "/var/lib/dpkg/updates"]).stdout

    def calls_of_apt(self) -> int:
        """How many runs apt has on record that upgraded something."""
        log = self.machine.run(["cat", "/var/log/apt/history.log"]).stdout
        return log.count("\nUpgrade: ")


def step(job: JobRecord) -> StepRecord:
    (found,) = job.steps
    return found


def failed(job: JobRecord) -> list[str]:
    """Labels of the planned packages that did not get there."""
    rows = step(job).facts["failed"]
    assert isinstance(rows, list)
    return [str(row[0]) for row in rows]


def rules(job: JobRecord) -> set[str]:
    """What was found in a run, the guards left out."""
    return {finding.rule for check in job.checks if check.kind == "step" for finding in check.findings}


def events(job: JobRecord) -> list[Json]:
    found = step(job).facts["events"]
    assert isinstance(found, list)
    return found


SECURITY = "security-update"


# The machines of the lab share the network of the one they run on, and so everything that listens there, whoever's it
# is and however short it lives. This one sees what is its own.
_OWN_SOCKETS = """\
#!/bin/sh
/usr/bin/ss "$@" | grep -F '{address}:'
exit 0
"""


def see_only_its_own(machine: Machine) -> None:
    machine.must("tee", "/usr/local/bin/ss", stdin=_OWN_SOCKETS.format(address=machine.address))
    machine.must("chmod", "0755", "/usr/local/bin/ss")


def at_rest(machine: Guest) -> None:
    """Nothing waits, and the security repository is not empty: one without packages is one that apt does not list."""
    machine.offer(SECURITY)
    machine.must("dpkg", "--install", "/srv/packages/security/lab-security_1.0-1+deb12u1_all.deb")


@contextmanager
def offered(machine: Guest, *scenarios: str) -> Iterator[None]:
    """These scenarios and no others."""
    for scenario in scenarios:
        machine.offer(scenario)
    try:
        yield
    finally:
        for scenario in scenarios:
            machine.withdraw(scenario)
        at_rest(machine)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("patching")


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[Machine]:
    line = client_key(folder)[1]
    playbooks = load_playbooks(PLAYBOOKS)
    lines = sudoers_lines(playbooks["patch/linux"], playbooks, {}, ORDINARY)
    address = f"{own_network()}.1"
    with Machine(HOST, folder / HOST, address, authorized_keys=[line], sudoers=lines) as running:
        see_only_its_own(running)
        at_rest(running)
        yield running


@pytest.fixture
def patcher(folder: Path, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patcher]:
    monkeypatch.setattr(proving, "SETTLE", 3.0)  # nothing here comes up late
    with Office(tmp_path, more={"windows": {"always": {"at": "00:00-24:00"}}}) as office:
        office.host(machine, client_key(folder)[0])
        yield Patcher(office, machine)
