"""The course of a host through its phases, whatever each comes to, whoever dies on the way, whoever wants it stopped.

The phases are played; the ledger, the engine and the table of what follows from what are those of the product.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ronde.adapters.files.playbooks import load_playbooks
from ronde.engine.ordering import Request, order
from ronde.engine.patching import transaction
from ronde.engine.patching.course import Course
from ronde.engine.work import work
from ronde.model.errors import CommandTimeout, ConnectionLost, InputError, RondeError, SecretError, VCenterUnreachable
from ronde.model.patch.transaction import DOING, FINAL, PATCH_CHANGES, UNTOUCHED, PatchEvent, PatchState, change_patch
from ronde.model.procedure import StepState
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from ronde.ports import Hint
from tests.doubles.engine import CLIENT, SCOPE, FlakyLedger, Surroundings, client, inventory
from tests.doubles.shell import ScriptedShells

PLAYBOOKS = load_playbooks(Path(__file__).resolve().parents[4] / "playbooks")
S, E = PatchState, PatchEvent
PHASES = {state for state, _ in PATCH_CHANGES}
GOOD = {
    S.AUDITING: E.PLAN, S.PLANNED: E.APPROVE, S.GUARDING: E.PASS, S.PRECHECKING: E.PASS, S.SNAPSHOT_DUE: E.SKIP,
    S.SNAPSHOTTING: E.SUCCEED, S.PATCH_DUE: E.BEGIN, S.PATCHING: E.SUCCEED, S.REBOOT_DUE: E.SKIP,
    S.REBOOTING: E.SUCCEED, S.CHECKING: E.PASS, S.PROBING: E.PASS, S.REVERT_DUE: E.DECLINE, S.REVERTING: E.SUCCEED,
}  # fmt: skip


class Death(BaseException):
    """kill -9: nothing may catch it."""


class MortalLedger(FlakyLedger):
    """A ledger whose writers die at some of their writes, before or after them."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.deaths: dict[int, bool] = {}

    def keep_step(self, *arguments: Any) -> bool:
        self.writes += 1
        after = self.deaths.get(self.writes)
        if after is False:
            raise Death
        kept = super().keep_step(*arguments)
        if after:
            raise Death
        return kept


@dataclass
class Play:
    """A run whose phases come to what a test says.

    Attributes:
        script: what each phase comes to: an event, or an error that it meets.
        played: the phases in the order in which they were entered, with the events on record at that moment.
    """

    script: dict[PatchState, PatchEvent | RondeError]
    ledger: MortalLedger = field(default_factory=MortalLedger)
    played: list[tuple[PatchState, list[str]]] = field(default_factory=list)
    meanwhile: Callable[[PatchState], None] = lambda _state: None
    run: str = ""

    def __post_init__(self) -> None:
        self.around = Surroundings(ledger=self.ledger)
        host = {"address": "192.0.2.1", "user": "root", "key": "file:///k"}
        windows = {"always": {"at": "00:00-24:00"}}
        self.around.inventories.inventory = inventory(client(hosts={"srv": host}, windows=windows))
        self.engine = replace(self.around.engine(), playbooks=PLAYBOOKS, shells=ScriptedShells({"srv": {}}))

    def phases(self) -> dict[PatchState, Callable[[Course], PatchEvent]]:
        return {state: self._phase(state) for state in PHASES}

    def _phase(self, state: PatchState) -> Callable[[Course], PatchEvent]:
        def play(course: Course) -> PatchEvent:
            assert course.state is state
            (record,) = self.ledger.steps(course.stage.job.claim)  # what another worker would find now
            self.played.append((state, list(record.journal.get("events", ()))))  # type: ignore[arg-type]  # texts
            self.meanwhile(state)
            outcome = self.script[state]
            if isinstance(outcome, RondeError):
                raise outcome
            if state is S.REBOOTING:
                gone = outcome is E.FAIL
                course.note(boot_before="1" * 36, **({"back": False} if gone else {"boot_now": "2" * 36}))
            if state is S.REVERTING and outcome is E.SUCCEED:
                course.note(back=True)
            return outcome

        return play

    def do(self) -> JobRecord:
        """Order it and work on it, attempt after attempt, until it has ended."""
        asked = Request("patch/linux", [CLIENT], ["srv"], "alice", overrides=("backup",), reason="a play")
        self.run = order(self.engine, asked)
        while (hint := self._next()) is not None:
            try:
                work(self.engine, hint)
            except Death:
                continue
        (found,) = self.around.runs()
        return found.jobs[0]

    def _next(self) -> Hint | None:
        self.around.hands.move(600)
        now = self.around.hands.now()
        self.ledger.reap(now)
        hints = self.ledger.to_send(now, resend_after=60)
        return hints[0] if hints else None


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Play]:
    def made(**changes: PatchEvent | RondeError) -> Play:
        one = Play({**GOOD, **{S[name]: event for name, event in changes.items()}})
        monkeypatch.setattr(transaction, "PHASES", one.phases())
        return one

    return made


def end_of(script: dict[PatchState, PatchEvent]) -> PatchState:
    state = S.AUDITING
    while state not in FINAL:
        state = change_patch(state, script[state])
    return state


def told(job: JobRecord) -> tuple[JobState, StepState, object]:
    (step,) = job.steps
    return job.state, step.state, step.facts.get("state")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (JobState.SUCCEEDED, StepState.DONE, "kept")),
        ({"AUDITING": E.NOTHING}, (JobState.SUCCEEDED, StepState.DONE, "nothing_to_do")),
        ({"PLANNED": E.REFUSE}, (JobState.FAILED, StepState.FAILED, "refused")),
        ({"SNAPSHOT_DUE": E.BEGIN, "SNAPSHOTTING": E.FAIL}, (JobState.FAILED, StepState.FAILED, "abandoned")),
        ({"PATCHING": E.LOSE}, (JobState.NEEDS_HUMAN, StepState.UNCLEAR, "needs_human")),
        # What is wrong with the host is known, and a person decides: that is a failure, and nothing is unclear.
        ({"PATCHING": E.FAIL}, (JobState.FAILED, StepState.FAILED, "needs_human")),
        ({"PROBING": E.WORSE, "REVERT_DUE": E.BEGIN}, (JobState.FAILED, StepState.FAILED, "reverted")),
        (
            {"PROBING": E.WORSE, "REVERT_DUE": E.BEGIN, "REVERTING": E.FAIL},
            (JobState.NEEDS_HUMAN, StepState.UNCLEAR, "needs_human"),
        ),
    ],
)
def test_each_end_is_told_for_what_it_is(
    play: Callable[..., Play], changes: dict[str, PatchEvent], expected: tuple[JobState, StepState, str]
) -> None:
    assert told(play(**changes).do()) == expected


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "unreachable"),
        ({"REVERT_DUE": E.BEGIN}, "step-failed"),  # the snapshot brought it back
        ({"REBOOTING": E.SUCCEED, "CHECKING": E.WORSE}, "step-failed"),
    ],
)
def test_a_host_that_stays_away_after_its_reboot_is_unreachable(
    play: Callable[..., Play], changes: dict[str, PatchEvent], code: str
) -> None:
    job = play(**{"REBOOT_DUE": E.BEGIN, "REBOOTING": E.FAIL, **changes}).do()
    assert (job.state, job.trouble and job.trouble.code) == (JobState.FAILED, code)


SCRIPTS = st.fixed_dictionaries(
    {
        state: st.sampled_from([event for one, event in PATCH_CHANGES if one is state and event is not E.STOP])
        for state in PHASES
    }
)
DEATHS = st.dictionaries(st.integers(1, 25), st.booleans(), max_size=2)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCRIPTS, DEATHS)
def test_whoever_dies_every_phase_finds_its_past_on_record_and_each_way_has_one_end(
    monkeypatch: pytest.MonkeyPatch, script: dict[PatchState, PatchEvent], deaths: dict[int, bool]
) -> None:
    one = Play(dict(script))
    one.ledger.deaths = deaths
    with monkeypatch.context() as patched:
        patched.setattr(transaction, "PHASES", one.phases())
        job = one.do()
    for state, events in one.played:
        way = S.AUDITING
        for event in events:
            way = change_patch(way, E(event))
        assert way is state  # nothing is begun of which the record does not say so first
        if state in DOING:
            assert events[-1] == E.BEGIN
    assert len(job.steps) == 1
    assert job.state in (JobState.SUCCEEDED, JobState.FAILED, JobState.NEEDS_HUMAN)
    if job.steps[0].ended:
        assert job.steps[0].facts["state"] == end_of(script)


@pytest.mark.parametrize("state", sorted(UNTOUCHED))
def test_a_wish_to_stop_leaves_an_untouched_host_as_it_is(play: Callable[..., Play], state: PatchState) -> None:
    one = play(SNAPSHOT_DUE=E.BEGIN)

    def wish(now: PatchState) -> None:
        if now is state:
            one.ledger.cancel_run(SCOPE, one.run, "alice", one.around.hands.now())
            one.engine.holding.beat()

    one.meanwhile = wish
    job = one.do()
    after = change_patch(state, one.script[state])  # type: ignore[arg-type]  # no error is played
    if after in UNTOUCHED:
        assert one.played[-1][0] is state
        assert job.state is JobState.CANCELLED
    else:  # the act had begun: it is brought to its end
        assert one.played[-1][0] is not state


@pytest.mark.parametrize(
    ("error", "state", "job"),
    [
        (ConnectionLost("gone"), "GUARDING", JobState.FAILED),
        (ConnectionLost("gone"), "PATCHING", JobState.NEEDS_HUMAN),
        (VCenterUnreachable("gone"), "SNAPSHOT_DUE", JobState.FAILED),
        (SecretError("no such secret"), "SNAPSHOT_DUE", JobState.FAILED),
        (CommandTimeout("too long"), "PRECHECKING", JobState.FAILED),
        (CommandTimeout("too long"), "CHECKING", JobState.NEEDS_HUMAN),
        (InputError("the machine vanished"), "PATCHING", JobState.NEEDS_HUMAN),
    ],
)
def test_what_stays_away_is_told_by_how_far_the_host_had_come(
    play: Callable[..., Play], error: RondeError, state: str, job: JobState
) -> None:
    one = play(**{state: error})
    found = one.do()
    assert found.state is job
    if job is JobState.FAILED:
        assert "nothing was done" in found.steps[0].reason
    passing = not error.permanent and not isinstance(error, CommandTimeout)
    assert found.attempt == (3 if passing else 1)


def test_what_comes_back_goes_on_where_it_was(play: Callable[..., Play]) -> None:
    one = play(PATCHING=ConnectionLost("gone"))

    def back(state: PatchState) -> None:
        if len([1 for played, _ in one.played if played is S.PATCHING]) == 2:
            one.script[S.PATCHING] = E.SUCCEED

    one.meanwhile = back
    assert told(one.do())[0] is JobState.SUCCEEDED
    assert [state for state, _ in one.played].count(S.PATCH_DUE) == 1
