"""The lab as Ronde sees it: healthy when nothing is broken, and found out exactly where something is."""

import pytest

from lab.faults import DEMO_FAULTS, Expectation
from lab.world import Lab
from tests.integration.lab.looking import Outcome, look


def meets(outcome: Outcome, expected: Expectation) -> bool:
    place = (expected.client, expected.target, expected.subject)
    spoken = not expected.rule or any(expected.rule in rule for rule in outcome.rules)
    return (outcome.client, outcome.target, outcome.subject, outcome.verdict) == (*place, expected.verdict) and spoken


def test_a_lab_without_faults_is_healthy_everywhere(lab: Lab) -> None:
    outcomes = look(lab.up())
    assert [outcome for outcome in outcomes if outcome.verdict != "ok"] == []
    assert {backup.name for _, host in lab.parts.hosts() for backup in host.backups} <= {o.subject for o in outcomes}


def test_each_fault_of_the_demo_is_found_and_nothing_else(lab: Lab) -> None:
    lab.up()
    for expected in DEMO_FAULTS:
        lab.break_(expected.fault)
    outcomes = look(lab)
    missed = [expected for expected in DEMO_FAULTS if not any(meets(outcome, expected) for outcome in outcomes)]
    assert missed == [], outcomes
    broken = {(expected.target, expected.subject) for expected in DEMO_FAULTS if expected.verdict != "ok"}
    assert {(one.target, one.subject) for one in outcomes if one.verdict != "ok"} == broken


@pytest.mark.parametrize("fault", ["vcenter-down", "vcenter-mute"])
def test_a_vcenter_that_does_not_answer_is_unknown_until_it_is_mended(lab: Lab, fault: str) -> None:
    lab.up(["vc1"])
    before = look(lab)
    assert len(before) > 1
    lab.break_(fault)
    assert look(lab) == [Outcome("commune-exemple", "vc1", "", "unknown", ("vcenter-unreachable",))]
    lab.mend(fault)
    assert look(lab) == before


def test_faults_of_machines_are_taken_out_again(lab: Lab) -> None:
    lab.up(["vc1"])
    before = look(lab)
    faults = ("old-snapshot", "deep-chain", "consolidation-needed", "uncovered-vm")
    for fault in faults:
        lab.break_(fault)
    assert look(lab) != before
    for fault in faults:
        lab.mend(fault)
    assert look(lab) == before


def test_a_session_that_ends_in_mid_check_is_noticed_by_nobody(lab: Lab) -> None:
    lab.up(["vc1"])
    before = look(lab)
    logins = lab.vcenter.calls()["Login"]
    lab.break_("vcenter-session-expired")
    assert look(lab) == before
    assert lab.vcenter.calls()["Login"] == logins + 2
