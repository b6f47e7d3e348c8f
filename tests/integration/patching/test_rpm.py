"""Patch runs with real dnf and zypper, through a real sshd, as the run of any other host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.rpm import Manager, RpmRoots
from ronde.model.procedure import StepState
from ronde.model.run import JobState
from tests.integration.patching.conftest import failed, rules, step
from tests.integration.patching.rpm_office import Rpm, patched_machine, told

EACH = pytest.mark.parametrize("manager", ["dnf", "zypper"])
pytestmark = pytest.mark.timeout(900)  # the first may find that the lab's tools have to be made


@pytest.fixture
def patched(manager: Manager, tmp_path: Path) -> Iterator[Rpm]:
    with patched_machine(RpmRoots(), manager, tmp_path) as patched:
        yield patched


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
