"""A worker that dies again and again, and a link that is cut again and again, in the middle of a patch run.

The machine, its packages and its reboot are real; the ledger is the double, so that a death can be put between any two
of its calls. Whatever happens: every package ends installed, no journal is left, each update and the reboot are made
once, and the run is told once.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lab.keys import client_key
from lab.machines import Machine
from ronde.adapters.files.playbooks import load_playbooks
from ronde.adapters.ssh import SshShells
from ronde.engine.ordering import Request, order
from ronde.engine.work import work
from ronde.model.command import Answer, Command
from ronde.model.errors import ConnectionLost
from ronde.model.inventory import Client
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from ronde.ports import Hint, Listener, Shell, Signal
from tests.doubles.engine import CLIENT, FlakyLedger, Surroundings, client, inventory
from tests.doubles.shell import WallClock
from tests.doubles.ssh_hosts import PathSecrets
from tests.integration.machines.conftest import BUILDING
from tests.integration.patching.conftest import HOST, NO_BACKUP, PLAYBOOKS, offered, step

pytestmark = BUILDING
SCENARIOS = ("simple-update", "security-update", "reboot-required")
MOST = 10  # attempts that a playbook may ask for
BOOTS = "/var/lib/boots"


class Death(BaseException):
    """kill -9: nothing may catch it."""


@dataclass
class Fate:
    """Strikes with a certain chance at whatever is done, before or after it, and only so often.

    Attributes:
        left: how often it still strikes; `cut`: the link, rather than the worker.
    """

    chance: random.Random
    left: int
    cut: bool = False
    struck: int = 0

    @contextmanager
    def over(self, *, link: bool = False) -> Iterator[None]:
        hit = self.left > 0 and (link or not self.cut) and self.chance.random() < 0.3
        after = hit and self.chance.random() < 0.5
        if hit and not after:
            self._strike()
        yield
        if after:
            self._strike()

    def _strike(self) -> None:
        self.left -= 1
        self.struck += 1
        raise Death


@dataclass
class DoomedShell:
    shell: Shell
    fate: Fate

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        try:
            with self.fate.over(link=True):
                return self.shell.run(command, listen)
        except Death:
            if not self.fate.cut:
                raise
            self.close()
            raise ConnectionLost("the link broke") from None

    def close(self) -> None:
        self.shell.close()


@dataclass
class DoomedShells:
    shells: SshShells
    fate: Fate

    @contextmanager
    def open(self, of: Client, host: str, signal: Signal) -> Iterator[Shell]:
        with self.shells.open(of, host, signal) as shell:
            yield DoomedShell(shell, self.fate)


class DoomedLedger(FlakyLedger):
    """A ledger whose writer may die just before or just after a write."""

    fate = Fate(random.Random(0), 0)  # noqa: S311 - a test's dice

    def keep_step(self, *arguments: Any) -> bool:
        with self.fate.over():
            return super().keep_step(*arguments)


@dataclass
class Scene:
    """One patch run of one machine, and whoever works on it."""

    machine: Machine
    key: Path
    playbooks: Path
    fate: Fate
    ledger: DoomedLedger = field(default_factory=DoomedLedger)
    around: Surroundings = field(init=False)

    def __post_init__(self) -> None:
        host = {
            "address": self.machine.address, "port": self.machine.port, "user": "root", "key": f"file://{self.key}",
            "host_key": list(self.machine.public_keys),
        }  # fmt: skip
        windows = {"always": {"at": "00:00-24:00"}}
        self.around = Surroundings(ledger=self.ledger)
        self.around.inventories.inventory = inventory(client(hosts={HOST: host}, windows=windows))
        self.ledger.fate = self.fate

    def run(self) -> JobRecord:
        """Work on it, attempt after attempt, until it has ended."""
        known = load_playbooks(self.playbooks)
        shells = DoomedShells(SshShells(PathSecrets(), WallClock()), self.fate)
        base = replace(self.around.engine(), playbooks=known)
        order(base, Request("patch/linux", [CLIENT], [HOST], "alice", parameters={"policy": "all"}, **NO_BACKUP))
        while (hint := self._next()) is not None:
            # Waiting takes real time, and none of the double's clock, by which leases are counted.
            engine = replace(
                base, shells=shells, worker=f"worker-{hint.attempt}", pause=lambda s: time.sleep(min(s, 0.3))
            )
            try:
                work(engine, hint)
            except Death:
                continue
        (found,) = self.around.runs()
        return found.jobs[0]

    def _next(self) -> Hint | None:
        """What the roll call finds to do once leases and pauses are over."""
        self.around.hands.move(600)
        now = self.around.hands.now()
        self.ledger.reap(now)
        hints = self.ledger.to_send(now, resend_after=60)
        return hints[0] if hints else None


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped playbooks, with as many attempts as a playbook may ask for."""
    folder = tmp_path_factory.mktemp("playbooks") / "patch"
    folder.mkdir()
    text = (PLAYBOOKS / "patch" / "linux.yaml").read_text(encoding="utf-8")
    (folder / "linux.yaml").write_text(
        text.replace("limit: 4h", f"limit: 4h\nretry: {{attempts: {MOST}}}"), encoding="utf-8"
    )
    return folder.parent


@pytest.fixture(scope="module")
def counting(machine: Machine) -> Machine:
    """A machine that counts its boots."""
    unit = f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'cat /proc/sys/kernel/random/boot_id >>{BOOTS}'\n"
    machine.must("tee", "/etc/systemd/system/boots.service", stdin=f"{unit}[Install]\nWantedBy=multi-user.target\n")
    machine.must("systemctl", "enable", "boots.service")
    return machine


def upgrades(machine: Machine, package: str) -> int:
    """How often apt has upgraded a package, by its own history."""
    log = machine.run(["cat", "/var/log/apt/history.log"]).stdout
    return sum(f"{package}:" in line for line in log.splitlines() if line.startswith("Upgrade: "))


@pytest.mark.parametrize("cut", [False, True], ids=["worker-dies", "link-cut"])
def test_a_run_that_is_interrupted_over_and_over_is_made_once_and_told_once(
    counting: Machine, folder: Path, patient: Path, *, cut: bool
) -> None:
    struck = 0
    for seed in range(3):
        machine = counting
        machine.must("sh", "-c", f": >{BOOTS}; : >/var/log/apt/history.log")
        with offered(machine, *SCENARIOS):
            fate = Fate(random.Random(seed), MOST - 1, cut)  # noqa: S311 - a test's dice
            job = Scene(machine, client_key(folder)[0], patient, fate).run()
            machine.await_ready()
            found = step(job)
            assert job.state is JobState.SUCCEEDED, (seed, job.trouble, found)
            assert found.facts["state"] == "kept"
            assert machine.run(["dpkg", "--audit"]).stdout == ""
            assert machine.run(["ls", "-A", "/var/lib/dpkg/updates"]).stdout == ""
            assert [upgrades(machine, name) for name in ("lab-simple", "lab-security", "lab-kernel")] == [1, 1, 1]
            assert machine.must("cat", BOOTS).split() == [found.facts["boot_now"]]
            assert [check.subject for check in job.checks if check.kind == "step"] == ["patch"]
        struck += fate.struck
    assert struck >= 15
