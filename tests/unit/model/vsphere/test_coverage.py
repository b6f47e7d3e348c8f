"""The reconciliation of machines with backups: no machine is left without a word."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.inventory import Client
from ronde.model.verdict import Severity
from ronde.model.vsphere.coverage import Bearer, Coverage, reconcile

TODAY = date(2026, 11, 23)


def client(
    hosts: dict[str, Any] | None = None, exempt: list[dict[str, str]] | None = None, vcenters: int = 1
) -> Client:
    """Hosts by name as `{"backups": {name: [vm, …]}, "vm": …}`."""
    vcenter = {"address": "192.0.2.1", "user": "u", "password": "age://acme/vc", "certificate": "vc.pem"}
    return Client.model_validate(
        {
            "client": "acme",
            "name": "Acme",
            "hosts": {name: _host(**entry) for name, entry in (hosts or {}).items()},
            "exempt": exempt or [],
            "vcenters": {f"vc{i + 1}": vcenter for i in range(vcenters)},
        }
    )


def _host(backups: dict[str, list[str]] | None = None, vm: str | None = None) -> dict[str, Any]:
    made = [
        {"name": name, "tool": "dump", "path": "/b/*", "format": "plain", "vm": machines}
        for name, machines in (backups or {}).items()
    ]
    return {"address": "192.0.2.9", "user": "ronde", "key": "age://acme/ssh", "vm": vm, "backups": made}


def bearers(*names: str) -> list[Bearer]:
    return [Bearer(f"uuid/VirtualMachine/vm-{i}", name) for i, name in enumerate(names)]


def rules(coverage: Coverage) -> list[tuple[str, Severity]]:
    return [(finding.rule, finding.severity) for finding in coverage.findings]


def test_a_machine_is_covered_by_the_backup_of_its_host() -> None:
    (found,) = reconcile(client({"web": {"backups": {"documents": []}}}), bearers("web"), TODAY)
    assert (found.backups, found.findings) == (("web/documents",), ())


def test_a_host_without_backups_covers_nothing() -> None:
    (found,) = reconcile(client({"web": {}}), bearers("web"), TODAY)
    assert rules(found) == [("vm-uncovered", Severity.WARNING)]


def test_a_machine_is_covered_by_name_from_elsewhere() -> None:
    hosts = {"backup": {"backups": {"images": ["web", "db"], "more": ["web"]}}}
    web, db = reconcile(client(hosts), bearers("web", "db"), TODAY)
    assert web.backups == ("backup/images", "backup/more")
    assert db.backups == ("backup/images",)


def test_a_host_that_has_another_name_as_a_machine() -> None:
    hosts = {"web": {"backups": {"documents": []}, "vm": "SRV-WEB-01"}}
    named, other = reconcile(client(hosts), bearers("SRV-WEB-01", "web"), TODAY)
    assert named.backups == ("web/documents",)
    assert rules(other) == [("vm-uncovered", Severity.WARNING)]


def test_names_are_matched_as_people_write_them() -> None:
    """Host names are in lower case in the inventory, machine names often in capitals."""
    (found,) = reconcile(client({"srv-web": {"backups": {"d": []}}}), bearers("SRV-WEB"), TODAY)
    assert found.backups == ("srv-web/d",)


@pytest.mark.parametrize(
    ("until", "rule", "severity"),
    [
        ("2026-11-24", "vm-exempt", Severity.INFO),
        ("2026-11-23", "vm-exempt", Severity.INFO),
        ("2026-11-22", "exemption-expired", Severity.WARNING),
    ],
)
def test_an_exemption_holds_through_its_last_day(until: str, rule: str, severity: Severity) -> None:
    exempt = [{"vm": "template", "reason": "a template", "until": until}]
    (found,) = reconcile(client(exempt=exempt), bearers("template"), TODAY)
    assert rules(found) == [(rule, severity)]
    assert found.findings[0].evidence == {"reason": "a template", "until": until}


def test_the_longer_of_two_exemptions_counts() -> None:
    exempt = [
        {"vm": "t", "reason": "new reason", "until": "2027-01-01"},
        {"vm": "t", "reason": "old", "until": "2026-01-01"},
    ]
    (found,) = reconcile(client(exempt=exempt), bearers("t"), TODAY)
    assert rules(found) == [("vm-exempt", Severity.INFO)]


def test_a_backup_outweighs_an_exemption() -> None:
    exempt = [{"vm": "web", "reason": "forgotten", "until": "2020-01-01"}]
    (found,) = reconcile(client({"web": {"backups": {"d": []}}}, exempt), bearers("web"), TODAY)
    assert (found.backups, found.findings) == (("web/d",), ())


def test_vsphere_looks_after_its_own_helpers() -> None:
    helper = Bearer("k", "vCLS-1", managed_by="com.vmware.vim.eam")
    named_so = Bearer("l", "vCLS-2")
    found = reconcile(client(), [helper, named_so], TODAY)
    assert [rules(each) for each in found] == [[("vm-of-vsphere", Severity.INFO)], [("vm-uncovered", Severity.WARNING)]]


def test_two_machines_of_one_name_are_not_covered_by_guessing() -> None:
    found = reconcile(client({"web": {"backups": {"d": []}}}), bearers("web", "WEB", "db"), TODAY)
    assert [rules(each)[0] for each in found] == [
        ("vm-name-ambiguous", Severity.UNKNOWN),
        ("vm-name-ambiguous", Severity.UNKNOWN),
        ("vm-uncovered", Severity.WARNING),
    ]
    assert [rules(each)[0][0] for each in reconcile(client(), bearers("web", "web"), TODAY)] == ["vm-uncovered"] * 2


def test_a_backup_of_a_machine_that_does_not_exist() -> None:
    hosts = {"backup": {"backups": {"images": ["Old-Server"]}}, "web": {"backups": {"d": []}, "vm": "gone"}}
    found = reconcile(client(hosts), bearers("backup"), TODAY)
    assert [(each.name, each.key, rules(each)) for each in found[1:]] == [
        ("gone", None, [("backup-vm-missing", Severity.WARNING)]),
        ("Old-Server", None, [("backup-vm-missing", Severity.WARNING)]),
    ]


def test_a_physical_host_is_no_missing_machine() -> None:
    assert reconcile(client({"nas": {"backups": {"d": []}}}), [], TODAY) == []


def test_an_exemption_of_a_machine_that_does_not_exist() -> None:
    exempt = [{"vm": "gone", "reason": "was one", "until": "2027-01-01"}]
    (found,) = reconcile(client(exempt=exempt), [], TODAY)
    assert rules(found) == [("exempt-vm-missing", Severity.INFO)]


def test_with_several_vcenters_a_name_may_live_on_another() -> None:
    hosts = {"backup": {"backups": {"images": ["far"]}}}
    (found,) = reconcile(client(hosts, vcenters=2), [], TODAY)
    assert rules(found) == [("backup-vm-missing", Severity.INFO)]
    assert reconcile(client(hosts, vcenters=2), [], TODAY, frozenset({"FAR"})) == []


NAME = st.sampled_from(["web", "WEB", "db", "mail", "Mail", "x"])


@given(st.lists(NAME, max_size=6), st.lists(NAME, max_size=3), st.lists(NAME, max_size=3))
def test_every_machine_is_covered_or_spoken_of(names: list[str], backed: list[str], exempted: list[str]) -> None:
    hosts = {"vault": {"backups": {"images": backed}}} if backed else {}
    exempt = [{"vm": name, "reason": "because", "until": "2027-01-01"} for name in exempted]
    found = reconcile(client(hosts, exempt), bearers(*names), TODAY)
    mine = found[: len(names)]
    assert [each.name for each in mine] == names
    assert all(bool(each.backups) != bool(each.findings) for each in mine)
    folded = [name.casefold() for name in names]
    for each in mine:
        once = folded.count(each.name.casefold()) == 1
        wanted = {name.casefold() for name in [*backed, "vault"] if backed}
        assert bool(each.backups) == (once and each.name.casefold() in wanted)
