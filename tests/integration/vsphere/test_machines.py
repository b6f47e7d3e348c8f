"""The check of machines against the simulator: the lab's faults are found, and the calls stay few."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.vcenter import VCenterServer
from ronde.adapters.vsphere import PyVmomiVCenters
from ronde.engine.machines import MachinesRequest, check_machines
from ronde.model.check import Check
from ronde.model.inventory import Client
from ronde.model.inventory import VCenter as Entry
from ronde.model.verdict import Verdict
from tests.doubles.shell import NeverStop, WallClock

DAY = timedelta(days=1)
GIB = 1024**3


class Password:
    def __init__(self, password: str) -> None:
        self._password = password

    def read(self, reference: str) -> bytes:
        return self._password.encode()


def check(server: VCenterServer, name: str = "vc1") -> dict[tuple[str, str], Check]:
    entry = Entry(
        address=server.address, port=server.port, user=server.user, password="age://a/b", certificate="certificate.pem"
    )
    client = Client(client="acme", name="Acme", vcenters={name: entry})
    vcenters = PyVmomiVCenters(Password(server.password), WallClock(), server.directory)
    with vcenters.open(client, name, NeverStop()) as vcenter:
        found = check_machines(vcenter, MachinesRequest(client, name, datetime.now(UTC), WallClock()))
    return {(each.kind, each.subject): each for each in found}


def rules(each: Check) -> set[str]:
    return {finding.rule for finding in each.findings}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[VCenterServer]:
    with VCenterServer(tmp_path, vms=["web", "db", "mail", "proxy"]) as running:
        yield running


def test_healthy_machines_are_in_order(server: VCenterServer) -> None:
    found = check(server)
    assert {each.verdict for (kind, _), each in found.items() if kind != "coverage"} == {Verdict.OK}


def test_each_fault_of_the_lab_is_found_where_it_was_made(server: VCenterServer) -> None:
    server.add_snapshot("web", "avant mise à jour", 5 * DAY, size=2 * GIB, memory=True, memory_size=GIB)
    server.deep_chain("db", 17)
    server.consolidation_needed("db")
    server.orphan_delta("mail")
    server.device("proxy", "foreign-disk", "web")
    server.set_datastore(free=90 * GIB, capacity=1000 * GIB)
    server.add_vm("new")
    found = check(server)
    assert rules(found["vm", "web"]) == {"snap-age", "memory-snapshot"}
    assert found["vm", "web"].facts["snapshot_bytes"] == 3 * GIB + 512
    assert rules(found["vm", "db"]) == {"snap-count", "snap-depth", "consolidation-needed"}
    assert rules(found["vm", "mail"]) == {"chain-orphan"}
    assert rules(found["vm", "proxy"]) == {"hotadd-leftover"}
    assert rules(found["vcenter", "vc1"]) == {"ds-free"}
    assert rules(found["coverage", "new"]) == {"vm-uncovered"}


def test_mended_faults_are_gone(server: VCenterServer) -> None:
    server.deep_chain("db", 17)
    server.consolidation_needed("db")
    server.drop_snapshots("db")
    assert rules(check(server)["vm", "db"]) == set()


def test_a_branched_tree_has_no_orphans(server: VCenterServer) -> None:
    server.add_snapshot("web", "root", timedelta(hours=3))
    server.add_snapshot("web", "one", timedelta(hours=2))
    server.add_snapshot("web", "other", timedelta(hours=1), parent="root")
    found = check(server)["vm", "web"]
    assert rules(found) == set()
    assert (found.facts["snapshots"], found.facts["depth"]) == (3, 2)


@pytest.mark.parametrize(
    ("kind", "name", "rule"),
    [
        ("disk-mode", "independent_persistent", "coverage-gap"),
        ("raw", "physicalMode", "coverage-gap"),
        ("shared-bus", "physicalSharing", "snapshot-unsupported"),
        ("passthrough", "", "snapshot-unsupported"),
    ],
)
def test_hardware_that_snapshots_do_not_like(server: VCenterServer, kind: str, name: str, rule: str) -> None:
    server.device("mail", kind, name)
    assert rules(check(server)["vm", "mail"]) == {rule}


def test_what_the_vcenter_does_not_say_is_unknown(server: VCenterServer) -> None:
    server.unset("web", "runtime.consolidationNeeded")
    server.hide("db", "snapshot")
    server.set("mail", "runtime.connectionState", "inaccessible")
    found = check(server)
    for name, rule in (("web", "consolidation-needed"), ("db", "vm-not-readable"), ("mail", "vm-unreachable")):
        assert found["vm", name].verdict is Verdict.UNKNOWN
        assert rules(found["vm", name]) == {rule}


def test_a_custom_attribute_tells_the_last_backup(server: VCenterServer) -> None:
    server.set_attribute("web", "Last Backup", (datetime.now(UTC) - 3 * DAY).isoformat())
    assert rules(check(server)["vm", "web"]) == {"backup-stale"}


def test_the_vcenters_clock_is_compared(server: VCenterServer) -> None:
    server.skew(600)
    server.add_snapshot("web", "fresh", timedelta(hours=1))
    found = check(server)
    assert rules(found["vcenter", "vc1"]) == {"clock-skew"}
    assert rules(found["vm", "web"]) == set()


def test_a_renamed_machine_shows_its_new_name(server: VCenterServer) -> None:
    server.rename("web", "web/2 100%")
    assert ("vm", "web/2 100%") in check(server)


def test_two_vcenters_with_the_same_ids_never_mix(server: VCenterServer, tmp_path: Path) -> None:
    with VCenterServer(tmp_path / "second", vms=["web", "db", "mail", "proxy"]) as second:
        assert server.machines() == second.machines(), "the same names under the same moIds"
        server.add_snapshot("web", "here", 5 * DAY)
        second.add_snapshot("db", "there", 5 * DAY)
        here, there = check(server, "vc1"), check(second, "vc2")
    assert rules(here["vm", "web"]) == rules(there["vm", "db"]) == {"snap-age"}
    assert rules(here["vm", "db"]) == rules(there["vm", "web"]) == set()
    keys = [{each.facts["key"] for (kind, _), each in found.items() if kind == "vm"} for found in (here, there)]
    assert len(keys[0]) == len(keys[1]) == 4
    assert not keys[0] & keys[1]


def test_a_thousand_machines_in_eight_calls_and_their_pages(tmp_path: Path) -> None:
    with VCenterServer(tmp_path, vms=1000) as server:
        found = check(server)
        calls = server.calls()
        assert server.sessions() == 0
    assert sum(1 for kind, _ in found if kind == "vm") == 1000
    pages = calls.pop("ContinueRetrievePropertiesEx")
    assert pages == 3, "1002 objects in the first pass, 1000 in the second, 500 to a page"
    assert sum(calls.values()) <= 8, calls
