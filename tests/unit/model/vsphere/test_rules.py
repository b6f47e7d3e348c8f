"""Each rule on a machine made for it: it speaks when it should, and only then."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ronde.model.check import Finding
from ronde.model.verdict import Severity
from ronde.model.vsphere.history import PastMachine
from ronde.model.vsphere.layout import Layout
from ronde.model.vsphere.machine import Datastore, Detail, Machine
from ronde.model.vsphere.marker import Consistency, Marker, written
from ronde.model.vsphere.rules import examine
from ronde.model.vsphere.rules.storage import datastore_findings
from ronde.model.vsphere.thresholds import read_thresholds
from tests.doubles.machines import DISK, GIB, NOW, chain, disk, layout, machine, node, subject, with_snapshots

INFO, WARNING, UNKNOWN, CRITICAL = Severity.INFO, Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def found(each: Machine, *others: Machine, **stage: Any) -> dict[str, Severity]:
    """Rule → severity of what is found; the worst when a rule speaks twice."""
    table: dict[str, Severity] = {}
    for finding in examine(subject(each, *others, **stage)):
        known = table.get(finding.rule)
        if known is None or finding.severity.verdict.rank > known.verdict.rank:
            table[finding.rule] = finding.severity
    return table


def the(rule: str, each: Machine, *others: Machine, **stage: Any) -> Finding:
    return next(finding for finding in examine(subject(each, *others, **stage)) if finding.rule == rule)


def test_of_a_healthy_machine_there_is_nothing_to_say() -> None:
    assert found(machine()) == {}


def test_of_a_fresh_small_snapshot_there_is_nothing_to_say() -> None:
    assert found(with_snapshots(node("S1", HOUR))) == {}


# ---------------------------------------------------------------- snapshots


@pytest.mark.parametrize(
    ("age", "severity"),
    [
        (24 * HOUR, None), (24 * HOUR + timedelta(seconds=1), WARNING), (72 * HOUR, WARNING),
        (72 * HOUR + timedelta(seconds=1), CRITICAL), (400 * DAY, CRITICAL),
    ],
)  # fmt: skip
def test_the_age_of_a_snapshot(age: timedelta, severity: Severity | None) -> None:
    assert found(with_snapshots(node("S1", age))).get("snap-age") == severity


def test_the_oldest_snapshot_is_named_and_all_old_ones_are_listed() -> None:
    finding = the("snap-age", with_snapshots(node("old", 5 * DAY), node("older", 9 * DAY), node("new", HOUR)))
    assert finding.message == 'Snapshot "older" and 1 more is 9d old; the limit is 3d.'
    listed: Any = finding.evidence["snapshots"]
    assert [each["id"] for each in listed] == ["older", "old"]


def test_a_snapshot_from_the_future_is_not_new() -> None:
    assert found(with_snapshots(node("S1", -2 * HOUR))) == {"snap-age": UNKNOWN}
    assert found(with_snapshots(node("S1", timedelta(seconds=-30)))) == {}


def test_an_old_snapshot_is_still_found_beside_one_from_the_future() -> None:
    assert found(with_snapshots(node("S1", 4 * DAY), node("S2", -DAY)))["snap-age"] is CRITICAL


@pytest.mark.parametrize(("count", "severity"), [(3, None), (4, WARNING), (8, WARNING), (9, CRITICAL)])
def test_the_number_of_snapshots(count: int, severity: Severity | None) -> None:
    nodes = [node(f"S{i}", HOUR) for i in range(count)]
    assert found(with_snapshots(*nodes)).get("snap-count") == severity


@pytest.mark.parametrize(("depth", "severity"), [(15, None), (16, WARNING), (29, WARNING), (30, CRITICAL)])
def test_the_depth_of_a_chain(depth: int, severity: Severity | None) -> None:
    nodes = [node(f"S{i}", HOUR) for i in range(depth)]
    assert found(with_snapshots(*nodes)).get("snap-depth") == severity


def test_many_snapshots_side_by_side_are_not_deep() -> None:
    flat = replace(machine(), snapshots=tuple(node(f"S{i}", HOUR) for i in range(20)))
    assert "snap-depth" not in found(flat)


@pytest.mark.parametrize(
    "name",
    ["VEEAM BACKUP TEMPORARY SNAPSHOT", "Restore Point 2026-11-22", "NBU_SNAPSHOT 1", "__GX_BACKUP__", "nakivo-1"],
)
@pytest.mark.parametrize(("age", "severity"), [(11 * HOUR, None), (13 * HOUR, WARNING), (25 * HOUR, CRITICAL)])
def test_what_a_backup_left_behind(name: str, age: timedelta, severity: Severity | None) -> None:
    assert found(with_snapshots(node("S1", age, name=name))).get("backup-leftover") == severity


def test_an_ordinary_name_is_no_backups() -> None:
    assert "backup-leftover" not in found(with_snapshots(node("S1", 13 * HOUR, name="before the VEEAM update")))


@pytest.mark.parametrize(
    ("busy", "age", "severity"),
    [(True, 9 * HOUR, None), (False, timedelta(), WARNING), (False, 2 * HOUR, CRITICAL), (None, 2 * HOUR, UNKNOWN)],
)
def test_the_helper_of_a_consolidation(busy: bool | None, age: timedelta, severity: Severity | None) -> None:  # noqa: FBT001 - three-valued
    each = with_snapshots(node("S1", age, name="Consolidate Helper- 0"), busy=busy)
    assert found(each).get("consolidate-helper") == severity
    assert "backup-leftover" not in found(each)


KEY = b"a key that signs snapshots"


def ours(expires: timedelta, consistency: Consistency = Consistency.CRASH, vm: str = "5000") -> str:
    """The description of a snapshot of ours that expires so long from now."""
    return written(Marker("r1", "s1", vm, NOW - 2 * HOUR, NOW + expires, consistency), KEY)


def test_our_own_snapshot_must_be_gone_in_time() -> None:
    late = node("S1", 2 * HOUR, description=ours(-HOUR))
    assert found(with_snapshots(late), key=KEY) == {"ours-expired": CRITICAL}
    assert "1h ago" in the("ours-expired", with_snapshots(late), key=KEY).message
    early = node("S1", 2 * HOUR, description=ours(HOUR))
    assert found(with_snapshots(early), key=KEY) == {}


def test_our_own_snapshot_must_be_as_consistent_as_it_says() -> None:
    promise = ours(HOUR, Consistency.FILESYSTEM)
    assert found(with_snapshots(node("S1", HOUR, description=promise)), key=KEY) == {"not-quiesced": WARNING}
    assert found(with_snapshots(node("S1", HOUR, description=promise, quiesced=True)), key=KEY) == {}
    assert found(with_snapshots(node("S1", HOUR, description="somebody else's", quiesced=False)), key=KEY) == {}


@pytest.mark.parametrize(
    "text",
    [
        ours(-HOUR)[:-1] + "0" if not ours(-HOUR).endswith("0") else ours(-HOUR)[:-1] + "1",
        ours(-HOUR, vm="another"),
        ours(-HOUR).replace("run=r1", "run=r2"),
        ours(-HOUR) + "\n" + ours(HOUR),
        "ronde/1 run=r1",
        "ronde/2 run=r1 something of a later version",
    ],
)
def test_a_marker_that_cannot_be_believed_makes_no_snapshot_ours(text: str) -> None:
    each = with_snapshots(node("S1", 2 * HOUR, description=text, powered_on=True))
    assert found(each, key=KEY) == {"mark-unverified": WARNING, "memory-snapshot": INFO}


def test_without_the_key_no_marker_is_believed_and_that_is_not_in_order() -> None:
    assert found(with_snapshots(node("S1", 2 * HOUR, description=ours(-HOUR)))) == {"mark-unverified": UNKNOWN}


def test_a_snapshot_with_memory() -> None:
    assert found(with_snapshots(node("S1", HOUR, powered_on=True))) == {"memory-snapshot": INFO}
    mine = with_snapshots(node("S1", HOUR, powered_on=True, description=ours(HOUR)))
    assert found(mine, key=KEY) == {"memory-snapshot": WARNING}
    files = layout({DISK: chain(1, 2)}, {"S1": {DISK: chain(1)}}, memory={"S1": 100})
    by_file = with_snapshots(node("S1", HOUR), detail=Detail(files, (disk(),)))
    assert found(by_file) == {"memory-snapshot": INFO}


def _nights(*powers: str) -> tuple[PastMachine, ...]:
    return tuple(PastMachine(NOW - (i + 1) * DAY, power=power) for i, power in enumerate(powers))


@pytest.mark.parametrize(
    ("nights", "severity"),
    [
        (_nights(*["poweredOff"] * 9), WARNING),
        (_nights(*["poweredOff"] * 6), None),
        (_nights(*["poweredOff"] * 3, "poweredOn", *["poweredOff"] * 9), None),
        ((), None),
    ],
)
def test_a_machine_that_stays_off_with_a_snapshot(nights: tuple[PastMachine, ...], severity: Severity | None) -> None:
    off = with_snapshots(node("S1", HOUR), power="poweredOff")
    assert found(off, past=nights).get("off-with-snapshot") == severity
    assert "off-with-snapshot" not in found(with_snapshots(node("S1", HOUR)), past=nights)
    assert "off-with-snapshot" not in found(machine(power="poweredOff"), past=nights)


def test_a_template_with_a_snapshot_is_told_only() -> None:
    assert found(with_snapshots(node("S1", HOUR), template=True)) == {"template-with-snapshot": INFO}


# ------------------------------------------------------------ files and disks


def _sized(size: int, capacity: int = 1000 * GIB) -> Machine:
    files = layout({DISK: chain(1, 2)}, {"S1": {DISK: chain(1)}}, sizes={2: size})
    return with_snapshots(node("S1", HOUR), detail=Detail(files, (disk(capacity=capacity),)))


@pytest.mark.parametrize(("size", "severity"), [(19, None), (21, WARNING), (41, CRITICAL)])
def test_the_size_of_snapshots(size: int, severity: Severity | None) -> None:
    each = _sized(size * 10**9)
    assert found(each).get("snap-size") == severity
    assert "snap-share" not in found(each)


@pytest.mark.parametrize(("share", "severity"), [(19, None), (21, WARNING), (51, CRITICAL)])
def test_the_share_of_the_disks(share: int, severity: Severity | None) -> None:
    assert found(_sized(share * 10**8, capacity=10**10)).get("snap-share") == severity


def _growing(daily: int, nights: int = 3) -> tuple[Machine, tuple[PastMachine, ...]]:
    today = daily * (nights + 1)
    past = tuple(
        PastMachine(NOW - (i + 1) * DAY, snapshots=frozenset({"S1"}), snapshot_bytes=today + 11 - daily * (i + 1))
        for i in range(nights)
    )
    return _sized(today), past


@pytest.mark.parametrize(("free_days", "severity"), [(4.0, None), (2.5, WARNING), (0.9, CRITICAL), (0.0, CRITICAL)])
def test_the_growth_against_what_is_free(free_days: float, severity: Severity | None) -> None:
    daily = 2 * 10**9
    each, past = _growing(daily)
    store = Datastore("datastore-1", "ds1", int(daily * free_days), 10**13, accessible=True)
    assert found(each, past=past, store=store).get("snap-growth") == severity
    assert "snap-growth" not in found(each, store=store), "one reading is no growth"


def test_an_orphaned_delta() -> None:
    each = machine(detail=Detail(layout({DISK: chain(1, 2)}), (disk(),)))
    finding = the("chain-orphan", each)
    assert finding.severity is CRITICAL
    assert "Hard disk 1" in finding.message


def test_a_snapshot_unknown_to_the_layout_is_not_called_an_orphan() -> None:
    stale = with_snapshots(node("S1", HOUR), detail=Detail(layout({DISK: chain(1, 2)}), (disk(),)))
    assert found(stale) == {"snap-size": UNKNOWN}


def _pair() -> tuple[Machine, Machine]:
    """A backup proxy that holds a disk of another machine, and that machine with a chain of its own."""
    owner = with_snapshots(
        node("S1", HOUR), key="uuid-1/VirtualMachine/vm-2", id="vm-2", name="files", folder="[ds1] files/"
    )
    attached = disk(DISK + 1, file="[ds1] files/files.vmdk")
    folders = {7: "[ds1] files/", 8: "[ds1] files/"}
    proxy = machine(detail=Detail(layout({DISK: chain(1), DISK + 1: chain(7, 8)}, folders=folders), (disk(), attached)))
    return proxy, owner


def test_a_disk_left_attached_to_a_proxy() -> None:
    proxy, owner = _pair()
    assert found(proxy, owner) == {"hotadd-leftover": CRITICAL}, "and its chain is the owner's business"
    assert '"files"' in the("hotadd-leftover", proxy, owner).message
    assert "hotadd-leftover" not in found(proxy), "a folder nobody owns says nothing"


def test_a_disk_attached_while_its_backup_runs() -> None:
    proxy, owner = _pair()
    running = replace(owner, snapshots=(node("S1", HOUR, name="VEEAM BACKUP TEMPORARY SNAPSHOT"),))
    assert found(proxy, running) == {"hotadd-leftover": INFO}
    over = replace(owner, snapshots=(node("S1", DAY, name="VEEAM BACKUP TEMPORARY SNAPSHOT"),))
    assert found(proxy, over) == {"hotadd-leftover": CRITICAL}


def test_a_disk_shared_by_design_is_no_leftover() -> None:
    proxy, owner = _pair()
    assert proxy.detail is not None
    assert proxy.detail.disks is not None
    disks = (proxy.detail.disks[0], replace(proxy.detail.disks[1], shared=True))
    assert found(replace(proxy, detail=replace(proxy.detail, disks=disks)), owner) == {}


@pytest.mark.parametrize(
    "change", [{"mode": "independent_persistent"}, {"mode": "independent_nonpersistent"}, {"physical": True}]
)
def test_what_no_snapshot_holds(change: dict[str, Any]) -> None:
    each = machine(detail=Detail(layout({DISK: chain(1)}), (disk(), disk(DISK + 1, **change))))
    assert found(each) == {"coverage-gap": WARNING}
    assert "Hard disk 2" in the("coverage-gap", each).message


def test_a_big_disk_with_a_snapshot_is_told() -> None:
    big = Detail(layout({DISK: chain(1, 2)}, {"S1": {DISK: chain(1)}}), (disk(capacity=3 * 1024**4),))
    assert found(with_snapshots(node("S1", HOUR), detail=big)) == {"big-disk": INFO}
    assert found(machine(detail=Detail(layout({DISK: chain(1)}), big.disks))) == {}


def _stale(files: Layout) -> Detail:
    return Detail(replace(files, updated=NOW - 2 * DAY), (disk(),))


def test_old_figures_are_told() -> None:
    each = with_snapshots(node("S1", HOUR))
    assert each.detail is not None
    assert each.detail.layout is not None
    assert found(replace(each, detail=_stale(each.detail.layout))) == {"stale-layout": INFO}
    assert found(machine(detail=_stale(layout({DISK: chain(1)})))) == {}


@pytest.mark.parametrize(("free", "severity"), [(16, None), (14, WARNING), (9, CRITICAL), (None, UNKNOWN)])
def test_a_full_datastore_under_snapshots(free: int | None, severity: Severity | None) -> None:
    store = Datastore("datastore-1", "ds1", free, 100, accessible=True)
    thresholds = read_thresholds({})
    holding = subject(with_snapshots(node("S1", HOUR)), store=store)
    severities = [finding.severity for finding in datastore_findings([holding, holding], thresholds)]
    assert severities == ([] if severity is None else [severity]), "once for each datastore"
    assert list(datastore_findings([subject(machine(), store=store)], thresholds)) == []


# -------------------------------------------------------------------- state


@pytest.mark.parametrize("state", ["disconnected", "inaccessible", "invalid", "orphaned", None])
def test_a_machine_out_of_reach_is_not_verified(state: str | None) -> None:
    """What the vCenter remembers of it is no evidence, neither good nor bad."""
    assert found(with_snapshots(node("S1", 9 * DAY), connection=state)) == {"vm-unreachable": UNKNOWN}


@pytest.mark.parametrize(
    "path", ["snapshot", "runtime.consolidationNeeded", "layoutEx", "customValue", "runtime.question"]
)
def test_what_may_not_be_read_is_not_in_order(path: str) -> None:
    finding = the("vm-not-readable", machine(missing={path: "NoPermission"}))
    assert finding.severity is UNKNOWN
    assert path in finding.message


@pytest.mark.parametrize("field", ["power", "folder", "template"])
def test_what_every_machine_has_and_this_one_lacks(field: str) -> None:
    assert found(machine(**{field: None}))["vm-not-readable"] is UNKNOWN


@pytest.mark.parametrize(("needed", "severity"), [(True, CRITICAL), (False, None), (None, UNKNOWN)])
def test_consolidation(needed: bool | None, severity: Severity | None) -> None:  # noqa: FBT001 - three-valued
    assert found(machine(consolidation_needed=needed)).get("consolidation-needed") == severity


def test_a_hidden_consolidation_flag_is_told_once() -> None:
    hidden = machine(consolidation_needed=None, missing={"runtime.consolidationNeeded": "NoPermission"})
    assert found(hidden) == {"vm-not-readable": UNKNOWN}


def test_a_question_stops_everything() -> None:
    finding = the("question", machine(question="Have you moved or copied this machine?"))
    assert finding.severity is CRITICAL
    assert "moved or copied" in finding.message


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"tools_running": "guestToolsNotRunning"}, WARNING),
        ({"tools_running": "guestToolsNotRunning", "power": "poweredOff"}, None),
        ({"tools_running": "guestToolsNotRunning", "template": True}, None),
        ({"tools_version": "guestToolsNotInstalled"}, WARNING),
        ({"tools_version": "guestToolsBlacklisted"}, WARNING),
        ({"tools_version": "guestToolsCurrent"}, None),
        ({"tools_running": None}, UNKNOWN),
        ({"tools_running": None, "power": "poweredOff"}, None),
    ],
)
def test_tools(changes: dict[str, Any], severity: Severity | None) -> None:
    assert found(machine(**changes)).get("tools") == severity


@pytest.mark.parametrize(
    ("tracking", "attributes", "severity"),
    [
        (False, {"Last Backup": "2026-11-23"}, WARNING), (None, {"Last Backup": "2026-11-23"}, WARNING),
        (True, {"Last Backup": "2026-11-23"}, None), (False, {}, None), (False, {"Owner": "x"}, None),
    ],
)  # fmt: skip
def test_change_tracking(tracking: bool | None, attributes: dict[str, str], severity: Severity | None) -> None:  # noqa: FBT001 - three-valued
    assert found(machine(change_tracking=tracking, attributes=attributes)).get("cbt-off") == severity


@pytest.mark.parametrize(
    ("value", "severity"),
    [
        ("2026-11-23 01:00:00", None), ("2026-11-21T23:00:00+00:00", WARNING), ("2026-11-20 01:00:00", CRITICAL),
        ("11/22/2026 11:00:00", None), ("22/11/2026 11:00:00", None), ("yesterday", UNKNOWN), ("2027-01-01", UNKNOWN),
        ("", None),
    ],
)  # fmt: skip
def test_the_last_backup_by_its_attribute(value: str, severity: Severity | None) -> None:
    assert found(machine(attributes={"Last Backup": value})).get("backup-stale") == severity


def test_an_ambiguous_date_never_makes_a_backup_fresher() -> None:
    """10/11/2026 is the tenth of November or the eleventh of October."""
    assert "43d" in the("backup-stale", machine(attributes={"Last Backup": "10/11/2026 04:00:00"})).message


@pytest.mark.parametrize(
    "changes",
    [
        {"fault_tolerance": "running"},
        {"detail": Detail(layout({DISK: chain(1)}), (disk(),), shared_buses=("SCSI controller 1",))},
        {"detail": Detail(layout({DISK: chain(1)}), (disk(),), passthrough=("PCI device 0",))},
    ],
)
def test_what_does_not_support_snapshots_is_told(changes: dict[str, Any]) -> None:
    assert found(machine(**changes)) == {"snapshot-unsupported": INFO}


def test_unset_fault_tolerance_means_none() -> None:
    """Hosts that cannot do it leave it unset."""
    assert found(machine(fault_tolerance=None)) == {}


@pytest.mark.parametrize(
    ("detail", "rules"),
    [
        (Detail(None, (disk(),)), {"snap-size"}),
        (Detail(layout({DISK: chain(1)}), None), {"coverage-gap"}),
        (Detail(None, None), {"snap-size", "coverage-gap"}),
    ],
)
def test_without_files_or_hardware_it_is_not_verified(detail: Detail, rules: set[str]) -> None:
    assert found(machine(detail=detail)) == dict.fromkeys(rules, UNKNOWN)


def test_files_that_were_not_asked_for_are_missed_only_under_snapshots() -> None:
    assert found(machine(detail=None)) == {}
    assert found(with_snapshots(node("S1", HOUR), detail=None)) == {"snap-size": UNKNOWN}


def test_an_inventory_can_move_a_limit() -> None:
    each = with_snapshots(node("S1", 40 * HOUR))
    assert found(each, overrides={"snap-age": {"warning": "48h", "critical": "7d"}}) == {}
    assert found(each, overrides={"snap-age": {"warning": "12h", "critical": "36h"}}) == {"snap-age": CRITICAL}
    assert found(each, overrides={"snap-age": {"warning": "off", "critical": "off"}}) == {}


def test_findings_keep_figure_and_limits_as_evidence() -> None:
    finding = the("snap-age", with_snapshots(node("S1", 2 * DAY)))
    assert finding.evidence["figure"] == 172800.0
    assert finding.evidence["limits"] == {"warning": 86400.0, "critical": 259200.0}
