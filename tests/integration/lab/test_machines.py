"""Hosts of the lab that are whole machines."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.machines import Machine
from lab.process import marked
from lab.sockets import greeting
from lab.world import Lab
from ronde.adapters.files.inventory import load_inventory
from tests.integration.lab.clients import connect, say
from tests.integration.lab.looking import look
from tests.integration.machines.conftest import BUILDING

pytestmark = BUILDING


def machine(lab: Lab, name: str) -> Machine:
    server = lab.servers[name]
    assert isinstance(server, Machine)
    return server


def client_key(lab: Lab, client: str) -> Path:
    return lab.directory / "keys" / client / "id_ed25519"


def test_a_lab_that_is_asked_for_no_machine_has_none(lab: Lab) -> None:
    assert not any(isinstance(server, Machine) for server in lab.servers.values())
    assert not {"srv-applis", "srv-salle"} & set(lab.servers)


def test_a_host_with_backups_is_as_healthy_on_a_machine_and_has_services_to_restart(lab: Lab) -> None:
    lab.up(["srv-fichiers", "srv-applis"], machines=["srv-fichiers"])
    assert {outcome.verdict for outcome in look(lab) if outcome.target == "srv-fichiers"} == {"ok"}
    with connect(machine(lab, "srv-fichiers"), client_key(lab, "commune-exemple")) as client:
        before = say(client, "systemctl show --value --property MainPID cron")
        assert say(client, "systemctl restart cron; echo $?") == "0"
        assert say(client, "systemctl show --value --property MainPID cron") not in {before, "0"}
    with connect(machine(lab, "srv-applis"), client_key(lab, "commune-exemple")) as client:
        assert say(client, "hostname; systemctl is-active temoin").split() == ["srv-applis", "active"]


def test_the_faults_of_hosts_are_faults_of_machines(lab: Lab) -> None:
    lab.up(["srv-salle"])
    salle = machine(lab, "srv-salle")
    keys = salle.public_keys
    lab.break_("wrong-host-key", "srv-salle")
    assert salle.public_keys != keys
    assert greeting(salle.address, salle.port).startswith(b"SSH-2.0-")
    lab.mend("wrong-host-key", "srv-salle")
    assert salle.public_keys == keys
    lab.break_("host-down", "srv-salle")
    assert salle.process is None
    lab.mend("host-down", "srv-salle")
    connect(salle, client_key(lab, "ecole-modele")).close()


def test_another_command_finds_the_machines_and_takes_them_down(lab: Lab) -> None:
    lab.up(["srv-salle"])
    init = machine(lab, "srv-salle").init
    assert init is not None
    other = Lab(lab.directory)
    assert other.status()[0].running
    other.down()
    assert not init.alive()
    assert not marked(lab.directory)


def test_each_up_gives_a_machine_a_new_disk_and_the_inventory_its_place(lab: Lab) -> None:
    lab.up(["srv-salle"])
    machine(lab, "srv-salle").run(["touch", "/var/lost"])
    lab.up(["srv-salle"])
    salle = machine(lab, "srv-salle")
    assert not salle.inside("/var/lost").exists()
    loaded = load_inventory(lab.inventory, None, datetime.now(UTC))
    assert loaded.inventory is not None, loaded.problems
    entry = loaded.inventory.clients["ecole-modele"].hosts["srv-salle"]
    assert (entry.address, entry.port, entry.user) == (salle.address, salle.port, "root")
    assert list(entry.host_key) == salle.public_keys


def test_what_is_no_host_cannot_be_a_machine(lab: Lab) -> None:
    with pytest.raises(LabError, match="mail is no host"):
        lab.up(machines=["mail"])
