"""Power that fails in the middle of an update, at points that the update itself names on the console."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from lab.process import wait_until
from lab.vm import VirtualMachine
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from tests.integration.patching.conftest import Patcher, offered, step

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
_PATIENCE = 600.0  # seconds for a script to be reached: the look, the plan and the download come before it
PACKAGES = {"lab-hesitant": "ii 1.1-1", "lab-simple": "ii 1.1-1", "lab-growing": "ii 1.1-1", "lab-grown": "ii 1.0-1"}
SCENARIOS = ("hesitant-scripts", "simple-update", "new-dependency")


@dataclass
class Saboteur:
    """Strikes once, when the console says that a script runs.

    Attributes:
        script: `preinst`: the new files are about to be unpacked; `postinst`: they are there, and not configured.
        strike: what then happens to the machine.
    """

    vm: VirtualMachine
    script: str
    strike: Callable[[VirtualMachine], None]
    struck: bool = False
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """In a thread of its own, as long as the context lasts; it must have struck by then."""
        heard = len(self._said())
        thread = threading.Thread(target=self._wait, args=(heard,), name="saboteur")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
        assert self.struck

    def _wait(self, heard: int) -> None:
        def now() -> bool:
            return self._over.is_set() or f"lab: {self.script} of lab-hesitant" in self._said()[heard:]

        if wait_until(now, _PATIENCE) and not self._over.is_set():
            self.struck = True
            self.strike(self.vm)

    def _said(self) -> str:
        return self.vm.console.read_text(encoding="utf-8", errors="replace")


def cut_and_switch_on(vm: VirtualMachine) -> None:
    """What reached the disk is there, what only the kernel had is lost."""
    vm.kill()
    vm.hypervisor.on()


@pytest.mark.parametrize("strike", [cut_and_switch_on, VirtualMachine.reset], ids=["power-cut", "reset"])
@pytest.mark.parametrize("script", ["preinst", "postinst"], ids=["unpacking", "configuring"])
def test_power_that_fails_in_the_middle_of_a_package_costs_one_attempt(
    patcher: Patcher, vm: VirtualMachine, script: str, strike: Callable[[VirtualMachine], None]
) -> None:
    with offered(vm, *SCENARIOS):
        cut_in(patcher, vm, script, strike)
        ends_well(patcher, vm)


def patch(patcher: Patcher) -> JobRecord:
    return patcher.do(allow_new="lab-*", reboot="never")


def cut_in(patcher: Patcher, vm: VirtualMachine, script: str, strike: Callable[[VirtualMachine], None]) -> None:
    """A run whose machine loses its power when a script runs; it ends with a verdict, and that is no lie."""
    before = vm.boot_id
    with Saboteur(vm, script, strike).at_work():
        job = patch(patcher)
    vm.await_ready()
    assert vm.boot_id != before
    told_the_truth(patcher, job.state)


def ends_well(patcher: Patcher, vm: VirtualMachine) -> None:
    """The next attempt finds or makes everything installed."""
    job = patch(patcher)
    assert job.state is JobState.SUCCEEDED, (job.trouble, step(job))
    assert step(job).facts["state"] in ("kept", "nothing_to_do")
    assert {name: patcher.version(name) for name in PACKAGES} == PACKAGES
    assert patcher.broken() == ""
    assert vm.must("cat", "/usr/share/lab-hesitant/version") == "1.1\n"


def told_the_truth(patcher: Patcher, state: JobState) -> None:
    """A run that was cut may have mended itself, or have failed; it says the first only where it is so."""
    whole = patcher.broken() == "" and {name: patcher.version(name) for name in PACKAGES} == PACKAGES
    assert whole or state is not JobState.SUCCEEDED
