"""A worker that dies at any single write and any single command: the next one goes on, and each change is made once.

The commands are real and run on this machine; the ledger is the double, so that a death can be put between any two
calls. Root's private folder on a host lies in /var/lib/ronde, as it would on a client's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ronde.adapters.files.playbooks import load_playbooks
from ronde.engine.ordering import Request, order
from ronde.engine.work import work
from ronde.model.command import Answer, Command
from ronde.model.errors import ConnectionLost
from ronde.model.inventory import Client
from ronde.model.records import JobRecord, Scope
from ronde.model.run import JobState
from ronde.ports import Claim, Hint, Listener, Shell, Signal
from tests.doubles.engine import CLIENT, FlakyLedger, Surroundings, client, inventory
from tests.doubles.shell import LocalShells

PLAYBOOKS = load_playbooks(Path(__file__).resolve().parents[2] / "e2e" / "playbooks")
STEPS = {"one", "two", "three", "four", "last"}
SCOPE = Scope.of(CLIENT)


class Death(BaseException):
    """kill -9: nothing may catch it."""


@dataclass
class Fate:
    """Counts what a worker does, and strikes it down at one moment, before or after the act."""

    at: int = 0
    after: bool = False
    count: int = 0

    @contextmanager
    def strike(self) -> Iterator[None]:
        self.count += 1
        if self.count == self.at and not self.after:
            raise Death
        yield
        if self.count == self.at and self.after:
            raise Death


@dataclass
class DoomedShell:
    shell: Shell
    fate: Fate
    cut: bool

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        try:
            with self.fate.strike():
                return self.shell.run(command, listen)
        except Death:
            if self.cut:  # not the worker, but its link
                self.close()
                raise ConnectionLost("the link broke") from None
            raise

    def close(self) -> None:
        self.shell.close()


@dataclass
class DoomedShells:
    fate: Fate
    home: Path
    cut: bool = False

    @contextmanager
    def open(self, of: Client, host: str, signal: Signal) -> Iterator[Shell]:
        with LocalShells(home=self.home).open(of, host, signal) as shell:
            yield DoomedShell(shell, self.fate, self.cut)


class DoomedLedger(FlakyLedger):
    """A ledger whose writer may die just before or just after a write."""

    fate = Fate()

    def keep_step(self, *arguments: Any) -> bool:
        with self.fate.strike():
            return super().keep_step(*arguments)


@dataclass
class Scene:
    folder: Path
    ledger: DoomedLedger = field(default_factory=DoomedLedger)
    around: Surroundings = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "srv").mkdir(exist_ok=True)
        host = {"address": "192.0.2.1", "user": "root", "key": "file:///k"}
        self.around = Surroundings(ledger=self.ledger)
        self.around.inventories.inventory = inventory(client(hosts={"srv": host}))

    def ordered(self, playbook: str = "test/count") -> Hint:
        engine = replace(self.around.engine(), playbooks=PLAYBOOKS)
        parameters = {"folder": str(self.folder), "pause": "0"}
        order(engine, Request(playbook, [CLIENT], ["srv"], "alice", parameters=parameters))
        (hint,) = self.ledger.to_send(self.around.hands.now(), resend_after=60)
        return hint

    def attempt(self, hint: Hint, shells: DoomedShells) -> None:
        """One worker's attempt; a worker that is struck down leaves everything as it stands."""
        engine = replace(self.around.engine(f"worker-{hint.attempt}"), playbooks=PLAYBOOKS, shells=shells)
        self.ledger.fate = shells.fate
        try:
            work(engine, hint)
        except Death:
            self.ledger.fate = Fate()

    def next_hint(self) -> Hint | None:
        """What the roll call finds to do once leases and pauses are over."""
        self.around.hands.move(600)
        now = self.around.hands.now()
        self.ledger.reap(now)
        hints = self.ledger.to_send(now, resend_after=60)
        return hints[0] if hints else None

    def job(self) -> JobRecord:
        (run,) = self.around.runs()
        return run.jobs[0]

    def effects(self) -> dict[str, int]:
        return {path.name: len(path.read_text().splitlines()) for path in (self.folder / "srv").iterdir()}


def whole(folder: Path) -> int:
    """How many writes and commands an undisturbed run has."""
    scene = Scene(folder)
    fate = Fate()
    scene.attempt(scene.ordered(), DoomedShells(fate, folder))
    assert scene.job().state is JobState.SUCCEEDED, scene.job()
    assert scene.effects() == dict.fromkeys(STEPS, 1)
    return fate.count


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("cut", [False, True], ids=["worker-dies", "link-cut"])
def test_interrupted_at_every_single_act_each_change_is_made_once(tmp_path: Path, *, after: bool, cut: bool) -> None:
    (tmp_path / "whole").mkdir()
    acts = whole(tmp_path / "whole")
    assert acts > 25
    offset = 1 + after + 2 * cut  # each of the four looks at other moments: together at every one
    for at in range(offset, acts + 1, 4):
        folder = tmp_path / f"{at}"
        folder.mkdir()
        scene = Scene(folder)
        hint: Hint | None = scene.ordered()
        shells = DoomedShells(Fate(at, after), folder, cut)
        for _ in range(10):
            if hint is None:
                break
            scene.attempt(hint, shells)
            shells = DoomedShells(Fate(), folder)
            hint = scene.next_hint()
        job = scene.job()
        assert job.state is JobState.SUCCEEDED, (at, job.trouble, job.steps)
        assert scene.effects() == dict.fromkeys(STEPS, 1), at


def test_a_zombie_that_wakes_up_starts_nothing_more(tmp_path: Path) -> None:
    """Frozen past its lease, it goes on while another worker has finished: the host and the ledger both refuse it."""
    scene = Scene(tmp_path)
    hint = scene.ordered()
    engine = replace(scene.around.engine("zombie"), playbooks=PLAYBOOKS)
    claim = scene.ledger.claim(hint, "zombie", scene.around.hands.now(), 60)
    assert isinstance(claim, Claim)
    again = scene.next_hint()
    assert again is not None
    scene.attempt(again, DoomedShells(Fate(), tmp_path))
    assert scene.job().state is JobState.SUCCEEDED
    before = scene.effects()
    assert work(replace(engine, shells=DoomedShells(Fate(), tmp_path)), hint) is None
    assert scene.ledger.steps(claim)
    assert scene.effects() == before
    assert timedelta(0) < scene.around.hands.now() - claim.claimed_at
