"""A machine with one of rpm's managers, and the office that patches it through a real sshd, as any other host."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.keys import client_key
from lab.rpm import Manager, RpmMachine, RpmRoots
from lab.sshd import SshServer
from ronde.model.procedure import StepRecord
from ronde.model.records import JobRecord
from tests.doubles.office import Office
from tests.integration.patching.conftest import HOST, NO_BACKUP


class Rpm:
    """One machine and its office."""

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


@contextmanager
def patched_machine(roots: RpmRoots, manager: Manager, folder: Path) -> Iterator[Rpm]:
    """A fresh machine that runs are ordered for; `folder` is an empty one."""
    roots.prepare(manager)
    machine = roots.machine(folder / manager, manager)
    key, line = client_key(folder)
    server = SshServer(HOST, folder / HOST, authorized_keys=[line], extra_config=[machine.as_host()])
    with server, Office(folder / "office", more={"windows": {"always": {"at": "00:00-24:00"}}}) as office:
        office.host(server, key)
        yield Rpm(office, machine)


def told(found: StepRecord) -> str:
    return f"{found.reason}\n{found.facts}"
