"""Each patch rule from both sides, and no evidence that is taken away ever makes a verdict better."""

from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.check import Finding
from ronde.model.patch.audit import (
    Audit,
    Integrity,
    Leftovers,
    Manager,
    Memory,
    Metadata,
    OldServices,
    Release,
    RepositoryFault,
)
from ronde.model.patch.conclusion import decide_audit, judge_release, memory_json, recall, remember
from ronde.model.patch.packages import (
    Change,
    Database,
    Entry,
    Kept,
    KeptReason,
    Package,
    Pending,
    Simulation,
    State,
    Transaction,
    transaction_from_json,
    transaction_json,
)
from ronde.model.patch.policy import Policy, Scope, compare_plans, objections, plan_findings, select
from ronde.model.patch.reboot import Signal, reboot_needed
from ronde.model.patch.thresholds import RULES, finding, unknown
from ronde.model.verdict import Severity, Verdict

NOW = datetime(2026, 11, 27, 22, tzinfo=UTC)
NO_REBOOT = Signal("kernel", needed=False, reason="The newest kernel runs.")
FIX = Pending("openssl", "amd64", "3.0", "3.1", security=True)
PLAIN = Pending("nano", "amd64", "7.1", "7.2", security=False)
GOOD = Audit(
    Manager("apt", (2, 6, 1)),
    Release("debian", "12", "Debian 12", date(2028, 6, 30)),
    Metadata(3, NOW),
    Simulation(),
    Database((Entry(Package("dpkg", "amd64", "1")),)),
    Integrity(),
    (NO_REBOOT,),
    OldServices(),
    Leftovers(),
)


def told(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.rule, str(one.severity)) for one in findings]


def spoken(audit: Audit, memory: Memory | None = None) -> list[tuple[str, str]]:
    return told(decide_audit(audit, memory or Memory(), NOW).findings)


def waiting(*pending: Pending, kept: tuple[Kept, ...] = ()) -> Audit:
    return replace(GOOD, simulation=Simulation(pending=pending, kept=kept))


def test_every_rule_has_a_threshold_and_a_source_and_stands_once() -> None:
    assert all(rule.when and rule.source and rule.id.startswith("patch-") for rule in RULES)
    assert len({rule.id for rule in RULES}) == len(RULES)
    with pytest.raises(KeyError):
        finding("patch-invented", Severity.INFO, "")


def test_a_host_in_order_is_ok_and_says_how_much_waits() -> None:
    conclusion = decide_audit(GOOD, Memory(), NOW)
    assert (conclusion.verdict, conclusion.findings) == (Verdict.OK, ())
    assert conclusion.facts["pending"] == 0


@given(st.sampled_from([field.name for field in fields(Audit)]), st.booleans(), st.data())
def test_no_answer_can_be_taken_away_and_leave_a_better_verdict(name: str, asked: bool, data: st.DataObject) -> None:  # noqa: FBT001 - drawn by hypothesis
    audit = data.draw(st.sampled_from([GOOD, waiting(FIX, PLAIN)]))
    gone: Any = unknown("patch-timed-out", "It did not answer.") if asked else None
    if name == "reboot":
        gone = (gone,) if asked else ()
    poorer = replace(audit, **{name: gone})
    before, after = (decide_audit(one, Memory(), NOW).verdict for one in (audit, poorer))
    assert after.rank >= max(before.rank, Verdict.UNKNOWN.rank)


@pytest.mark.parametrize(
    ("metadata", "rule"),
    [
        (Metadata(0, NOW), "patch-no-repository"),
        (Metadata(3, NOW, (RepositoryFault("r", "gone"),)), "patch-repository-failed"),
        (Metadata(3, NOW, (RepositoryFault("r", "changed", release_changed=True),)), "patch-release-changed"),
        (Metadata(3, None), "patch-metadata-old"),
        (Metadata(3, NOW - timedelta(hours=49)), "patch-metadata-old"),
        (Metadata(3, NOW + timedelta(hours=1)), "patch-metadata-old"),
    ],
)
def test_without_current_metadata_nothing_pending_is_not_said(metadata: Metadata, rule: str) -> None:
    conclusion = decide_audit(replace(GOOD, metadata=metadata), Memory(), NOW)
    assert told(conclusion.findings) == [(rule, "unknown")]
    assert conclusion.verdict is Verdict.UNKNOWN
    assert conclusion.level is None
    assert "pending" not in conclusion.facts


def test_metadata_of_two_days_is_still_good() -> None:
    assert spoken(replace(GOOD, metadata=Metadata(3, NOW - timedelta(hours=48)))) == []


@pytest.mark.parametrize(
    ("days", "severity"), [(0, "info"), (7, "info"), (7.01, "warning"), (14, "warning"), (14.01, "critical")]
)
def test_how_long_a_security_update_may_wait(days: float, severity: str) -> None:
    memory = Memory({"openssl:amd64 3.0": NOW - timedelta(days=days)})
    assert spoken(waiting(FIX), memory) == [("patch-security-pending", severity)]


def test_a_newer_offer_does_not_make_the_hole_younger_and_a_lost_night_forgets_nothing() -> None:
    then = NOW - timedelta(days=20)
    first = remember(replace(waiting(FIX), metadata=Metadata(3, then)), Memory(), then)
    dead = replace(GOOD, metadata=Metadata(3, None), simulation=Simulation(), reboot=())
    later = remember(dead, first, NOW - timedelta(days=10))
    again = waiting(replace(FIX, candidate="3.2"))
    assert spoken(again, recall(memory_json(later))) == [("patch-security-pending", "critical")]
    assert remember(GOOD, later, NOW).security_since == {}


def test_updates_that_nobody_calls_anything_are_not_taken_for_harmless() -> None:
    assert spoken(waiting(replace(PLAIN, security=None))) == [("patch-security-unknown", "unknown")]
    assert spoken(waiting(PLAIN)) == [("patch-updates-pending", "info")]


def test_what_stays_behind_and_why() -> None:
    held, phased = Kept(FIX.label, KeptReason.HELD), Kept(PLAIN.label, KeptReason.PHASED)
    rules = spoken(waiting(FIX, PLAIN, kept=(held, phased)))
    assert ("patch-kept-back", "warning") in rules
    assert ("patch-phased", "info") in rules
    assert ("patch-kept-back", "warning") not in spoken(waiting(PLAIN, kept=(Kept(PLAIN.label, KeptReason.HELD),)))


def test_each_witness_of_a_broken_database_is_believed_by_itself() -> None:
    broken = Database((*GOOD.database.entries, Entry(Package("x", "all", "1"), State.BROKEN, "iF")))  # type: ignore[union-attr] # it is one
    for audit, rule in (
        (replace(GOOD, database=broken), "patch-broken-package"),
        (replace(GOOD, integrity=Integrity(journal=("0000",))), "patch-interrupted"),
        (replace(GOOD, integrity=Integrity(audit=("x",))), "patch-broken-package"),
        (replace(GOOD, integrity=Integrity(unmet=("x: Depends: y",))), "patch-broken-dependencies"),
    ):
        assert spoken(audit) == [(rule, "critical")]
    at_work = replace(GOOD, database=broken, integrity=unknown("patch-locked", "apt works."))
    assert {severity for _, severity in spoken(at_work)} == {"unknown"}


@pytest.mark.parametrize(
    ("day", "rules"),
    [
        (date(2026, 11, 26), [("patch-end-of-life", "critical")]),
        (date(2026, 11, 27), [("patch-end-of-life", "warning")]),
        (date(2027, 2, 24), [("patch-end-of-life", "warning")]),
        (date(2027, 2, 28), []),
        (None, [("patch-release-unknown", "unknown")]),
    ],
)
def test_the_end_of_a_release(day: date | None, rules: list[tuple[str, str]]) -> None:
    assert told(judge_release(Release("debian", "12", "Debian 12", day), NOW)) == rules


YES, NO = Signal("a", needed=True, reason="Yes."), Signal("b", needed=False, reason="No.")
SILENT, UNSETTLED = Signal("c", None, "Cannot tell."), replace(NO, settles=False)


@pytest.mark.parametrize(
    ("signals", "needed"),
    [
        ((), None),
        ((YES, NO, SILENT), True),
        ((SILENT,), None),
        ((UNSETTLED,), None),
        ((UNSETTLED, SILENT), None),
        ((SILENT, NO), False),
        ((UNSETTLED, NO), False),
    ],
)
def test_a_reboot_is_not_needed_only_if_somebody_could_have_said_so(
    signals: tuple[Signal, ...],
    needed: bool | None,  # noqa: FBT001 - a table of cases
) -> None:
    assert reboot_needed(signals).needed is needed


def test_a_pending_reboot_grows_worse() -> None:
    audit = replace(GOOD, reboot=(YES,))
    assert spoken(audit) == [("patch-reboot-pending", "warning")]
    assert spoken(audit, Memory(reboot_since=NOW - timedelta(days=15))) == [("patch-reboot-pending", "critical")]


def test_old_programs_and_files_left_are_told() -> None:
    audit = replace(GOOD, services=OldServices(("ssh.service",)), leftovers=Leftovers(("/etc/a.dpkg-dist",)))
    assert spoken(audit) == [("patch-services-old", "warning"), ("patch-config-left", "info")]


def test_what_a_policy_takes_and_why_it_leaves_the_rest() -> None:
    untold, kernel = replace(PLAIN, name="docker-ce", security=None), replace(FIX, name="linux-image-amd64")
    simulated = Simulation(pending=(FIX, PLAIN, untold, kernel), kept=(Kept("openssl:amd64", KeptReason.HELD),))
    everything = select(simulated, Policy(exclude=("linux-*",)))
    assert [one.name for one in everything.wanted] == ["docker-ce", "nano"]
    assert {one.name: one.reason for one in everything.left} == {
        "linux-image-amd64:amd64": KeptReason.EXCLUDED,
        "openssl:amd64": KeptReason.HELD,
    }
    security = select(replace(simulated, kept=()), Policy(Scope.SECURITY))
    assert [one.name for one in security.wanted] == ["linux-image-amd64", "openssl"]
    assert "do not say" in next(one.detail for one in security.left if one.name.startswith("docker"))


def test_what_goes_beyond_the_policy_stops_for_approval() -> None:
    harmless = Transaction(new_dependencies=(Package("linux-image-6.1.0-35-amd64", "amd64", "1"),))
    assert objections(harmless, Policy()) == ()
    for transaction in (
        Transaction(remove=(Package("x", "all", "1"),)),
        Transaction(new_dependencies=(Package("x", "all", "1"),)),
        Transaction(downgrade=(Change("x", "all", "2", "1"),)),
        Transaction(upgrade=(Change("mysql-server", "all", "1", "2"),)),
    ):
        assert told(objections(transaction, Policy(exclude=("mysql-*",)))) == [("patch-needs-approval", "critical")]
    assert objections(Transaction(remove=(Package("x", "all", "1"),)), Policy(removals=("x",))) == ()


NAMES = st.sampled_from(["a", "b", "c"])
PACKAGES = st.lists(st.builds(Package, NAMES, st.just("all"), st.sampled_from(["1", "2"])), max_size=3).map(tuple)
CHANGES = st.lists(st.builds(Change, NAMES, st.just("all"), st.just("1"), st.just("2")), max_size=3).map(tuple)
TRANSACTIONS = st.builds(Transaction, PACKAGES, CHANGES, PACKAGES, PACKAGES, CHANGES)


@given(TRANSACTIONS)
def test_a_transaction_has_one_form_whatever_order_it_was_told_in(transaction: Transaction) -> None:
    turned = Transaction(**{part.name: getattr(transaction, part.name)[::-1] * 2 for part in fields(Transaction)})
    assert turned == transaction
    assert turned.digest == transaction.digest
    assert transaction_from_json(transaction_json(transaction)) == transaction  # type: ignore[arg-type] # made by it


@given(TRANSACTIONS, TRANSACTIONS)
def test_plans_are_the_same_only_if_they_do_the_same(one: Transaction, other: Transaction) -> None:
    merged = [replace(t, install=(*t.install, *t.new_dependencies), new_dependencies=()) for t in (one, other)]
    assert compare_plans(one, other).same == (merged[0] == merged[1])
    assert compare_plans(one, one).same


def test_a_difference_is_told_in_words() -> None:
    approved = Transaction(upgrade=(Change("a", "all", "1", "2"), Change("b", "all", "1", "2")))
    present = Transaction(upgrade=(Change("a", "all", "1", "3"),), remove=(Package("c", "all", "1"),))
    comparison = compare_plans(approved, present)
    assert comparison.differences == (
        "remove c:all was not approved (1)",
        "upgrade b:all no longer happens",
        "upgrade a:all: 1 to 2 was approved, now 1 to 3",
    )
    assert told(plan_findings(comparison)) == [("patch-plan-differs", "critical")]
    assert plan_findings(compare_plans(approved, approved)) == ()
