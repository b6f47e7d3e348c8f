"""A machine of the simulator that stands for a real one: what is asked of it is done to that one, or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.vcenter import VCenterServer
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from tests.doubles.office import Office

_NOTES = """\
#!/bin/sh
[ ! -e {folder}/refused ] || {{ echo "no such disk" >&2; exit 1; }}
echo "$@" >>{folder}/asked
"""


@dataclass
class Recorder:
    """A command that notes what it is asked, and may refuse."""

    folder: Path

    def __post_init__(self) -> None:
        self.command.write_text(_NOTES.format(folder=self.folder), encoding="utf-8")
        self.command.chmod(0o755)

    @property
    def command(self) -> Path:
        return self.folder / "hypervisor"

    @property
    def asked(self) -> list[str]:
        notes = self.folder / "asked"
        return notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []

    def refuse(self) -> None:
        (self.folder / "refused").touch()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenterServer]:
    with VCenterServer(tmp_path_factory.mktemp("vcenter"), vms=["idle"]) as running:
        yield running


@pytest.fixture
def recorder(tmp_path: Path, server: VCenterServer) -> Iterator[Recorder]:
    (tmp_path / "real").mkdir()
    made = Recorder(tmp_path / "real")
    server.add_vm("real")
    server.couple("real", [str(made.command), "-v"])
    yield made
    server.remove_vm("real")


@pytest.fixture
def office(tmp_path: Path, server: VCenterServer) -> Iterator[Office]:
    with Office(tmp_path, more={"windows": {"always": {"at": "00:00-24:00"}}}) as made:
        made.vcenter(server)
        yield made


def do(office: Office, playbook: str, **parameters: str) -> JobRecord:
    return office.do(f"vsphere/{playbook}", "vc1", parameters=parameters)


def snapshot_of(job: JobRecord) -> str:
    (made,) = [step for step in job.steps if step.step == "snapshot"]
    return str(made.facts["snapshot"])


def test_a_snapshot_its_revert_and_its_removal_are_those_of_the_real_machine(
    office: Office, recorder: Recorder
) -> None:
    taken = snapshot_of(do(office, "snapshot-create", vm="real"))
    assert recorder.asked == ["-v take taken-1"]
    assert do(office, "snapshot-revert", vm="real", snapshot=taken).state is JobState.SUCCEEDED
    assert recorder.asked[1:] == ["-v revert taken-1", "-v on"]
    assert do(office, "snapshot-remove", vm="real", snapshot=taken).state is JobState.SUCCEEDED
    assert recorder.asked[3:] == ["-v remove taken-1"]


def test_what_the_real_machine_refuses_does_not_happen_on_the_vcenter_either(
    office: Office, recorder: Recorder
) -> None:
    recorder.refuse()
    job = do(office, "snapshot-create", vm="real")
    assert job.state is JobState.FAILED
    assert recorder.asked == []
    assert "no such disk" in " ".join(step.reason for step in job.steps)


def test_another_machine_of_the_same_vcenter_is_only_simulated(office: Office, recorder: Recorder) -> None:
    assert do(office, "snapshot-create", vm="idle").state is JobState.SUCCEEDED
    assert recorder.asked == []
