"""An office that looks after a host which passes for a Windows: a real sshd, and the double of its `powershell`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.sshd import SshServer, client_key
from ronde.engine.patches import windows_task
from ronde.model.check import Json
from ronde.model.procedure import StepRecord
from ronde.model.records import CheckRecord, JobRecord
from tests.doubles.office import Office
from tests.doubles.windows_host import WindowsHost

HOST = "win"
ALWAYS = {"always": {"at": "00:00-24:00"}}
NO_BACKUP: dict[str, Any] = {"overrides": ("backup",), "reason": "a host of the lab has none"}


@dataclass
class Desk:
    """Where things are ordered of the host."""

    office: Office
    windows: WindowsHost
    server: SshServer

    def audit(self) -> tuple[JobRecord, CheckRecord]:
        """`ronde run patch/audit-windows`: the job, and its check."""
        job = self.office.do("patch/audit-windows", HOST)
        (check,) = [check for check in job.checks if check.kind == "patches"]
        return job, check

    def patch(self, *, dry: bool = False, **parameters: Any) -> JobRecord:
        """`ronde run patch/windows` with these parameters; all updates where nothing else is said."""
        words = {"policy": "all", **parameters}
        return self.office.do("patch/windows", HOST, parameters=words, dry=dry, **NO_BACKUP)


def step(job: JobRecord) -> StepRecord:
    (found,) = job.steps
    return found


def rules(found: JobRecord | CheckRecord) -> set[str]:
    """What was found, the guards left out."""
    checks = found.checks if isinstance(found, JobRecord) else (found,)
    return {finding.rule for check in checks if check.kind != "guard" for finding in check.findings}


def state(job: JobRecord) -> Json:
    return step(job).facts["state"]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The double ends its jobs after a number of looks, so nothing has to be waited for."""
    monkeypatch.setattr(windows_task, "POLL_EVERY", 0.01)
    monkeypatch.setattr(windows_task, "AGAIN_EVERY", 0.05)


@pytest.fixture
def windows(tmp_path: Path) -> WindowsHost:
    return WindowsHost(tmp_path / "bin")


@pytest.fixture
def server(tmp_path: Path, windows: WindowsHost) -> Iterator[SshServer]:
    _, public = client_key(tmp_path)
    options: dict[str, Any] = {"authorized_keys": [public], "extra_config": windows.extra_config}
    with SshServer(HOST, tmp_path / HOST, **options) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, windows: WindowsHost, server: SshServer) -> Iterator[Desk]:
    with Office(tmp_path / "office", more={"windows": ALWAYS}) as office:
        office.host(server, client_key(tmp_path)[0], user=server.user, system="windows")
        yield Desk(office, windows, server)
