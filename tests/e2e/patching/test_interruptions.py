"""Workers that are killed and links that are cut in mid-patch: each update is made once, and told once."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from lab.machines import Machine
from ronde.model.patch.transaction import PatchEvent, PatchRecord
from ronde.model.records import JobRecord, RunRecord
from ronde.model.run import JobState
from tests.doubles.ssh_hosts import Proxy
from tests.e2e.installation import poll
from tests.e2e.patching.site import Site, assert_whole, boots, upgraded, version
from tests.integration.machines.conftest import BUILDING

pytestmark = BUILDING
SEED = 20261127
STRIKES = 20
MOST = 7  # attempts of a job that is struck again; it may be tried ten times
UPDATES = {
    "simple-update": ("lab-simple", "1.1-1"),
    "security-update": ("lab-security", "1.0-1+deb12u1"),
    "slow-update": ("lab-slow", "1.1-1"),
    "reboot-required": ("lab-kernel", "6.2-1"),
}
ENDS = {"job.succeed", "job.fail", "job.escalate", "job.crash", "job.lose", "job.cancel", "job.skip"}


@dataclass
class Fate:
    """Strikes at jobs under way, at random moments, until it has struck so often.

    Attributes:
        strike: strikes at a job, and says whether it did.
        at: the phase that each job was in when it was struck.
    """

    site: Site
    strike: Callable[[JobRecord], bool]
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311 - which moment, not a secret
    at: list[str] = field(default_factory=list)

    @property
    def left(self) -> int:
        return STRIKES - len(self.at)

    def rage(self, run: str, longest: float) -> None:
        """Strike until the run has ended; `longest` seconds are between two strikes at most."""
        while self.left > 0 and not self.site.ronde.run(run).finished_at:
            self._wait(run, self.chance.uniform(0.2, longest))
            fresh = [job for job in self.site.ronde.busy(run) if job.attempt < MOST]
            if fresh and self.strike(job := self.chance.choice(fresh)):
                self.at.append(_phase(job))

    def _wait(self, run: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        poll(
            lambda: bool(self.site.ronde.run(run).finished_at) or time.monotonic() > until,
            within=seconds + 30,
            what="the moment to strike",
        )


def _phase(job: JobRecord) -> str:
    events = job.steps[0].journal.get("events", ()) if job.steps else ()
    assert isinstance(events, (list, tuple))
    return PatchRecord(tuple(PatchEvent(str(event)) for event in events)).state.value


def assert_made_once(machine: Machine, before: str, run: RunRecord) -> None:
    """Every update is in, by one run of apt and with one reboot, and the job ended once."""
    (job,) = [job for job in run.jobs if job.target.name == machine.name]
    machine.await_ready()
    assert job.state is JobState.SUCCEEDED, job
    assert_whole(machine)
    assert [version(machine, name) for name, _ in UPDATES.values()] == [f"ii {new}" for _, new in UPDATES.values()]
    assert upgraded(machine) == [sorted(name for name, _ in UPDATES.values())]
    (step,) = job.steps
    assert (step.facts["state"], step.facts["boot_before"]) == ("kept", before)
    assert boots(machine) == [step.facts["boot_now"]] == [machine.boot_id]
    told = Counter(event.action for event in run.events if event.subject == job.id)
    assert {action: count for action, count in told.items() if action in ENDS} == {"job.succeed": 1}
    assert [check.subject for check in job.checks if check.kind == "step"] == ["patch"]


def patched_under(fate: Fate, machines: list[Machine], longest: float) -> None:
    """Patch the machines again and again, until fate has struck as often as it must."""
    while fate.left > 0:
        fate.site.offer(machines, *UPDATES)
        before = {machine.name: machine.boot_id for machine in machines}
        run = fate.site.order("together")
        try:
            fate.rage(run, longest)
            record = fate.site.ronde.finished(run, within=180)
            for machine in machines:
                assert_made_once(machine, before[machine.name], record)
        except AssertionError as error:
            error.add_note(f"seed {SEED}, struck in {fate.at}")
            raise
    assert set(fate.at) - {"auditing", "planned", "guarding"}, "never in mid-patch"


@pytest.mark.timeout(600)
def test_twenty_kills_of_the_worker_in_mid_patch(site: Site) -> None:
    machines = site.look_after("srv-1", "srv-2", "srv-3", "srv-4")
    with site.crew("work-0", "work-1", "work-2", "work-3", threads=1) as crew:  # a death costs one job an attempt

        def kill(job: JobRecord) -> bool:
            holder = next((one for one in crew if str(one.pid) == job.worker.split(":")[1]), None)
            if holder is None:
                return False  # it is dead already, and its lease has not run out yet
            crew.remove(holder)
            holder.kill()
            crew.append(site.ronde.start_worker_unheard(_next_name(site), queues="work", threads=1))
            return True

        patched_under(Fate(site, kill), machines, longest=2.5)


def _next_name(site: Site) -> str:
    return f"work-{len(site.ronde.processes)}"


@pytest.mark.timeout(600)
def test_twenty_cuts_of_the_link_in_mid_patch(site: Site) -> None:
    machines = site.look_after("srv-1", "srv-2", "srv-3", "srv-4")
    with links(site, machines) as ways, site.crew("work"):

        def cut(job: JobRecord) -> bool:
            ways[job.target.name].cut()
            return True

        patched_under(Fate(site, cut), machines, longest=1.5)


@contextmanager
def links(site: Site, machines: list[Machine]) -> Iterator[Mapping[str, Proxy]]:
    """The way to each machine from now on, by its name."""
    with ExitStack() as stack:
        made = {one.name: stack.enter_context(Proxy(one.address, one.port)) for one in machines}
        for name, proxy in made.items():
            site.ronde.entries[name] |= {"address": proxy.address, "port": proxy.port}
        site.ronde.write_inventory()
        yield made
