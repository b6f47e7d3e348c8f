"""One site for all tests of a process: machines, vCenter, broker, beat and the worker that moves runs on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.machines import MachinePark
from lab.vcenter import VCenterServer
from tests.e2e.installation import CLIENT, Installation
from tests.e2e.patching.site import ON_CALL, Site, prepared, write_playbooks
from tests.integration.machines.conftest import own_network

NAMES = ("srv-1", "srv-2", "srv-3", "srv-4")


@pytest.fixture(scope="session")
def whole_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("patching")
    server = VCenterServer(folder / "vcenter", vms=["idle"])
    with (
        MachinePark(folder / "machines", NAMES, own_network()) as park,
        server as vcenter,
        Installation(folder / "ronde") as ronde,
    ):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(prepared, park.machines.values()))
        _furnish(ronde, vcenter)
        yield Site(ronde, park, vcenter)


def _furnish(ronde: Installation, vcenter: VCenterServer) -> None:
    write_playbooks(ronde.directory / "playbooks")
    ronde.more |= {"RONDE_PLAYBOOKS": str(ronde.directory / "playbooks"), "RONDE_LEASE": "4s"}
    ronde.client = {"windows": {"always": {"at": "00:00-24:00"}}}
    ronde.provider = {"alerts": [ON_CALL], "language": "en"}
    _know(ronde, vcenter)
    ronde.broker.start()
    ronde.mail.start()
    ronde.write_inventory()
    assert ronde.ledger.ping()
    ronde.start_beat()
    ronde.start_worker("control", queues="control")


def _know(ronde: Installation, vcenter: VCenterServer) -> None:
    certificates = ronde.directory / "inventory" / "certificates" / CLIENT
    certificates.mkdir(parents=True)
    (certificates / "vc1.pem").write_text(vcenter.certificate_pem)
    password = _private(ronde.directory / "vc1.password", vcenter.password)
    ronde.vcenters["vc1"] = {
        "address": vcenter.address, "port": vcenter.port, "user": vcenter.user, "password": f"file://{password}",
        "certificate": f"{CLIENT}/vc1.pem",
    }  # fmt: skip


def _private(path: Path, content: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(content)
    return path


@pytest.fixture
def site(whole_site: Site) -> Iterator[Site]:
    """The site, its machines up and its vCenter well behaved, whatever the test before did to them."""
    for machine in whole_site.park.machines.values():
        machine.come_back()
        machine.start()
    whole_site.vcenter.mend()
    whole_site.ronde.mail.clear()
    yield whole_site
    whole_site.vcenter.mend()
