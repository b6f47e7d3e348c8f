"""Figures, and the machines that a word means."""

from datetime import timedelta

import pytest

from ronde.model.errors import InputError
from ronde.model.vsphere.changes import caps
from ronde.model.vsphere.changes.choosing import Candidate, chosen
from ronde.model.vsphere.changes.guards import Taken
from ronde.model.vsphere.changes.orders import CreateSnapshot, PowerOff, RemoveSnapshot, shown

WEB, DB = Candidate("vm-1", "web", "5000-A"), Candidate("vm-2", "DB", None)


def test_a_removal_has_half_an_hour_and_a_minute_for_each_gigabyte() -> None:
    assert caps.removal_budget(0) == timedelta(minutes=30)
    assert caps.removal_budget(90 * 1000**3) == timedelta(hours=2)


def test_no_default_outlives_the_longest_life() -> None:
    assert timedelta() < caps.LIFETIME <= caps.LONGEST_LIFETIME == timedelta(hours=72)


@pytest.mark.parametrize(("word", "found"), [("web", WEB), ("WEB", WEB), ("vm-1", WEB), ("5000-a", WEB), ("db", DB)])
def test_a_machine_is_meant_by_name_identity_or_id(word: str, found: Candidate) -> None:
    assert chosen(word, [WEB, DB], "vc1") == found


@pytest.mark.parametrize("word", ["", "w", "vm-3", "5000"])
def test_no_machine_is_guessed(word: str) -> None:
    with pytest.raises(InputError, match="vc1"):
        chosen(word, [WEB, DB], "vc1")


def test_the_candidates_are_named() -> None:
    trap = Candidate("vm-9", "vm-1", "5009")
    with pytest.raises(InputError, match=r"web \(vm-1\), vm-1 \(vm-9\)"):
        chosen("vm-1", [WEB, trap], "vc1")


def test_changes_as_evidence_names_them() -> None:
    assert (
        shown(CreateSnapshot("vm-1", "ronde-x", "secret text", quiesce=True)) == "CreateSnapshot vm-1 ronde-x (quiesce)"
    )
    assert shown(RemoveSnapshot("snapshot-3")) == "RemoveSnapshot snapshot-3"
    assert shown(PowerOff("vm-1")) == "PowerOff vm-1"


def test_facts_of_no_snapshot_are_refused() -> None:
    with pytest.raises(InputError):
        Taken.of({})
    with pytest.raises(InputError):
        Taken.of({"snapshot": "s", "name": "n", "created": "yesterday", "step": "s", "run": "r"})
