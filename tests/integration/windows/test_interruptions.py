"""A worker that dies again and again, and a link that is cut again and again, while a Windows host is looked after.

sshd is real, Windows the double; the ledger is a double too, so that a death can be put between any two of its calls.
Whatever happens: every task is started once, each update installed once, the host restarted once, the run told once.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lab.sshd import SshServer, client_key
from ronde.adapters.files.playbooks import load_playbooks
from ronde.adapters.ssh import SshShells
from ronde.engine.ordering import Request, order
from ronde.engine.patching import proving
from ronde.engine.work import work
from ronde.model.command import Answer, Command
from ronde.model.errors import ConnectionLost
from ronde.model.inventory import Client
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from ronde.ports import Hint, Listener, Shell, Signal
from tests.doubles.engine import CLIENT, FlakyLedger, Surroundings, client, inventory
from tests.doubles.shell import WallClock
from tests.doubles.ssh_hosts import PathSecrets
from tests.doubles.windows_host import ROLLUP, TOOL, WindowsHost
from tests.integration.windows.conftest import ALWAYS, HOST, NO_BACKUP, step

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks" / "patch"
MOST = 10  # attempts that a playbook may ask for


class Death(BaseException):
    """kill -9: nothing may catch it."""


@dataclass
class Fate:
    """Strikes at certain calls, counted from the first, before or after what they do.

    Attributes:
        at: by the number of the call: whether it strikes after it.
        cut: the link, rather than the worker.
    """

    at: dict[int, bool] = field(default_factory=dict)
    cut: bool = False
    calls: int = 0
    struck: int = 0

    @contextmanager
    def over(self, *, link: bool = False) -> Iterator[None]:
        if self.cut and not link:
            yield
            return
        self.calls += 1
        after = self.at.get(self.calls)
        if after is False:
            self._strike()
        yield
        if after:
            self._strike()

    def _strike(self) -> None:
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

    fate = Fate()

    def keep_step(self, *arguments: Any) -> bool:
        with self.fate.over():
            return super().keep_step(*arguments)

    def record(self, *arguments: Any) -> bool:
        with self.fate.over():
            return super().record(*arguments)


@dataclass
class Scene:
    """One order on the host, and whoever works on it."""

    server: SshServer
    key: Path
    playbooks: Path
    fate: Fate
    ledger: DoomedLedger = field(default_factory=DoomedLedger)
    around: Surroundings = field(init=False)

    def __post_init__(self) -> None:
        host = {
            "address": self.server.address, "port": self.server.port, "user": self.server.user,
            "key": f"file://{self.key}", "host_key": list(self.server.public_keys), "system": "windows",
        }  # fmt: skip
        self.around = Surroundings(ledger=self.ledger)
        self.around.inventories.inventory = inventory(client(hosts={HOST: host}, windows=ALWAYS))
        self.around.hands.at = datetime.now(UTC)  # the host's clock, which says when a search ended, is the real one
        self.ledger.fate = self.fate

    def run(self, playbook: str, **more: Any) -> JobRecord:
        """Work on it, attempt after attempt, until it has ended."""
        known = load_playbooks(self.playbooks)
        shells = DoomedShells(SshShells(PathSecrets(), WallClock()), self.fate)
        base = replace(self.around.engine(), playbooks=known, shells=shells, pause=lambda _seconds: None)
        order(base, Request(playbook, [CLIENT], [HOST], "alice", **more))
        while (hint := self._next()) is not None:
            try:
                work(replace(base, worker=f"worker-{hint.attempt}"), hint)
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


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "SETTLE", 0.0)


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """The shipped playbooks, with as many attempts as a playbook may ask for."""
    folder = tmp_path / "playbooks" / "patch"
    folder.mkdir(parents=True)
    for name, limit in (("windows", "6h"), ("audit-windows", "75m")):
        text = (PLAYBOOKS / f"{name}.yaml").read_text(encoding="utf-8").replace("retry: {attempts: 3}\n", "")
        changed = text.replace(f"limit: {limit}", f"limit: {limit}\nretry: {{attempts: {MOST}}}")
        (folder / f"{name}.yaml").write_text(changed, encoding="utf-8")
    return folder.parent


def patched(scene: Scene) -> JobRecord:
    return scene.run("patch/windows", parameters={"policy": "all"}, **NO_BACKUP)


def told_well(windows: WindowsHost, job: JobRecord) -> None:
    found = step(job)
    assert job.state is JobState.SUCCEEDED, (job.trouble, found)
    assert found.facts["state"] == "kept"
    assert [line.split()[1] for line in windows.log("installed")] == [ROLLUP, TOOL]
    assert len(windows.log("started install")) == 1
    assert len(windows.log("restarted")) == 1
    assert [check.subject for check in job.checks if check.kind == "step"] == ["patch"]
    assert windows.left == []


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cut", [False, True], ids=["worker-dies", "link-cut"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_that_is_interrupted_at_any_step_is_made_once_and_told_once(
    windows: WindowsHost, server: SshServer, tmp_path: Path, patient: Path, *, cut: bool, after: bool
) -> None:
    """Every call of an undisturbed run is a place to die at; they are spread over a few runs of many deaths each."""
    windows.fate(polls=0)
    undisturbed = Fate(cut=cut)
    key = client_key(tmp_path)[0]
    original = windows.tasks.joinpath("offered.json").read_text(encoding="utf-8")
    told_well(windows, patched(Scene(server, key, patient, undisturbed)))
    places = list(range(1, undisturbed.calls + 1))
    random.Random(7).shuffle(places)  # noqa: S311 - a test's dice
    most = MOST - 1 if not cut else len(places)
    for first in range(0, len(places), most):
        windows.forget(original)
        fate = Fate(dict.fromkeys(places[first : first + most], after), cut)
        told_well(windows, patched(Scene(server, key, patient, fate)))
        assert fate.struck > 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_audit_whose_worker_dies_takes_its_search_up_and_starts_no_other(
    windows: WindowsHost, server: SshServer, tmp_path: Path, patient: Path, *, after: bool
) -> None:
    """Start, three polls: all of them are places to die at. What comes after them has the whole answer in hand."""
    windows.fate(polls=2)
    fate = Fate(dict.fromkeys((1, 3, 4, 6), after))
    job = Scene(server, client_key(tmp_path)[0], patient, fate).run("patch/audit-windows")
    (check,) = [check for check in job.checks if check.kind == "patches"]
    assert (job.state, check.verdict, check.facts["pending"]) == (JobState.SUCCEEDED, Verdict.UNKNOWN, 2)
    assert fate.struck == 4
    assert len(windows.log("started search")) == 1
    assert windows.left == []
