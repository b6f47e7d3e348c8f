"""The lab's vCenter itself: it outlives the object that started it, and comes back as the same one."""

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.vcenter import VCenterServer
from ronde.adapters.vsphere import scan_certificate


def test_another_object_finds_it_and_stops_it(tmp_path: Path) -> None:
    first = VCenterServer(tmp_path, vms=["web"]).start()
    second = VCenterServer(tmp_path)
    assert second.port == first.port
    assert second.machines() == {"web": "vm-27"}
    second.stop()
    assert first.process is None
    with pytest.raises(LabError, match="does not run"):
        first.machines()


def test_it_comes_back_on_its_port_with_its_certificate(tmp_path: Path) -> None:
    server = VCenterServer(tmp_path, vms=["web"])
    with server:
        port, shown = server.port, scan_certificate(server.address, server.port)
    with server:
        assert server.port == port
        assert scan_certificate(server.address, port) == shown


def test_starting_twice_is_starting_once(tmp_path: Path) -> None:
    with VCenterServer(tmp_path, vms=["web"]) as server:
        process = server.process
        assert server.start().process == process


def test_nothing_is_left_on_the_disk_but_what_makes_it_the_same(tmp_path: Path) -> None:
    with VCenterServer(tmp_path, vms=3) as server:
        assert any((tmp_path / "tmp").iterdir())
        assert len(server.machines()) == 3
    assert not (tmp_path / "tmp").exists()


def test_an_order_it_does_not_know_is_refused(tmp_path: Path) -> None:
    with VCenterServer(tmp_path, vms=["web"]) as server:
        with pytest.raises(LabError, match="nobody"):
            server.consolidation_needed("nobody")
        with pytest.raises(LabError, match="no property"):
            server.set("web", "runtime.nonsense", 1)
