"""Patch runs with real dnf and zypper, through a real sshd, as the run of any other host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.keys import client_key
from lab.rpm_roots import Manager, RpmMachine, RpmRoots
from lab.sshd import SshServer
from ronde.model.procedure import StepRecord, StepState
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from tests.doubles.office import Office
from tests.integration.patching.conftest import HOST, NO_BACKUP, failed, rules, step

EACH = pytest.mark.parametrize("manager", ["dnf", "zypper"])
pytestmark = pytest.mark.timeout(900)  # the first may find that the lab's tools have to be made
# What the lab's root is not by itself: a system of that family, which sees nothing but its own sockets.
SYSTEMS = {"dnf": 'ID=rocky\nID_LIKE="rhel centos fedora"\n', "zypper": "ID=sles\nID_LIKE=suse\n"}
CAT = '#!/bin/sh\n[ "$1" = /etc/os-release ] && exec /bin/cat {release}\nexec /bin/cat "$@"\n'
PROGRAMS = {"ss": "#!/bin/sh\nexit 0\n", "systemctl": "#!/bin/sh\nexit 1\n"}


class Rpm:
    """One machine with dnf or zypper, and the office that patches it."""

    def __init__(self, office: Office, machine: RpmMachine) -> None:
        self.office = office
        self.machine = machine

    def do(self, *, dry: bool = False, **parameters: str) -> JobRecord:
        words = {"policy": "security", "reboot": "never", **parameters}
        run = self.office.order("patch/linux", HOST, parameters=words, dry=dry, **NO_BACKUP)
        return self.office.work(run)

    def version(self, package: str) -> str:
        said = self.machine.tool("rpm").run("-q", "--qf", "%{VERSION}-%{RELEASE}", package)
        return said.decode().strip()


@pytest.fixture(scope="session")
def roots() -> RpmRoots:
    made = RpmRoots()
    made.prepare("dnf")
    made.prepare("zypper")
    return made


@pytest.fixture
def patched(roots: RpmRoots, manager: Manager, tmp_path: Path) -> Iterator[Rpm]:
    machine = roots.machine(tmp_path / manager, manager)
    release = machine.directory / "os-release"
    release.write_text(SYSTEMS[manager], encoding="utf-8")
    for name, text in {**PROGRAMS, "cat": CAT.format(release=release)}.items():
        (machine.bin / name).write_text(text, encoding="utf-8")
        (machine.bin / name).chmod(0o755)
    key, line = client_key(tmp_path)
    path = f"SetEnv PATH={machine.bin}:/usr/sbin:/usr/bin:/sbin:/bin"
    server = SshServer(HOST, tmp_path / HOST, authorized_keys=[line], extra_config=[path])
    with server, Office(tmp_path / "office", more={"windows": {"always": {"at": "00:00-24:00"}}}) as office:
        office.host(server, key)
        yield Rpm(office, machine)


def told(found: StepRecord) -> str:
    return f"{found.reason}\n{found.facts}"


@EACH
def test_a_security_run_does_exactly_what_its_preview_said(patched: Rpm, manager: Manager) -> None:
    seen = step(patched.do(dry=True))
    assert seen.state is StepState.SKIPPED, told(seen)
    assert patched.version("beta") == "1.0-1"
    job = patched.do()
    found = step(job)
    assert (job.state, found.facts["state"]) == (JobState.SUCCEEDED, "kept"), told(found)
    assert found.facts["plan"] == seen.facts["plan"]
    assert (patched.version("beta"), patched.version("alpha")) == ("1.1-1", "1.0-1")
    assert found.facts["manager"] == manager


@EACH
def test_a_failed_script_is_a_failed_host_whatever_the_exit_status(patched: Rpm, manager: Manager) -> None:
    wanted = "postfail"
    others = "alpha beta gamma broken* grows old* new* pre* slow* epochal* third* installer* kernel* linux* a-* very*"
    job = patched.do(policy="all", exclude=others)
    found = step(job)
    assert job.state is JobState.FAILED, told(found)
    assert "patch-package-failed" in rules(job)
    assert failed(job) == [f"{wanted}:noarch"]
