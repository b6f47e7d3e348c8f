"""Four eyes: which runs wait, and that no order of events gets round the second pair."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.approvals import (
    APPROVAL_CHANGES,
    APPROVAL_OPEN,
    DESTRUCTIVE,
    Answer,
    Approval,
    ApprovalEvent,
    ApprovalRequest,
    ApprovalState,
    Decision,
    approval_sources,
    change_approval,
    decide,
    lapse,
    needs_approval,
    unusable,
    use,
)
from ronde.model.errors import NotAllowed
from ronde.model.inventory import ApprovalRule, Risk, TechnicianEntry
from ronde.model.people import Technician, technician_of
from ronde.model.run import IllegalChange

START = datetime(2026, 11, 27, 20, tzinfo=UTC)
HOURS = timedelta(hours=1)
PLAN, OTHER_PLAN = "a" * 64, "b" * 64
PEOPLE: dict[str, tuple[list[str], object]] = {
    "alice": (["operate", "approve"], "all"),  # who orders
    "bob": (["operate"], "all"),
    "carol": (["approve"], ["commune"]),  # one of the two clients
    "dave": (["approve"], "all"),
    "root": (["admin"], "all"),
    "erin": (["look", "approve"], ["commune", "ecole"]),
}
FIT = {"dave", "root", "erin"}


def person(login: str) -> Technician:
    declared = {
        name: TechnicianEntry.model_validate({"name": name, "email": "x@coop.example", "roles": r, "clients": c})
        for name, (r, c) in PEOPLE.items()
    }
    return technician_of(declared, login)


def asked(by: str = "alice", **fields: Any) -> Approval:
    values: dict[str, Any] = {"clients": frozenset({"commune", "ecole"}), "plan_digest": PLAN, **fields}
    return Approval(ApprovalRequest("8f2c" * 8, values.pop("plan_digest"), by, START, START + 24 * HOURS, **values))


YES, NO = Answer(approve=True, plan_digest=PLAN), Answer(approve=False, plan_digest=PLAN, reason="not tonight")


# -- which runs wait


def rule(**fields: object) -> ApprovalRule:
    return ApprovalRule.model_validate(fields)


RULES = (
    rule(playbook="patch/*", clients=["commune"], why="agreement of the client"),
    rule(risk="change", hosts="tag:dc"),
)


@pytest.mark.parametrize(
    ("playbook", "risk", "client", "tags", "reason"),
    [
        ("backup/check", "read", "commune", (), None),
        ("patch/all", "change", "commune", (), "agreement of the client"),
        ("patch/all", "read", "commune", (), None),
        ("patch/all", "change", "ecole", (), None),
        ("patch/all", "change", "ecole", ("dc", "web"), "a rule in provider.yml asks for it (risk change, tag:dc)"),
        ("adhoc/service", "change", "ecole", ("web",), None),
        ("adhoc/service", "read", "ecole", ("dc",), None),
        ("vsphere/revert", "destructive", "ecole", (), DESTRUCTIVE),
        ("patch/revert", "destructive", "commune", (), f"{DESTRUCTIVE}; agreement of the client"),
    ],
)
def test_which_runs_wait(playbook: str, risk: Risk, client: str, tags: tuple[str, ...], reason: str | None) -> None:
    assert needs_approval(playbook, risk, client, tags, RULES) == reason


def test_what_only_reads_waits_only_where_a_rule_says_read() -> None:
    for broad in (rule(clients="all"), rule(playbook="*/*"), rule(risk="change")):
        assert needs_approval("backup/check", "read", "commune", ("dc",), [broad]) is None
        assert needs_approval("patch/all", "change", "commune", ("dc",), [broad])
    assert needs_approval("backup/check", "read", "commune", (), [rule(playbook="backup/*", risk="read")])


rules = st.builds(
    rule,
    playbook=st.sampled_from(["patch/*", "*/*", "backup/check"]),
    clients=st.sampled_from(["all", ["commune"], ["ecole"]]),
    risk=st.sampled_from(["read", "change", "destructive"]),
    hosts=st.sampled_from([[], ["tag:dc"], ["tag:dc", "tag:db"]]),
)
targets = st.tuples(
    st.sampled_from(["patch/all", "backup/check", "vsphere/revert"]),
    st.sampled_from(["read", "change", "destructive"]),
    st.sampled_from(["commune", "ecole"]),
    st.sets(st.sampled_from(["dc", "db", "web"])),
)


@given(targets, st.lists(rules, max_size=4), rules)
def test_one_more_rule_never_lets_a_run_go_that_waited(
    target: Any, some: list[ApprovalRule], one: ApprovalRule
) -> None:
    playbook, risk, client, tags = target
    if needs_approval(playbook, risk, client, tags, some):
        assert needs_approval(playbook, risk, client, tags, [*some, one])
    if risk == "destructive":
        assert needs_approval(playbook, risk, client, tags, some)


@given(targets, st.lists(rules, max_size=4))
def test_a_riskier_run_waits_wherever_a_lesser_one_does(target: Any, some: list[ApprovalRule]) -> None:
    playbook, risk, client, tags = target
    if risk == "read" and needs_approval(playbook, "read", client, tags, some):
        assert needs_approval(playbook, "change", client, tags, some)


# -- the table


@given(st.sampled_from(ApprovalState), st.sampled_from(ApprovalEvent))
def test_a_change_is_legal_exactly_when_the_table_has_it(state: ApprovalState, event: ApprovalEvent) -> None:
    if state in approval_sources(event):
        assert change_approval(state, event) is APPROVAL_CHANGES[state, event]
    else:
        with pytest.raises(IllegalChange, match=state.value):
            change_approval(state, event)


def test_what_is_decided_against_over_or_used_never_changes_again() -> None:
    assert {state for state, _ in APPROVAL_CHANGES} == APPROVAL_OPEN
    assert {state for state, event in APPROVAL_CHANGES if event is ApprovalEvent.USE} == {ApprovalState.APPROVED}


# -- deciding


def test_a_second_technician_approves_and_the_run_starts_once() -> None:
    approved = decide(asked(), person("dave"), START + HOURS, YES)
    assert (approved.state, approved.decision) == (ApprovalState.APPROVED, Decision(YES, "dave", START + HOURS))
    assert unusable(approved, PLAN, START + 2 * HOURS) == ""
    used = use(approved, PLAN, START + 2 * HOURS)
    assert used.state is ApprovalState.USED
    with pytest.raises(NotAllowed, match="was approved and started by dave"):
        use(used, PLAN, START + 3 * HOURS)


@pytest.mark.parametrize(
    ("approval", "by", "at", "answer", "words"),
    [
        (asked(), "alice", 1, YES, "alice ordered run 8f2c8f2c and cannot decide on it; a second technician does"),
        (asked(), "alice", 1, NO, "To withdraw it: ronde cancel 8f2c8f2c"),
        (asked("root"), "root", 1, YES, "root ordered run"),
        (asked(), "bob", 1, YES, "bob may not approve run 8f2c8f2c: roles and clients stand in provider.yml"),
        (asked(), "carol", 1, YES, "carol may not approve run 8f2c8f2c: roles and clients stand in provider.yml"),
        (asked(), "mallory", 1, YES, "mallory is not among the technicians"),
        (asked(), "dave", 24, YES, "expired 28 Nov 20:00 UTC; order it again"),
        (asked(), "dave", 1, replace(YES, plan_digest=OTHER_PLAN), "is not the one that approval was asked for"),
        (
            decide(asked(), person("erin"), START, YES),
            "dave",
            1,
            NO,
            "was approved by erin 27 Nov 20:00 UTC; nothing is",
        ),
        (decide(asked(), person("erin"), START, NO), "dave", 1, YES, "was refused by erin"),
        (lapse(asked(), START + 24 * HOURS), "dave", 1, YES, "expired"),
    ],
)
def test_who_may_not_decide_is_told_why(approval: Approval, by: str, at: int, answer: Answer, words: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        decide(approval, person(by), START + at * HOURS, answer)
    assert words in str(refused.value)
    assert "ecole" not in str(refused.value), "carol does not learn whose else the run is"


def test_where_nobody_is_declared_nobody_approves() -> None:
    with pytest.raises(NotAllowed, match="an approval needs two of them"):
        decide(asked(), technician_of({}, "dave"), START, YES)


def test_nothing_stored_is_believed() -> None:
    """A row that somebody wrote by hand: approved by the requester, for another plan, or by nobody."""
    forged = replace(asked(), state=ApprovalState.APPROVED)
    assert "no second technician's" in unusable(forged, PLAN, START)
    assert "no second technician's" in unusable(replace(forged, decision=Decision(YES, "alice", START)), PLAN, START)
    assert "no second technician's" in unusable(replace(forged, decision=Decision(NO, "dave", START)), PLAN, START)
    another = Decision(replace(YES, plan_digest=OTHER_PLAN), "dave", START)
    assert "not the one" in unusable(replace(forged, decision=another), PLAN, START)
    assert unusable(replace(forged, decision=Decision(YES, "dave", START)), PLAN, START) == ""


def test_what_waits_says_what_to_type() -> None:
    assert unusable(asked(), PLAN, START) == "Run 8f2c8f2c waits for a second technician: ronde approve 8f2c8f2c"


@pytest.mark.parametrize("fields", [{"clients": frozenset()}, {"plan_digest": ""}])
def test_a_request_that_binds_nothing_cannot_be_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="names its clients and its plan"):
        asked(**fields)


# -- every order of events


@dataclass
class Night:
    """A request as the ledger would hold it, a clock, and what happened."""

    approval: Approval = field(default_factory=asked)
    now: datetime = START
    starts: list[tuple[str, datetime]] = field(default_factory=list)

    def step(self, action: tuple[str, ...]) -> None:
        """Do one thing; or be refused it."""
        with suppress(NotAllowed):
            self._do(*action)
        self.hold()

    def _do(self, what: str, *words: str) -> None:
        match what:
            case "wait":
                self.now += int(words[0]) * HOURS
            case "lapse":
                self.approval = lapse(self.approval, self.now)
            case "start":
                self.approval = use(self.approval, words[0], self.now)
                self.starts.append((words[0], self.now))
            case _:
                answer = Answer(approve=what == "approve", plan_digest=words[1])
                self.approval = decide(self.approval, person(words[0]), self.now, answer)

    def hold(self) -> None:
        """What must be true after each step."""
        request, decision = self.approval.request, self.approval.decision
        assert len(self.starts) <= 1
        for plan, at in self.starts:
            assert plan == request.plan_digest
            assert request.requested_at <= at < request.expires_at
            assert decision is not None
            assert decision.answer.approve
            assert decision.at <= at
        if decision is not None:
            assert decision.by in FIT
            assert decision.by != request.requested_by
            assert decision.answer.plan_digest == request.plan_digest
            assert decision.at < request.expires_at
        if self.now >= request.expires_at:
            assert unusable(self.approval, request.plan_digest, self.now)


ACTIONS: list[tuple[str, ...]] = [
    *product(("approve", "refuse"), (*PEOPLE, "mallory"), (PLAN, OTHER_PLAN)),
    *product(("start",), (PLAN, OTHER_PLAN)),
    ("lapse",),
    *product(("wait",), ("1", "23", "24")),
]


@given(st.lists(st.sampled_from(ACTIONS), max_size=14))
def test_no_order_of_events_starts_a_run_without_a_second_technician(actions: list[tuple[str, ...]]) -> None:
    night = Night()
    for action in actions:
        night.step(action)


def test_every_short_order_of_events() -> None:
    """All of them, as far as they differ: what a state and a time have in common is gone on from once."""
    nights = [Night()]
    for _ in range(4):
        grown: dict[object, Night] = {}
        for night, action in product(nights, ACTIONS):
            next_ = replace(night, starts=list(night.starts))
            next_.step(action)
            grown[next_.approval, next_.now, tuple(next_.starts)] = next_
        nights = list(grown.values())
    assert {night.approval.state for night in nights} == set(ApprovalState)
    assert any(night.starts for night in nights)


def test_an_approval_that_waits_past_its_end_starts_nothing() -> None:
    approved = decide(asked(), person("dave"), START + 23 * HOURS, YES)
    assert unusable(approved, PLAN, START + 24 * HOURS - timedelta(microseconds=1)) == ""
    with pytest.raises(NotAllowed, match="expired"):
        use(approved, PLAN, START + 24 * HOURS)
    assert lapse(approved, START + 24 * HOURS).state is ApprovalState.EXPIRED
