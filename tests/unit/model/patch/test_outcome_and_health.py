"""What a run came to by the database alone, and what is worse on the host after it."""

from collections.abc import Iterable
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.check import Finding
from ronde.model.patch.health import Health, Load, Mount, Socket, compare
from ronde.model.patch.outcome import judge_outcome
from ronde.model.patch.packages import Change, Database, Entry, Package, State, Transaction
from ronde.model.patch.thresholds import unknown

PLAN = Transaction(
    upgrade=(Change("app", "all", "1", "2"),),
    new_dependencies=(Package("kernel-6", "amd64", "6"),),
    remove=(Package("old", "all", "1"),),
)
BEFORE = Database((
    Entry(Package("app", "all", "1")), Entry(Package("old", "all", "1")), Entry(Package("held", "all", "1"), held=True)
))  # fmt: skip
AFTER = Database((
    Entry(Package("app", "all", "2")), Entry(Package("kernel-6", "amd64", "6")),
    Entry(Package("held", "all", "1"), held=True),
))  # fmt: skip


def rules(findings: Iterable[Finding]) -> list[str]:
    return [one.rule for one in findings]


def with_entry(database: Database, entry: Entry) -> Database:
    others = tuple(one for one in database.entries if one.package.label != entry.package.label)
    return Database((*others, entry))


def test_a_run_that_did_all_of_its_plan_and_nothing_else() -> None:
    outcome = judge_outcome(PLAN, BEFORE, AFTER)
    assert outcome.succeeded
    assert outcome.findings == ()
    assert [package.label for package in outcome.done] == ["app:all", "kernel-6:amd64", "old:all"]


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (with_entry(AFTER, Entry(Package("app", "all", "1"), mark="ii")), "1 (ii)"),
        (with_entry(AFTER, Entry(Package("app", "all", "2"), State.BROKEN, "iF")), "2 (iF)"),
        (Database((*AFTER.entries, Entry(Package("app", "all", "1")))), "1 is still installed beside it"),
        (Database(tuple(one for one in AFTER.entries if one.package.name != "app")), "not installed"),
    ],
)
def test_a_planned_package_is_at_its_version_and_whole_or_it_failed(after: Database, found: str) -> None:
    outcome = judge_outcome(PLAN, BEFORE, after)
    assert [(miss.label, miss.meant, miss.found) for miss in outcome.failed] == [("app:all", "2", found)]
    assert not outcome.succeeded
    assert rules(outcome.findings) == ["patch-package-failed"]


def test_what_should_have_gone_and_stayed_has_failed() -> None:
    outcome = judge_outcome(PLAN, BEFORE, with_entry(AFTER, Entry(Package("old", "all", "1"))))
    assert [miss.label for miss in outcome.failed] == ["old:all"]


def test_what_was_not_planned_is_told_and_what_it_broke_is_a_failure() -> None:
    more = with_entry(AFTER, Entry(Package("extra", "all", "9")))
    outcome = judge_outcome(PLAN, BEFORE, more)
    assert outcome.succeeded
    assert rules(outcome.findings) == ["patch-unplanned"]
    broken = with_entry(AFTER, Entry(Package("held", "all", "1"), State.BROKEN, "hF", held=True))
    assert not judge_outcome(PLAN, BEFORE, broken).succeeded


@pytest.mark.parametrize("held", [True, False])
def test_holds_are_the_same_after_as_before(*, held: bool) -> None:
    other = Entry(Package("app", "all", "2"), held=True) if held else Entry(Package("held", "all", "1"))
    outcome = judge_outcome(PLAN, BEFORE, with_entry(AFTER, other))
    assert not outcome.succeeded
    assert rules(outcome.findings) == ["patch-holds-changed"]


@pytest.mark.parametrize("missing", [None, unknown("patch-timed-out", "It did not answer.")])
def test_without_both_databases_nothing_is_known(missing: Finding | None) -> None:
    for outcome in (judge_outcome(PLAN, missing, AFTER), judge_outcome(Transaction(), BEFORE, missing)):
        assert not outcome.succeeded
        assert rules(outcome.findings) == ["patch-outcome-unknown"]


HEALTH = Health(
    frozenset({"old-trouble.service"}),
    frozenset({Socket("tcp", "127.0.0.1", 443), Socket("udp", "192.0.2.1", 40000)}),
    (Mount("/", "ext4", 1000, 300), Mount("/srv", "xfs", 1000, 300)),
    Load(1.0, 2),
)


def test_a_host_that_is_as_it_was_is_well() -> None:
    assert compare(HEALTH, HEALTH) == ()


@pytest.mark.parametrize(
    ("after", "spoken"),
    [
        (replace(HEALTH, units=frozenset()), []),
        (replace(HEALTH, units=frozenset({"old-trouble.service", "nginx.service"})), ["patch-unit-failed critical"]),
        (replace(HEALTH, sockets=frozenset({Socket("udp", "192.0.2.1", 40000)})), ["patch-port-closed critical"]),
        (replace(HEALTH, sockets=frozenset({Socket("tcp", "127.0.0.1", 443)})), ["patch-port-closed warning"]),
        (replace(HEALTH, sockets=frozenset({Socket("tcp", "*", 443), Socket("udp", "192.0.2.1", 40000)})), []),
        (replace(HEALTH, mounts=HEALTH.mounts[:1]), ["patch-mount-gone critical"]),  # type: ignore[index] # a tuple
        (replace(HEALTH, mounts=(Mount("/", "ext4", 1000, 49), HEALTH.mounts[1])), ["patch-disk-low warning"]),  # type: ignore[index] # the same
        (replace(HEALTH, load=Load(4.1, 2)), ["patch-load-high warning"]),
        (replace(HEALTH, load=Load(4.0, 2)), []),
    ],
)
def test_after_must_be_at_least_as_good_as_before(after: Health, spoken: list[str]) -> None:
    assert [f"{one.rule} {one.severity}" for one in compare(HEALTH, after)] == spoken


@given(st.sampled_from([field.name for field in fields(Health)]), st.booleans(), st.booleans())
def test_what_was_not_read_is_unknown_and_never_equal(name: str, first: bool, asked: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    blind = replace(HEALTH, **{name: unknown("patch-timed-out", "It did not answer.") if asked else None})
    pair = (blind, HEALTH) if first else (HEALTH, blind)
    assert [f"{one.rule} {one.severity}" for one in compare(*pair)] == ["patch-health-unknown unknown"]
