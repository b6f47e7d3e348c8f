import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import paramiko
import pytest

from lab.errors import LabError
from lab.faults import DEMO_FAULTS, FAULTS
from lab.parts import Plan
from lab.process import Process, end, marked, wait_until
from lab.site import SITE
from lab.sockets import greeting
from lab.vcenter.build import cache_directory
from lab.world import Lab
from ronde.adapters.files.inventory import load_inventory
from ronde.adapters.secrets import FileSecrets
from ronde.settings import Settings
from tests.integration.lab.clients import connect, say

CHECKOUT = Path(__file__).resolve().parents[3]


def running(lab: Lab) -> dict[str, bool]:
    return {part.name: part.running for part in lab.status()}


def lab_command(lab: Lab, *arguments: str) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-m", "lab", *arguments, "--dir", str(lab.directory)]
    environment = {**os.environ, "RONDELAB_CACHE": str(cache_directory())}
    return subprocess.Popen(argv, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_inventory_it_writes_is_valid_and_names_every_part(lab: Lab) -> None:
    lab.up()
    loaded = load_inventory(lab.inventory, None, datetime.now(UTC))
    assert loaded.problems == ()
    assert loaded.inventory is not None
    clients = loaded.inventory.clients
    assert set(clients) == {"commune-exemple", "ecole-modele"}
    commune = clients["commune-exemple"]
    assert commune.name == "Commune d'Exemple"
    assert commune.hosts["srv-archives"].via == "bastion"
    assert set(commune.vcenters) == {"vc1"}
    written = {backup.name for client in clients.values() for host in client.hosts.values() for backup in host.backups}
    assert written == {backup.name for client in SITE for host in client.hosts for backup in host.backups}
    for name, server in lab.servers.items():
        (host,) = [client.hosts[name] for client in clients.values() if name in client.hosts]
        assert list(host.host_key) == server.public_keys
    assert running(lab) == dict.fromkeys(running(lab), True)


def test_its_settings_are_settings_of_ronde(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.up(["srv-biblio", "mail", "broker"])
    written = dict(line.split("=", 1) for line in (lab.directory / "ronde.env").read_text().splitlines())
    assert written == lab.environment()
    for name in [name for name in os.environ if name.startswith("RONDE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RONDE_ENV_FILE", str(lab.directory / "ronde.env"))
    settings = Settings()
    assert settings.inventory == lab.inventory
    assert settings.queue_url == lab.broker.url
    assert (settings.smtp_host, settings.smtp_port, settings.smtp_tls) == (lab.mail.address, lab.mail.port, "none")


def test_its_secrets_open_with_its_identity_and_are_readable_by_nobody_else(lab: Lab) -> None:
    lab.up(["srv-fichiers", "srv-biblio"])
    inventory = load_inventory(lab.inventory, None, datetime.now(UTC)).inventory
    assert inventory is not None
    secrets = FileSecrets(lab.directory / "secrets", lab.directory / "identity.age", None)
    for client, name in (("commune-exemple", "srv-fichiers"), ("ecole-modele", "srv-biblio")):
        private = secrets.read(inventory.clients[client].hosts[name].key)
        assert private.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    kept = [path for path in (lab.directory / "secrets").rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} >= {".age"}
    assert {path.stat().st_mode & 0o077 for path in [*kept, lab.directory / "identity.age"]} == {0}


def test_a_host_behind_the_jump_host_is_reached_through_it(lab: Lab) -> None:
    lab.up(["srv-archives"])
    assert set(lab.servers) == {"bastion", "srv-archives"}
    bastion, inner = lab.servers["bastion"], lab.servers["srv-archives"]
    key = lab.directory / "keys/commune-exemple/id_ed25519"
    with connect(bastion, key) as outer:
        transport = outer.get_transport()
        assert transport is not None
        tunnel = transport.open_channel("direct-tcpip", (inner.address, inner.port), ("127.0.0.1", 0))
        with connect(inner, key, through=tunnel) as client:
            assert say(client, "echo $HOME") == str(inner.home)


def test_down_ends_all_that_up_started_and_a_second_up_works(lab: Lab) -> None:
    lab.up(["srv-biblio", "mail", "broker"])
    ports = [part.port for part in lab.status()]
    lab.down()
    assert running(lab) == {"srv-biblio": False, "mail": False, "broker": False}
    assert not marked(lab.directory)
    lab.down()
    lab.up(["srv-biblio", "mail", "broker"])
    assert [part.port for part in lab.status()] == ports
    assert all(running(lab).values())


def test_another_lab_object_on_the_directory_finds_what_is_up(lab: Lab) -> None:
    lab.up(["srv-biblio", "mail"])
    other = Lab(lab.directory)
    assert running(other) == {"srv-biblio": True, "mail": True}
    assert other.status() == lab.status()
    other.down()
    assert not any(running(lab).values())


def test_up_cleans_up_after_a_lab_that_lost_its_memory(lab: Lab) -> None:
    lab.up(["srv-biblio", "mail", "broker"])
    survivors = [part.process for part in (lab.mail, lab.broker, lab.servers["srv-biblio"])]
    for record in lab.directory.glob("**/*process"):
        record.unlink()
    lab.up(["srv-biblio", "mail", "broker"])
    assert all(running(lab).values())
    assert not any(process.alive() for process in survivors if process)


def test_two_labs_live_beside_each_other(lab: Lab, tmp_path: Path) -> None:
    with Lab(tmp_path / "second", lab.parts.plan.network, free_ports=True) as second:
        lab.up(["srv-biblio", "mail"])
        second.up(["srv-biblio", "mail"])
        second.down()
        assert all(running(lab).values())


def test_an_address_that_is_taken_is_an_error_and_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    lab.up(["srv-biblio"])
    taken = {"srv-biblio": lab.servers["srv-biblio"].port}
    (tmp_path / "second").mkdir()
    Plan(lab.parts.plan.network, free_ports=False, ports=taken).save(tmp_path / "second/lab.json")
    second = Lab(tmp_path / "second")
    with pytest.raises(LabError, match="Address already in use"):
        second.up(["srv-biblio", "mail"])
    assert not marked(second.directory)
    assert not any(running(second).values())
    assert running(lab) == {"srv-biblio": True}


@pytest.fixture
def interrupted(lab: Lab) -> Iterator[Lab]:
    """A lab whose `up` was broken off as soon as it had started something."""
    lab.directory.mkdir()
    lab.parts.plan.save(lab.directory / "lab.json")
    command = lab_command(lab, "up")
    try:
        assert wait_until(lambda: bool(marked(lab.directory)), 60)
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=60)
        assert command.returncode == 130, said.decode()
        yield lab
    finally:
        command.kill()
        command.communicate()
        end(marked(lab.directory))


def test_an_up_that_is_broken_off_leaves_no_process(interrupted: Lab) -> None:
    assert not marked(interrupted.directory)
    assert not any(running(interrupted).values())


def test_the_command_line_breaks_shows_and_mends(lab: Lab) -> None:
    lab.up(["srv-cantine"])
    for arguments, status, said in (
        (["break", "host-down"], 0, "broken: host-down on srv-cantine"),
        (["status"], 0, "broken: host-down on srv-cantine, since"),
        (["mend", "host-down"], 0, "mended: host-down on srv-cantine"),
        (["break", "host-down", "--on", "srv-web"], 1, 'this lab has no host "srv-web"'),
        (["--network", lab.parts.plan.network, "down"], 0, "down"),
    ):
        command = lab_command(lab, *arguments)
        output, errors = command.communicate(timeout=60)
        assert command.returncode == status
        assert said in (output + errors).decode()
    assert not any(running(lab).values())


def test_breaking_twice_is_breaking_once_and_mending_what_is_whole_does_nothing(lab: Lab) -> None:
    lab.up(["srv-compta"])
    host, backup = lab.parts.find("paie")
    newest = max(lab.parts.place(host, backup).iterdir(), key=lambda path: path.stat().st_mtime)
    whole = newest.read_bytes()
    lab.mend("truncated-dump")
    lab.break_("truncated-dump")
    cut = newest.read_bytes()
    lab.break_("truncated-dump")
    assert newest.read_bytes() == cut != whole
    assert list(lab.faults()) == ["truncated-dump on paie"]
    Lab(lab.directory).mend("truncated-dump")
    assert newest.read_bytes() == whole
    assert lab.faults() == {}


def test_up_takes_all_faults_out(lab: Lab) -> None:
    lab.up(["srv-biblio", "srv-cantine"])
    keys = lab.servers["srv-biblio"].public_keys
    lab.break_("wrong-host-key")
    lab.break_("host-down")
    assert lab.servers["srv-biblio"].public_keys != keys
    lab.up(["srv-biblio", "srv-cantine"])
    assert lab.faults() == {}
    assert all(running(lab).values())
    assert lab.servers["srv-biblio"].public_keys == keys


def test_a_host_that_is_down_refuses_and_comes_back(lab: Lab) -> None:
    lab.up(["srv-cantine"])
    server = lab.servers["srv-cantine"]
    lab.break_("host-down")
    assert greeting(server.address, server.port) == b""
    assert running(lab) == {"srv-cantine": False}
    lab.mend("host-down")
    assert greeting(server.address, server.port).startswith(b"SSH-2.0-")


def test_a_mute_host_accepts_and_says_nothing(lab: Lab) -> None:
    lab.up(["srv-labo"])
    server = lab.servers["srv-labo"]
    lab.break_("mute-host")
    with paramiko.SSHClient() as client, pytest.raises(paramiko.SSHException, match="banner"):
        client.connect(server.address, server.port, server.user, banner_timeout=0.5, look_for_keys=False)
    lab.mend("mute-host")
    assert greeting(server.address, server.port).startswith(b"SSH-2.0-")
    assert len([part for part in marked(lab.directory) if part != server.process]) == 0


def test_a_slow_host_does_what_it_is_told_a_second_late(lab: Lab) -> None:
    lab.up(["srv-archives"])
    lab.break_("slow-host")
    server = lab.servers["srv-archives"]
    argv = ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-p", str(server.port)]
    key = str(lab.directory / "keys/commune-exemple/id_ed25519")
    argv += ["-i", key, f"{server.user}@{server.address}", "echo 'a  b'; exit 3"]
    began = datetime.now(UTC)
    done = subprocess.run(argv, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (3, b"a  b\n")
    assert (datetime.now(UTC) - began).total_seconds() >= 1
    lab.mend("slow-host")
    assert "ForceCommand" not in (server.directory / "sshd_config").read_text()


def test_mail_faults_are_put_in_and_taken_out(lab: Lab) -> None:
    lab.up(["mail"])
    lab.break_("mail-down")
    assert greeting(lab.mail.address, lab.mail.port) == b""
    lab.mend("mail-down")
    for fault, behaviour in (("mail-defers", "defer"), ("mail-refuses", "refuse"), ("mail-drops", "drop-after-data")):
        lab.break_(fault)
        assert (lab.mail.directory / "behaviour").read_text() == behaviour
        lab.mend(fault)
        assert (lab.mail.directory / "behaviour").read_text() == "accept"
    assert greeting(lab.mail.address, lab.mail.port).startswith(b"220")


def test_unknown_names_are_refused_with_the_known_ones(lab: Lab) -> None:
    with pytest.raises(LabError, match="it knows stale-backup"):
        lab.break_("stale-bakup")
    with pytest.raises(LabError, match="no part srv-nowhere; it has bastion"):
        lab.up(["srv-nowhere"])
    lab.up(["srv-biblio"])
    for absent in ("mail-down", "vcenter-down"):
        with pytest.raises(LabError, match="this lab has no"):
            lab.break_(absent)
    assert lab.faults() == {}


def test_the_faults_of_the_demo_exist_on_subjects_that_exist() -> None:
    subjects = {backup.name: host.name for client in SITE for host in client.hosts for backup in host.backups}
    targets = {host.name: client.id for client in SITE for host in client.hosts} | {"vc1": "commune-exemple"}
    for expected in DEMO_FAULTS:
        assert expected.fault in FAULTS
        assert targets[expected.target] == expected.client
        if expected.target != "vc1" and expected.subject:
            assert subjects[expected.subject] == expected.target
        if expected.target != "vc1" and not expected.subject:
            assert FAULTS[expected.fault].default == expected.target


def test_a_crash_in_mid_break_is_mended_all_the_same(lab: Lab) -> None:
    lab.up(["srv-compta"])
    host, backup = lab.parts.find("paie")
    newest = max(lab.parts.place(host, backup).iterdir(), key=lambda path: path.stat().st_mtime)
    whole = newest.read_bytes()
    lab.break_("truncated-dump")
    state = json.loads((lab.directory / "faults.json").read_text())
    assert list(state) == ["truncated-dump on paie"]
    newest.unlink()  # whatever the crash left of it
    lab.mend("truncated-dump")
    assert newest.read_bytes() == whole


def test_a_pid_that_now_belongs_to_another_is_left_alone(lab: Lab) -> None:
    lab.up(["mail"])
    lab.mail.stop()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        Process(bystander.pid, 1).save(lab.mail.directory / "process")
        lab.down()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
