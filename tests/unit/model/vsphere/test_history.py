from datetime import timedelta

import pytest

from ronde.model.check import Json
from ronde.model.verdict import Severity
from ronde.model.vsphere.history import PastMachine, growth, off_since
from ronde.model.vsphere.identity import gone, identity_findings, vanished
from tests.doubles.machines import NOW, machine

DAY = timedelta(days=1)
KEY = "uuid-1/VirtualMachine/vm-1"


def night(ago: float, size: int | None = None, ids: str = "S1", **changes: str | None) -> PastMachine:
    made = {"name": "web", "instance_uuid": "5000", "power": "poweredOn", **changes}
    return PastMachine(NOW - ago * DAY, snapshots=frozenset(ids.split()), snapshot_bytes=size, **made)  # type: ignore[arg-type] # by name


def test_facts_of_a_check_come_back_as_history() -> None:
    facts: dict[str, Json] = {
        "name": "web",
        "instance_uuid": "5000",
        "power": "poweredOff",
        "snapshot_ids": ["S1"],
        "snapshot_bytes": 7,
    }
    assert PastMachine.of(NOW, facts) == PastMachine(NOW, "web", "5000", "poweredOff", frozenset({"S1"}), 7)


def test_facts_of_an_older_version_stay_unknown() -> None:
    assert PastMachine.of(NOW, {"name": 3, "snapshot_bytes": None}) == PastMachine(NOW)


def test_growth_is_a_straight_line_through_the_nights() -> None:
    past = [night(1, 2000), night(2, 1000), night(3, 0)]
    speed = growth(past, night(0, 3000))
    assert speed == pytest.approx(1000 / 86400)


@pytest.mark.parametrize(
    "past",
    [
        [],
        [night(0.02, 100)],
        [night(1, 100, ids="S9")],
        [night(1, None)],
        [night(-1, 100)],
    ],
    ids=["no night", "too close", "other snapshots", "size unknown", "clock went back"],
)
def test_growth_needs_a_basis(past: list[PastMachine]) -> None:
    assert growth(past, night(0, 3000)) is None
    assert growth([night(1, 100)], night(0, None)) is None


def test_sizes_before_a_removal_do_not_count() -> None:
    past = [night(1, 500, ids="S2"), night(2, 90_000, ids="S1")]
    assert growth(past, night(0, 1000, ids="S2")) == pytest.approx(500 / 86400)


def test_off_since_the_first_night_of_the_row() -> None:
    nights = [night(1, power="poweredOff"), night(2, power="poweredOff"), night(3), night(4, power="poweredOff")]
    assert off_since(nights) == NOW - 2 * DAY
    assert off_since(nights[2:]) is None
    assert off_since([]) is None


def test_a_machine_that_is_no_longer_shown() -> None:
    history = {KEY: [night(1)], "uuid-1/VirtualMachine/vm-2": [night(1, name="db", instance_uuid="5001")]}
    missed = gone([machine()], history, NOW)
    assert [past.name for past in missed.values()] == ["db"]
    (finding,) = vanished(missed)
    assert (finding.rule, finding.severity) == ("vm-gone", Severity.WARNING)
    assert "db" in finding.message
    assert vanished({}) == ()


def test_what_is_long_gone_is_history() -> None:
    assert gone([], {KEY: [night(3)]}, NOW)
    assert gone([], {KEY: [night(3.1)]}, NOW) == {}


def test_a_machine_registered_anew_is_the_same() -> None:
    assert gone([machine(key="uuid-1/VirtualMachine/vm-9")], {KEY: [night(1)]}, NOW) == {}


def test_a_machine_that_was_renamed() -> None:
    (finding,) = identity_findings(machine(name="web-new"), [night(1)], {})
    assert (finding.rule, finding.severity) == ("vm-renamed", Severity.INFO)
    assert identity_findings(machine(), [night(1)], {}) == []


def test_another_machine_under_the_same_name() -> None:
    missed = {KEY: night(1)}
    (finding,) = identity_findings(machine(key="uuid-1/VirtualMachine/vm-9", instance_uuid="5009"), [], missed)
    assert (finding.rule, finding.severity) == ("vm-replaced", Severity.WARNING)
    assert identity_findings(machine(name="new"), [], missed) == []
