"""Our reading of answers against pyVmomi's own, on everything that the simulator can tell."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import VmomiSupport, vim, vmodl

from lab.vcenter import VCenterServer
from ronde.adapters.vsphere import PyVmomiVCenters
from ronde.adapters.vsphere.decode import NotAnAnswer, read_page
from ronde.adapters.vsphere.session import Session
from ronde.model.inventory import Client
from ronde.model.inventory import VCenter as Entry
from ronde.model.vsphere.objects import Question
from tests.doubles.shell import NeverStop, WallClock

DataObject: Any = VmomiSupport.DataObject  # pyVmomi ships no types for it
WIDE = {
    "VirtualMachine": [
        "name", "parent", "config", "summary", "runtime", "guest", "layoutEx", "layout", "snapshot", "storage",
        "datastore", "network", "recentTask", "disabledMethod", "customValue", "overallStatus", "capability",
    ],
    "Datastore": ["summary", "info", "host", "vm", "capability"],
    "HostSystem": ["name", "hardware", "config", "runtime", "summary", "datastore"],
}  # fmt: skip


class Password:
    def __init__(self, password: str) -> None:
        self._password = password

    def read(self, reference: str) -> bytes:
        return self._password.encode()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with VCenterServer(tmp_path, vms=["web", "db"]) as server:
        server.add_snapshot("web", "à côté <&>", timedelta(days=1), memory=True, memory_size=5)
        server.deep_chain("db", 3)
        server.device("db", "raw", "physicalMode")
        server.set_attribute("web", "Last Backup", "2026-11-23")
        server.hide("db", "runtime")
        entry = Entry(
            address=server.address,
            port=server.port,
            user=server.user,
            password="age://a/b",
            certificate="certificate.pem",
        )
        client = Client(client="acme", name="Acme", vcenters={"vc1": entry})
        vcenters = PyVmomiVCenters(Password(server.password), WallClock(), tmp_path)
        with vcenters.open(client, "vc1", NeverStop()) as opened:
            yield opened


def _without_inventions(his: Any, mine: Any) -> Any:
    """pyVmomi makes False of a flag that the server left out: what we rightly do not have is not compared."""
    if isinstance(his, dict) and isinstance(mine, dict):
        return {
            name: _without_inventions(inner, mine.get(name))
            for name, inner in his.items()
            if name in mine or inner is not False
        }
    if isinstance(his, list) and isinstance(mine, list) and len(his) == len(mine):
        return [_without_inventions(one, other) for one, other in zip(his, mine, strict=True)]
    return his


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one answer for each kind of value
    """pyVmomi's objects as the port describes plain values: slowly, and by its public side only."""
    if isinstance(value, VmomiSupport.ManagedObject):
        return str(value._moId)
    if isinstance(value, DataObject):
        typed = isinstance(value, vim.vm.device.VirtualDevice | vim.vm.device.VirtualDevice.BackingInfo)
        fields = {info.name: _plain(getattr(value, info.name)) for info in value._GetPropertyList()}
        set_ones = {name: inner for name, inner in fields.items() if inner is not None and inner != []}
        return {"_type": value._wsdlName, **set_ones} if typed else set_ones
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, type):
        return getattr(value, "_wsdlName", None)
    return None if value is None else str(value)


def _utc(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _utc(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_utc(inner) for inner in value]
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@pytest.mark.parametrize("kind", WIDE)
def test_we_read_what_pyvmomi_reads(session: Session, kind: str) -> None:
    ours = session.fetch([Question(kind, WIDE[kind])])
    collector: Any = vmodl.query.PropertyCollector
    spec = session._spec(Question(kind, WIDE[kind]), [getattr(vim, kind)], set())
    theirs = session._content.propertyCollector.RetrievePropertiesEx([spec], collector.RetrieveOptions()).objects
    assert [each.id for each in ours] == [each.obj._moId for each in theirs]
    assert ours
    for mine, his in zip(ours, theirs, strict=True):
        assert set(mine.properties) == {found.name for found in his.propSet}
        for found in his.propSet:
            read = _utc(mine.properties[found.name])
            assert read == _without_inventions(_plain(found.val), read), f"{kind} {found.name}"
        assert set(mine.missing) == {lost.path for lost in his.missingSet}


OBJECT = (
    '<returnval><objects><obj type="VirtualMachine">vm-1</obj><propSet><name>p</name>{}</propSet></objects></returnval>'
)


def test_an_unset_flag_stays_unset(session: Session) -> None:
    """Within a data object pyVmomi would read False: that no consolidation is needed where nobody said so."""
    (found, *_) = session.fetch([Question("VirtualMachine", ["summary.runtime"])])
    summary = found.properties["summary.runtime"]
    assert isinstance(summary, dict)
    assert "consolidationNeeded" not in summary


ENVELOPE = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>'
EX = '<RetrievePropertiesExResponse xmlns="urn:vim25">{}</RetrievePropertiesExResponse>'
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def _page(inside: str) -> Any:
    return read_page(ENVELOPE.format(EX.format(inside)).encode(), "RetrievePropertiesEx")


def test_nothing_matches() -> None:
    assert _page("").objects == ()


@pytest.mark.parametrize(
    "text",
    [
        "<html><body>Welcome</body></html>",
        ENVELOPE.format(""),
        ENVELOPE.format('<OtherResponse xmlns="urn:vim25"/>'),
        ENVELOPE.format(EX.format("<returnval><objects/></returnval>")),
        ENVELOPE.format(EX.format(OBJECT.format(""))),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_never_an_empty_one(text: str) -> None:
    with pytest.raises(NotAnAnswer):
        read_page(text.encode(), "RetrievePropertiesEx")


def test_a_missing_page_in_mid_answer_is_no_end() -> None:
    body = ENVELOPE.format('<ContinueRetrievePropertiesExResponse xmlns="urn:vim25"/>')
    with pytest.raises(NotAnAnswer):
        read_page(body.encode(), "ContinueRetrievePropertiesEx")


def test_types_newer_than_the_metadata() -> None:
    value = (
        f'<val {XSI} xsi:type="ArrayOfVirtualDevice"><VirtualDevice xsi:type="VirtualQuantumDisk"><key>7</key>'
        "<spin>up</spin></VirtualDevice></val>"
    )
    page = _page(OBJECT.format(value))
    assert page.objects[0].properties == {"p": [{"_type": "VirtualQuantumDisk", "key": 7}]}


@pytest.mark.parametrize(
    ("type_name", "text", "value"),
    [
        ("xsd:string", "a &lt; b", "a < b"),
        ("xsd:string", "", ""),
        ("xsd:boolean", "1", True),
        ("xsd:boolean", "false", False),
        ("xsd:long", "9223372036854775807", 2**63 - 1),
        ("xsd:double", "0.5", 0.5),
        ("xsd:dateTime", "2026-11-23T04:00:00.123456789Z", datetime(2026, 11, 23, 4, 0, 0, 123456, tzinfo=UTC)),
        ("xsd:dateTime", "2026-11-23T04:00:00", datetime(2026, 11, 23, 4, tzinfo=UTC)),
        ("ArrayOfInt", "<int>1</int><int>2</int>", [1, 2]),
        ("ArrayOfString", "", []),
        ("ManagedObjectReference", "vm-9", "vm-9"),
        ("VirtualMachinePowerState", "poweredOn", "poweredOn"),
    ],
)
def test_the_types_of_the_wire(type_name: str, text: str, value: object) -> None:
    element = f'<val {XSI} xsi:type="{type_name}">{text}</val>'
    page = _page(OBJECT.format(element))
    assert page.objects[0].properties == {"p": value}
