"""Where there is systemd, the runner gets a unit of its own. The `systemd-run` here is a FAKE, found on PATH.

Each session of the host has its own mount namespace, with a /run in which systemd seems to be up; everything else is
real. What systemd itself does with the unit is for a machine that has it.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ronde.facts.detached import Outcome, parse_look, stop_question
from ronde.model.detached import Launch, Standing
from tests.doubles.ssh_hosts import Grounds
from tests.integration.detached.conftest import Target, jobs_folder, processes_of, until

HERE = Path(__file__).parent
COUNT = ("sh", "-c", 'echo begun >>"$1"; echo "$2"', "count")
DOLLARS = "$HOME ${HOME} $$ %n"


@dataclass
class Machine:
    target: Target
    state: Path

    def carry(self, counter: Path) -> Launch:
        """Carry a command that counts itself; its launch."""
        launch = Launch(self.target.key("upgrade"), (*COUNT, str(counter), DOLLARS), limit=30)
        with self.target.carrier() as carrier:
            carried = carrier.carry(launch)
        assert (carried.standing, carried.stdout.decode()) == (Standing.ENDED, DOLLARS + "\n"), carried
        assert counter.read_text() == "begun\n"
        return launch

    def complaint(self, launch: Launch) -> str:
        return (self.target.step(launch.key) / "launch").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A host on which only root works, as systemd's system manager only serves root."""
    for folder in ("run/systemd/system", "bin", "state/units"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("systemd-run", "systemctl"):
        shutil.copy(HERE / f"fake_{name.replace('-', '_')}.sh", tmp_path / "bin" / name)
    inner = f'mount --bind {tmp_path}/run /run && PATH={tmp_path}/bin:$PATH exec sh -c "$SSH_ORIGINAL_COMMAND"'
    grounds = Grounds(tmp_path / "ssh")
    grounds.directory.mkdir()
    with grounds.server("srv", extra_config=[f"ForceCommand exec unshare --mount sh -c '{inner}'"]) as server:
        grounds.hosts["srv"] = grounds.entry(server)
        target = Target(grounds, server.home, jobs_folder(server.home))
        yield Machine(target, tmp_path / "state")
    for job in target.used:
        shutil.rmtree(target.jobs / job, ignore_errors=True)


def test_the_command_gets_a_scope_and_its_arguments_as_they_are(machine: Machine, tmp_path: Path) -> None:
    launch = machine.carry(tmp_path / "counter")
    unit = f"ronde-{launch.key.job[:8]}-upgrade.scope"
    assert [path.name for path in (machine.state / "units").iterdir()] == [unit]
    options = (machine.state / "units" / unit / "options").read_text().split()
    name = unit.removesuffix(".scope")
    assert options == ["--scope", f"--unit={unit}", f"--description={name}", "--collect", "--quiet"]


def test_where_systemd_refuses_the_command_runs_without(machine: Machine, tmp_path: Path) -> None:
    (machine.state / "refuse").touch()
    assert "connect to bus" in machine.complaint(machine.carry(tmp_path / "counter"))


def test_where_systemd_says_no_but_did_it_the_command_runs_once(machine: Machine, tmp_path: Path) -> None:
    (machine.state / "lie").touch()
    launch = machine.carry(tmp_path / "counter")
    until(lambda: "timed out" in machine.complaint(launch))
    until(lambda: processes_of(machine.target.step(launch.key)) == [], "the second runner never ended")
    assert machine.target.look(launch.key).standing is Standing.ENDED
    assert (tmp_path / "counter").read_text() == "begun\n"


def test_a_unit_of_that_name_is_in_nobodys_way(machine: Machine, tmp_path: Path) -> None:
    launch = Launch(machine.target.key("upgrade"), (*COUNT, str(tmp_path / "counter"), "x"), limit=30)
    (machine.state / "units" / f"ronde-{launch.key.job[:8]}-upgrade.scope").mkdir()
    assert machine.target.start(launch) is Outcome.STARTED
    assert machine.target.ended(launch.key).out == b"x\n"
    assert "already exists" in machine.complaint(launch)


def test_a_stop_ends_the_unit_too(machine: Machine) -> None:
    launch = Launch(machine.target.key("upgrade"), ("sleep", "300"), limit=600)
    machine.target.start(launch)
    until(lambda: machine.target.look(launch.key).alive)
    look = parse_look(machine.target.ask(stop_question(launch, 3).command))
    assert (look.standing, look.stopped) == (Standing.ENDED, True)
    asked = (machine.state / "asked").read_text()
    assert asked == f"kill --signal=KILL ronde-{launch.key.job[:8]}-upgrade.scope\n"
