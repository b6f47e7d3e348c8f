"""How the answers of a vCenter are read, and that only paths are asked which it has."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyVmomi import VmomiSupport, vim

from ronde.facts import vsphere as facts
from ronde.model.vsphere.layout import NO_MEMORY, Frozen
from ronde.model.vsphere.objects import ManagedObject
from tests.doubles.vcenter import healthy

is_child_version: Any = getattr(VmomiSupport, "IsChildVersion")  # noqa: B009 - pyVmomi does not export it to type checkers
OLDEST_API = "vim.version.version11"  # vSphere 6.5


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *(("VirtualMachine", path) for path in (*facts.SLIM_PATHS, *facts.DETAIL_PATHS)),
        *(("Datastore", path) for path in facts.DATASTORE_PATHS),
        *(("CustomFieldsManager", path) for path in facts.FIELD_PATHS),
        *(("Task", path) for path in facts.TASK_PATHS),
    ],
)
def test_every_path_exists_since_vsphere_6_5(kind: str, path: str) -> None:
    """A simulator ignores a path that does not exist; a vCenter refuses the whole question."""
    current: Any = getattr(vim, kind)
    for step in path.split("."):
        known = {info.name: info for info in current._GetPropertyList()}
        assert step in known, f"{current.__name__} has no {step}"
        assert is_child_version(OLDEST_API, known[step].version), f"{step} came with {known[step].version}"
        current = known[step].type


def answer(**changes: Any) -> ManagedObject:
    properties = healthy("web", "vm-1") | {path.replace("__", "."): value for path, value in changes.items()}
    return ManagedObject("VirtualMachine", "vm-1", properties, {})


def read(**changes: Any) -> Any:
    return facts.machine(answer(**changes), "uuid-1", {101: "Last Backup"})


def test_a_healthy_machine() -> None:
    found = read()
    assert found.key == "uuid-1/VirtualMachine/vm-1"
    assert (found.name, found.power, found.connection) == ("web", "poweredOn", "connected")
    assert (found.template, found.consolidation_needed, found.change_tracking) == (False, False, True)
    assert (found.folder, found.datastores) == ("[ds1] web/", ("datastore-ds1",))
    assert (found.snapshots, found.current, found.missing) == ((), None, {})


def test_what_is_unset_stays_unknown() -> None:
    found = facts.machine(ManagedObject("VirtualMachine", "vm-7", {}, {}), "u", {})
    assert found.name == "vm-7"
    assert found.consolidation_needed is None
    assert (found.power, found.connection, found.template, found.folder) == (None, None, None, None)


def test_names_are_shown_as_people_wrote_them() -> None:
    assert read(name="a%2fb %25 c").name == "a/b % c"


def test_custom_attributes_by_name() -> None:
    assert read(customValue=[{"key": 101, "value": "2026-11-23"}, {"key": 9, "value": "x"}]).attributes == {
        "Last Backup": "2026-11-23"
    }


def test_field_names() -> None:
    given_fields = ManagedObject("CustomFieldsManager", "c", {"field": [{"key": 101, "name": "Last Backup"}]}, {})
    assert facts.field_names(given_fields) == {101: "Last Backup"}


def test_a_question_of_the_machine() -> None:
    assert read(runtime__question={"id": "1", "text": "Copied?"}).question == "Copied?"
    assert read(runtime__question={"id": "1"}).question == "(without a text)"
    assert read().question is None


def _tree(name: str, created: Any, *children: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "snapshot": f"snapshot-{name}",
        "name": name,
        "createTime": created,
        "childSnapshotList": list(children),
        **more,
    }


def test_a_tree_of_snapshots() -> None:
    paris = timezone(timedelta(hours=1))
    when = datetime(2026, 11, 20, 3, tzinfo=paris)
    tree = _tree("a", when, _tree("b", when, _tree("c", when)), _tree("d", when, state="poweredOn", quiesced=True))
    found = read(snapshot={"currentSnapshot": "snapshot-c", "rootSnapshotList": [tree]})
    assert [(each.name, each.depth, each.parent) for each in found.snapshots] == [
        ("a", 1, None), ("b", 2, "snapshot-a"), ("d", 2, "snapshot-a"), ("c", 3, "snapshot-b"),
    ]  # fmt: skip
    assert found.snapshots[0].created == datetime(2026, 11, 20, 2, tzinfo=UTC)
    assert [each.powered_on for each in found.snapshots] == [False, False, True, False]
    assert [each.quiesced for each in found.snapshots] == [False, False, True, False]
    assert (found.depth, found.current_depth) == (3, 3)


@pytest.mark.parametrize("created", [None, "2026-11-20", 5])
def test_a_snapshot_that_cannot_be_understood_is_not_dropped_in_silence(created: Any) -> None:
    found = read(snapshot={"rootSnapshotList": [_tree("a", created)]})
    assert found.missing == {"snapshot": "not understood"}


def test_disks_and_what_snapshots_cannot_hold() -> None:
    backing = {"fileName": "[ds1] web/web.vmdk", "diskMode": "independent_persistent", "sharing": "sharingMultiWriter"}
    label = "deviceInfo"
    devices: list[dict[str, Any]] = [
        {"_type": "ParaVirtualSCSIController", "key": 1000, label: {"label": "SCSI 0"}, "sharedBus": "noSharing"},
        {"_type": "VirtualLsiLogicController", "key": 1001, label: {"label": "SCSI 1"}, "sharedBus": "physicalSharing"},
        {"_type": "VirtualPCIPassthrough", "key": 13000, label: {"label": "PCI device 0"}},
        {
            "_type": "VirtualDisk",
            "key": 2000,
            label: {"label": "Hard disk 1"},
            "capacityInBytes": 4097,
            "backing": backing,
        },
        {"_type": "VirtualDisk", "key": 2001, "capacityInKB": 4, "backing": {"compatibilityMode": "physicalMode"}},
        {"_type": "VirtualE1000", "key": 4000},
    ]
    found = facts.detail(answer(config__hardware__device=devices))
    assert found.shared_buses == ("SCSI 1",)
    assert found.passthrough == ("PCI device 0",)
    assert found.disks is not None
    first, second = found.disks
    assert (first.label, first.file, first.mode) == ("Hard disk 1", "[ds1] web/web.vmdk", "independent_persistent")
    assert (first.capacity, first.shared, first.physical) == (4097, True, False)
    assert (second.label, second.capacity, second.physical) == ("device 2001", 4096, True)


def test_a_layout() -> None:
    files = [{"key": 0, "name": "[ds1] web/web.vmdk", "type": "diskDescriptor", "size": 5}, {"name": "no key"}]
    when = datetime(2026, 11, 23, tzinfo=UTC)
    given_layout = {
        "file": files, "disk": [{"key": 2000, "chain": [{"fileKey": [0, 1]}, {"fileKey": [2]}]}], "timestamp": when,
        "snapshot": [
            {"key": "S1", "dataKey": 7, "memoryKey": -1, "disk": [{"key": 2000, "chain": [{"fileKey": [0, 1]}]}]},
            {"key": "S2", "dataKey": 8, "memoryKey": 9},
        ],
    }  # fmt: skip
    found = facts.detail(answer(layoutEx=given_layout)).layout
    assert found is not None
    assert list(found.files) == [0]
    assert found.chains == {2000: ((0, 1), (2,))}
    assert found.frozen == {"S1": Frozen({2000: ((0, 1),)}, 7, NO_MEMORY), "S2": Frozen({}, 8, 9)}
    assert found.updated == when


def test_without_files_and_hardware() -> None:
    found = facts.detail(ManagedObject("VirtualMachine", "vm-1", {}, {}))
    assert (found.layout, found.disks) == (None, None)


@pytest.mark.parametrize(
    ("state", "running"), [("running", True), ("queued", True), ("success", False), ("error", False)]
)
def test_whether_a_task_runs(state: str, running: bool) -> None:  # noqa: FBT001 - the expected answer
    assert facts.is_running(ManagedObject("Task", "task-1", {"info.state": state}, {})) is running
    assert facts.is_running(ManagedObject("Task", "task-1", {}, {"info.state": "NoPermission"})) is None


def test_a_datastore() -> None:
    found = facts.datastore(ManagedObject("Datastore", "d", {"summary.name": "ds1", "summary.freeSpace": 5}, {}))
    assert (found.name, found.free, found.capacity, found.accessible) == ("ds1", 5, None, None)


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["key", "snapshot", "rootSnapshotList", "createTime", "file", "disk", "chain", "fileKey"]),
        inner, max_size=3,
    ),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([*facts.SLIM_PATHS, *facts.DETAIL_PATHS]), JUNK, max_size=6))
def test_an_answer_of_unexpected_kinds_is_read_without_a_crash(properties: dict[str, Any]) -> None:
    each = ManagedObject("VirtualMachine", "vm-1", properties, {})
    facts.machine(each, "u", {})
    facts.detail(each)
