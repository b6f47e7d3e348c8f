"""A machine behind a VM follows what is done to it there; the way through a real patch run is in the patching tests."""

import pytest

from lab.errors import LabError
from tests.integration.machines.conftest import BUILDING, MakeMachine

pytestmark = BUILDING


def test_back_at_a_snapshot_it_is_what_it_was_in_another_boot(make: MakeMachine) -> None:
    with make() as machine:
        before, kept = machine.boot_id, machine.hypervisor
        machine.must("sh", "-c", "echo early >/var/early; rm -r /usr/share/doc/dpkg")
        kept.take("s")
        assert machine.must("systemctl", "is-system-running").strip() == "running"  # it stood still for an instant
        machine.must("sh", "-c", "rm /var/early /etc/issue; echo late >/var/late; mkdir /usr/share/doc/dpkg")
        for _ in range(2):  # it stays kept
            kept.revert("s")
            assert machine.process is None
            kept.on()
            machine.await_ready()
            assert machine.must("cat", "/var/early", "/etc/issue").startswith("early\nDebian")
            assert not machine.inside("/var/late").exists()
            assert not machine.inside("/usr/share/doc/dpkg").exists()
        assert machine.boot_id != before
        kept.remove("s")
        kept.off()
        assert machine.process is None
        with pytest.raises(LabError, match="never kept"):
            kept.revert("s")
