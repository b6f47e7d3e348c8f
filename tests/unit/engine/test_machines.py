"""The check of a whole vCenter, against the double."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ronde.engine.machines import MachinesRequest, check_machines
from ronde.model.check import Check
from ronde.model.errors import InputError, VCenterUnreachable
from ronde.model.inventory import Client
from ronde.model.verdict import Level, Verdict
from ronde.model.vsphere.history import PastMachine
from ronde.model.vsphere.marker import Consistency, Marker, written
from tests.doubles.vcenter import GIB, FakeObject, FakeVCenter

NOW = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class StoppedClock:
    time: datetime = NOW

    def now(self) -> datetime:
        return self.time


def client(**changes: Any) -> Client:
    backups = [{"name": "images", "tool": "dump", "path": "/b/*", "format": "plain", "vm": ["web", "db"]}]
    host = {"address": "192.0.2.9", "user": "ronde", "key": "age://acme/ssh", "backups": backups}
    vcenter = {"address": "192.0.2.1", "user": "u", "password": "age://acme/vc", "certificate": "vc.pem"}
    made: dict[str, Any] = {
        "client": "acme", "name": "Acme", "hosts": {"backup": host}, "vcenters": {"vc1": vcenter},
        "exempt": [{"vm": "template", "reason": "a template", "until": "2027-01-01"}],
    }  # fmt: skip
    return Client.model_validate(made | changes)


@pytest.fixture
def vcenter() -> FakeVCenter:
    fake = FakeVCenter(time=NOW)
    fake.add_datastore()
    for name in ("web", "db", "template"):
        fake.add_vm(name)
    return fake


def checks(vcenter: FakeVCenter, **changes: Any) -> dict[tuple[str, str], Check]:
    request: dict[str, Any] = {"client": client(), "vcenter": "vc1", "now": NOW, "clock": StoppedClock()}
    found = check_machines(vcenter, MachinesRequest(**(request | changes)))
    table = {(check.kind, check.subject): check for check in found}
    assert len(table) == len(found), "each subject once"
    return table


def rules(check: Check) -> set[str]:
    return {finding.rule for finding in check.findings}


def test_a_quiet_vcenter(vcenter: FakeVCenter) -> None:
    found = checks(vcenter)
    assert set(found) == {
        ("vcenter", "vc1"), ("vm", "web"), ("vm", "db"), ("vm", "template"), ("coverage", "web"), ("coverage", "db"),
        ("coverage", "template"),
    }  # fmt: skip
    assert {check.verdict for check in found.values()} == {Verdict.OK}
    assert {check.host for check in found.values()} == {"vc1"}
    assert {check.level for check in found.values()} == {Level.REACHABLE}
    assert all(check.evidence_at == NOW for check in found.values())


def test_two_passes_and_no_more(vcenter: FakeVCenter) -> None:
    checks(vcenter)
    assert [question.kind for question in vcenter.asked] == [
        "VirtualMachine", "Datastore", "CustomFieldsManager", "VirtualMachine",
    ]  # fmt: skip
    assert vcenter.asked[-1].ids is not None
    assert len(vcenter.asked[-1].ids) == 3


def test_the_small_round_looks_closer_only_where_there_is_something(vcenter: FakeVCenter) -> None:
    vcenter.add_snapshot("db", "update", 4 * DAY)
    vcenter.vm("web").properties["runtime.consolidationNeeded"] = True
    found = checks(vcenter, everything=False)
    assert vcenter.asked[-1].ids is not None
    assert len(vcenter.asked[-1].ids) == 2
    assert rules(found["vm", "db"]) == {"snap-age"}
    assert rules(found["vm", "web"]) == {"consolidation-needed"}
    assert found["vm", "template"].facts["detailed"] is False


def test_findings_stand_with_their_machine(vcenter: FakeVCenter) -> None:
    vcenter.add_snapshot("db", "update", 4 * DAY, size=5 * GIB)
    found = checks(vcenter)
    assert found["vm", "db"].verdict is Verdict.FAILED
    assert rules(found["vm", "db"]) == {"snap-age"}
    assert found["vm", "web"].verdict is Verdict.OK
    facts = found["vm", "db"].facts
    moid = next(key for (_, key), each in vcenter.objects.items() if each is vcenter.vm("db"))
    assert facts["key"] == f"{vcenter.instance_uuid}/VirtualMachine/{moid}"
    assert (facts["snapshots"], facts["snapshot_bytes"]) == (1, 5 * GIB)
    assert found["vm", "db"].objective["snap-age"] == {"warning": 86400.0, "critical": 259200.0}


def test_the_answers_are_kept_as_evidence(vcenter: FakeVCenter) -> None:
    vcenter.add_snapshot("db", "update", 4 * DAY)
    found = checks(vcenter)
    (kept,) = found["vm", "db"].exchanges
    assert b'"update"' in kept.output
    assert b"layoutEx" in kept.output
    assert kept.tool == vcenter.version
    assert b"layoutEx" not in found["vm", "web"].exchanges[0].output


@pytest.mark.parametrize("state", ["disconnected", "inaccessible"])
def test_a_machine_out_of_reach_is_unknown(vcenter: FakeVCenter, state: str) -> None:
    vcenter.add_snapshot("db", "update", 4 * DAY)
    vcenter.vm("db").properties["runtime.connectionState"] = state
    found = checks(vcenter)
    assert (found["vm", "db"].verdict, found["vm", "db"].level) == (Verdict.UNKNOWN, None)
    assert found["vcenter", "vc1"].facts["unverified"] == 1


@pytest.mark.parametrize("path", ["snapshot", "layoutEx", "config.hardware.device", "runtime.connectionState"])
def test_what_is_hidden_is_unknown(vcenter: FakeVCenter, path: str) -> None:
    vcenter.hide("db", path)
    assert checks(vcenter)["vm", "db"].verdict is Verdict.UNKNOWN


def test_a_machine_that_vanishes_between_the_passes_is_unknown(vcenter: FakeVCenter) -> None:
    vcenter.before = lambda number: vcenter.remove_vm("db") if number == 3 else None
    found = checks(vcenter)
    assert found["vm", "db"].verdict is Verdict.UNKNOWN
    assert "vanished" in str(found["vm", "db"].findings[0].evidence)
    assert found["vm", "web"].verdict is Verdict.OK


def test_no_machine_at_all_is_not_in_order() -> None:
    found = checks(FakeVCenter(time=NOW), client=client(hosts={}, exempt=[]))
    assert set(found) == {("vcenter", "vc1")}
    assert found["vcenter", "vc1"].verdict is Verdict.UNKNOWN


def test_two_machines_of_one_name_are_told_apart(vcenter: FakeVCenter) -> None:
    moid = vcenter.add_vm("web")
    found = checks(vcenter)
    assert ("vm", f"web ({moid})") in found
    assert ("vm", "web") not in found
    assert found["coverage", f"web ({moid})"].verdict is Verdict.UNKNOWN


def test_an_uncovered_machine(vcenter: FakeVCenter) -> None:
    vcenter.add_vm("forgotten")
    found = checks(vcenter)
    assert rules(found["coverage", "forgotten"]) == {"vm-uncovered"}
    assert found["coverage", "forgotten"].verdict is Verdict.WARNING
    assert found["coverage", "web"].facts["backups"] == ["backup/images"]


def test_a_name_that_no_machine_bears(vcenter: FakeVCenter) -> None:
    vcenter.remove_vm("db")
    assert rules(checks(vcenter)["coverage", "db"]) == {"backup-vm-missing"}


def test_an_exemption_ends_by_the_clients_calendar(vcenter: FakeVCenter) -> None:
    """At 23:30 in Paris the day is not over; half an hour later it is, while in UTC it is the same day still."""
    exempt = [{"vm": "template", "reason": "a template", "until": "2026-11-23"}]
    for hour, rule in ((22, "vm-exempt"), (23, "exemption-expired")):
        now = datetime(2026, 11, 23, hour, 30, tzinfo=UTC)
        found = checks(vcenter, client=client(exempt=exempt), now=now)
        assert rules(found["coverage", "template"]) == {rule}


@pytest.mark.parametrize(
    ("skew", "verdict"), [(0, Verdict.OK), (59, Verdict.OK), (61, Verdict.WARNING), (-301, Verdict.FAILED)]
)
def test_the_clocks(vcenter: FakeVCenter, skew: int, verdict: Verdict) -> None:
    vcenter.time = NOW + timedelta(seconds=skew)
    check = checks(vcenter)["vcenter", "vc1"]
    assert check.verdict is verdict
    assert check.facts["skew_s"] == skew


def test_ages_are_by_the_vcenters_clock(vcenter: FakeVCenter) -> None:
    """A worker three days ahead does not make a snapshot old."""
    vcenter.add_snapshot("db", "update", timedelta(hours=1))
    assert rules(checks(vcenter, clock=StoppedClock(NOW + 3 * DAY))["vm", "db"]) == set()


def test_a_full_datastore_is_the_vcenters_finding(vcenter: FakeVCenter) -> None:
    vcenter.add_snapshot("db", "update", timedelta(hours=1))
    vcenter.add_datastore("ds1", free=5 * GIB, capacity=1000 * GIB)
    found = checks(vcenter)
    assert rules(found["vcenter", "vc1"]) == {"ds-free"}
    assert rules(found["vm", "db"]) == set()


def test_a_helper_snapshot_asks_for_tasks(vcenter: FakeVCenter) -> None:
    vcenter.add_snapshot("db", "Consolidate Helper- 0", timedelta(hours=2))
    vcenter.vm("db").properties["recentTask"] = ["task-1", "task-gone"]
    vcenter.objects["Task", "task-1"] = FakeObject({"info.state": "running"})
    assert rules(checks(vcenter)["vm", "db"]) == set()
    vcenter.objects["Task", "task-1"] = FakeObject({"info.state": "success"})
    assert rules(checks(vcenter)["vm", "db"]) == {"consolidate-helper"}


def _history(vcenter: FakeVCenter, nights: int, **stage: Any) -> dict[str, list[PastMachine]]:
    """The history that the last nights left, when each was like this one."""
    found = checks(vcenter, **stage)
    table: dict[str, list[PastMachine]] = {}
    for (kind, _), check in found.items():
        if kind == "vm":
            table[str(check.facts["key"])] = [PastMachine.of(NOW - (i + 1) * DAY, check.facts) for i in range(nights)]
    return table


def test_history_comes_from_the_facts_of_earlier_checks(vcenter: FakeVCenter) -> None:
    vcenter.add_snapshot("db", "update", timedelta(hours=1))
    vcenter.vm("db").properties["runtime.powerState"] = "poweredOff"
    found = checks(vcenter, history=_history(vcenter, nights=8))
    assert rules(found["vm", "db"]) == {"off-with-snapshot"}


def test_a_machine_that_is_no_longer_shown(vcenter: FakeVCenter) -> None:
    history = _history(vcenter, nights=1)
    vcenter.remove_vm("template")
    found = checks(vcenter, history=history)
    assert rules(found["vcenter", "vc1"]) == {"vm-gone"}


def test_another_machine_under_a_known_name(vcenter: FakeVCenter) -> None:
    history = _history(vcenter, nights=1)
    vcenter.remove_vm("db")
    vcenter.add_vm("other")
    vcenter.add_vm("db")
    found = checks(vcenter, history=history)
    assert rules(found["coverage", "db"]) == {"vm-replaced"}


def test_a_renamed_machine_is_found_again(vcenter: FakeVCenter) -> None:
    history = _history(vcenter, nights=1)
    vcenter.vm("db").properties["name"] = "db-old"
    found = checks(vcenter, history=history)
    assert rules(found["coverage", "db-old"]) == {"vm-uncovered", "vm-renamed"}


def test_a_history_of_another_machine_does_not_count(vcenter: FakeVCenter) -> None:
    """A vCenter restored from its backup may give an id again."""
    vcenter.add_snapshot("db", "update", timedelta(hours=1))
    vcenter.vm("db").properties["runtime.powerState"] = "poweredOff"
    history = _history(vcenter, nights=8)
    vcenter.vm("db").properties["config.instanceUuid"] = "another"
    assert rules(checks(vcenter, history=history)["vm", "db"]) == set()


def test_thresholds_of_the_inventory_hold(vcenter: FakeVCenter) -> None:
    vcenter.add_snapshot("db", "update", 4 * DAY)
    entry = client().vcenters["vc1"].model_dump() | {"thresholds": {"snap-age": {"warning": "7d", "critical": "14d"}}}
    assert rules(checks(vcenter, client=client(vcenters={"vc1": entry}))["vm", "db"]) == set()


def test_a_snapshot_of_ours_is_known_by_the_key(vcenter: FakeVCenter) -> None:
    uuid, key = str(vcenter.vm("db").properties["config.instanceUuid"]), b"a key that signs snapshots"
    marker = Marker("r", "s", uuid, NOW - 3 * DAY, NOW - timedelta(hours=1), Consistency.CRASH)
    vcenter.add_snapshot("db", "ronde-r-patch", timedelta(hours=1), description=written(marker, key))
    assert rules(checks(vcenter, mark_key=key)["vm", "db"]) == {"ours-expired"}
    assert rules(checks(vcenter, mark_key=key[::-1])["vm", "db"]) == {"mark-unverified"}
    assert rules(checks(vcenter)["vm", "db"]) == {"mark-unverified"}


def test_wrong_thresholds_are_an_input_error(vcenter: FakeVCenter) -> None:
    entry = client().vcenters["vc1"].model_copy(update={"thresholds": {"snap-aeg": {"warning": "7d"}}})
    wrong = client().model_copy(update={"vcenters": {"vc1": entry}})
    with pytest.raises(InputError, match="snap-age"):
        checks(vcenter, client=wrong)
    assert vcenter.asked == []


def test_an_unknown_vcenter_is_an_input_error(vcenter: FakeVCenter) -> None:
    with pytest.raises(InputError, match="vc9"):
        check_machines(vcenter, MachinesRequest(client(), "vc9", NOW, StoppedClock()))


def test_a_vcenter_that_fails_gives_no_checks(vcenter: FakeVCenter) -> None:
    vcenter.fail = VCenterUnreachable("vc1 is gone")
    with pytest.raises(VCenterUnreachable):
        checks(vcenter)
