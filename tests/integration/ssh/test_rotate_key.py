"""Our key replaced on real servers: sshd decides who gets in, the worker dies or the link breaks at every step."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import paramiko
import pyrage
import pytest

from lab.keys import write_key
from lab.sshd import SshServer
from ronde.adapters.files.playbooks import load_playbooks
from ronde.adapters.secrets import FileSecrets
from ronde.adapters.ssh import SshShells
from ronde.adapters.ssh.keys import OpenSshKeys
from ronde.engine.ordering import Request
from ronde.engine.parts import Engine
from ronde.engine.redacting import KnownSecrets
from ronde.model.command import Answer, Command
from ronde.model.errors import AuthRefused, ConnectionLost
from ronde.model.inventory import Client
from ronde.model.playbook import Named
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from ronde.ports import Listener, Shell, Signal
from tests.doubles.engine import CLIENT, SCOPE, Surroundings, client, inventory
from tests.doubles.key_hosts import Fuse, Killed, carried_through, fuse_ledger
from tests.doubles.shell import NeverStop, WallClock
from tests.doubles.ssh_hosts import Grounds
from tests.integration.ssh.conftest import PATIENT

OTHERS = ["# who may come in", 'from="127.0.0.1",command="echo hi" ssh-ed25519 AAAAC3Nz someone']
OPTIONS = 'from="127.0.0.0/8",restrict,port-forwarding'
SHIPPED = Path(__file__).resolve().parents[3] / "playbooks"
PLAYBOOK = """\
title: {fr: Clé, en: Key}
description: {fr: Clé, en: Key}
target: linux
risk: change
steps: [{id: rotate, rotate_key: {comment: ronde}, repeat: safe}]
"""


@dataclass
class FusedShells:
    """Real shells, with a fuse before and after everything that is asked of a host."""

    shells: SshShells
    fuse: Fuse

    @contextmanager
    def open(self, client: Client, host: str, signal: Signal) -> Iterator[Shell]:
        self.fuse.burn()
        with self.shells.open(client, host, signal) as shell:
            yield FusedShell(shell, self.fuse)


@dataclass
class FusedShell:
    shell: Shell
    fuse: Fuse

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        self.fuse.burn()
        answer = self.shell.run(command, listen)
        self.fuse.burn()
        return answer

    def close(self) -> None:
        self.shell.close()


@dataclass
class Ground:
    """Real hosts that share a real key, and an engine that may die at any moment."""

    folder: Path
    reference: str
    store: FileSecrets
    servers: dict[str, SshServer]
    around: Surroundings
    engine: Engine
    fuse: Fuse
    shells: SshShells

    def rotate(self, *hosts: str, playbook: str = "adhoc/keys") -> list[JobRecord]:
        return carried_through(self.around, self.engine, Request(playbook, (CLIENT,), hosts, "alice"))

    def opens(self, host: str, private: bytes) -> bool:
        """What sshd itself says to somebody with this key."""
        path = self.folder / "tried"
        path.write_bytes(private + b"\n")
        ours = self.around.inventories.current().clients[CLIENT]
        entry = ours.hosts[host].model_copy(update={"key": f"file://{path}", "via": None})
        seen = ours.model_copy(update={"hosts": {host: entry}})
        try:
            with SshShells(FileSecrets(None, None, None), WallClock(), PATIENT).open(seen, host, NeverStop()) as shell:
                return shell.run(Command(("true",))).exit_status == 0
        except AuthRefused:
            return False

    def file(self, host: str) -> Path:
        return self.servers[host].home / ".ssh" / "authorized_keys"


def lost() -> ConnectionLost:
    return ConnectionLost("the link broke")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Ground]]:
    """Grounds on demand; `via` names a jump host for all others."""
    with ExitStack() as stack:

        def made(*names: str, kind: str = "file", via: str | None = None) -> Ground:
            return stack.enter_context(grounds(tmp_path, names, kind, via))

        yield made


@contextmanager
def grounds(folder: Path, names: tuple[str, ...], kind: str, via: str | None) -> Iterator[Ground]:
    first = folder / "first"
    line = write_key(first)
    store, reference = stored(folder, kind, first.read_bytes())
    site, servers = Grounds(folder), {}
    with ExitStack() as running:
        for name in names:
            server = server_for(site, name, line)
            running.enter_context(server)
            servers[name] = server
        jump = {name: {"via": via} if via and name != via else {} for name in names}
        entries = {name: site.entry(server, key=reference, **jump[name]) for name, server in servers.items()}
        yield ground(folder, reference, store, servers, client(hosts={n: e.model_dump() for n, e in entries.items()}))


def server_for(site: Grounds, name: str, line: str) -> SshServer:
    server = site.server(name)
    path = server.home / ".ssh" / "authorized_keys"
    server.extra_config = [f'AuthorizedKeysFile "{path}"']
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text("\n".join([OTHERS[0], f"{OPTIONS} {line} us", OTHERS[1]]), encoding="utf-8")
    path.chmod(0o640)
    return server


def stored(folder: Path, kind: str, private: bytes) -> tuple[FileSecrets, str]:
    identity = folder / "identity"
    identity.write_text(f"{pyrage.x25519.Identity.generate()}\n", encoding="utf-8")
    identity.chmod(0o600)
    store = FileSecrets(folder / "secrets", identity, None)
    (folder / "secrets" / "acme").mkdir(parents=True)
    reference = "age://acme/ssh" if kind == "age" else f"file://{folder}/secrets/acme/ssh"
    store.replace(reference, private)
    return store, reference


def ground(folder: Path, reference: str, store: FileSecrets, servers: dict[str, SshServer], ours: Client) -> Ground:
    fuse, around = Fuse(), Surroundings()
    around.inventories.inventory = inventory(ours)
    secrets = KnownSecrets(store)
    shells = SshShells(secrets, WallClock(), PATIENT)
    engine = replace(
        around.engine(),
        shells=FusedShells(shells, fuse),
        secrets=secrets,
        keys=OpenSshKeys(),
        playbooks=playbooks(folder),
    )
    fuse_ledger(around, fuse)
    return Ground(folder, reference, store, servers, around, engine, fuse, shells)


def playbooks(folder: Path) -> dict[str, Named]:
    (folder / "playbooks" / "adhoc").mkdir(parents=True)
    (folder / "playbooks" / "adhoc" / "keys.yaml").write_text(PLAYBOOK, encoding="utf-8")
    return {**load_playbooks(SHIPPED), **load_playbooks(folder / "playbooks")}


@pytest.mark.parametrize(("kind", "playbook"), [("file", "adhoc/rotate-ssh-key"), ("age", "adhoc/keys")])
def test_sshd_takes_the_new_key_and_refuses_the_old(make: Callable[..., Ground], kind: str, playbook: str) -> None:
    here = make("srv", kind=kind)
    old = here.store.read(here.reference)
    (job,) = here.rotate("srv", playbook=playbook)
    assert job.state is JobState.SUCCEEDED, job.trouble
    new = here.store.read(here.reference)
    assert (here.opens("srv", new), here.opens("srv", old)) == (True, False)
    line = f"{OPTIONS} {OpenSshKeys().public_line(new)} ronde"
    assert here.file("srv").read_text() == "\n".join([OTHERS[0], line, OTHERS[1], ""])
    assert here.file("srv").stat().st_mode & 0o777 == 0o640
    assert [each.name for each in here.file("srv").parent.iterdir()] == ["authorized_keys"]
    kept = {path.name.removesuffix(".age") for path in (here.folder / "secrets" / "acme").iterdir()}
    assert kept == {"ssh", "ssh.rotation", ".ronde.lock"}


def test_a_jump_host_shares_the_key_and_is_rotated_with_the_rest(make: Callable[..., Ground]) -> None:
    here = make("bastion", "inside", via="bastion")
    old = here.store.read(here.reference)
    here.rotate("bastion")
    assert here.store.read(here.reference) == old
    (job,) = here.rotate("inside")
    assert job.state is JobState.SUCCEEDED, job.trouble
    new = here.store.read(here.reference)
    assert (here.opens("inside", old), here.opens("bastion", old)) == (False, True)
    (job,) = here.rotate("bastion")
    assert job.state is JobState.SUCCEEDED, job.trouble
    assert {here.opens(host, key) for host in ("bastion", "inside") for key in (old,)} == {False}
    assert {here.opens(host, new) for host in ("bastion", "inside")} == {True}


@pytest.mark.parametrize("how", [Killed, lost])
def test_at_every_step_the_secret_in_force_opens_the_host(make: Callable[..., Ground], how: Any) -> None:
    """The fuse goes off after one thing more in each of many rotations of one host, until one runs through.

    Every other trace is enough: what is just before one thing is just behind the one before.
    """
    here = make("srv")
    for traces in range(1, 100, 2):
        before = here.store.read(here.reference)
        seen: list[bool] = []

        def gone_off(seen: list[bool] = seen) -> BaseException:
            seen.append(here.opens("srv", here.store.read(here.reference)))
            error: BaseException = how()
            return error

        here.fuse.left, here.fuse.how = traces, gone_off
        (job,) = here.rotate("srv")
        here.fuse.left = None
        assert job.state is JobState.SUCCEEDED, (traces, job.trouble)
        after = here.store.read(here.reference)
        assert (here.opens("srv", after), here.opens("srv", before)) == (True, False), traces
        assert seen in ([True], [])
        if not seen:
            break
    assert traces > 20
    rest = [line for line in here.file("srv").read_text().split("\n") if not line.startswith(OPTIONS)]
    assert rest == [*OTHERS, ""]


def test_a_host_that_takes_no_such_key_keeps_the_old_one(make: Callable[..., Ground]) -> None:
    here = make("srv")
    old = rsa(here)
    here.servers["srv"].stop()
    here.servers["srv"].extra_config = [*here.servers["srv"].extra_config, "PubkeyAcceptedAlgorithms rsa-sha2-512"]
    here.servers["srv"].start()
    before = here.file("srv").read_text()
    (job,) = here.rotate("srv")
    assert job.state is JobState.FAILED
    assert "refuses the new key" in str(job.trouble)
    assert here.store.read(here.reference) == old
    assert here.file("srv").read_text().rstrip("\n") == before.rstrip("\n")
    assert here.opens("srv", old)


def rsa(here: Ground) -> bytes:
    """Let the host know us by an RSA key instead."""
    path = here.folder / "rsa"
    line = write_key(path, "rsa")
    here.store.replace(here.reference, path.read_bytes())
    here.file("srv").write_text(f"{OPTIONS} {line} us\n", encoding="utf-8")
    return here.store.read(here.reference)


def test_no_private_key_is_seen_anywhere(
    make: Callable[..., Ground], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    here = make("srv", kind="age")
    asked: list[Command] = []
    run = FusedShell.run

    def noted(shell: FusedShell, command: Command, listen: Listener | None = None) -> Answer:
        asked.append(command)
        return run(shell, command, listen)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FusedShell, "run", noted)
        keys = [here.store.read(here.reference)]
        here.rotate("srv")
        keys.append(here.store.read(here.reference))
    secrets = [line for key in keys for line in key.splitlines()[1:-1]]
    secrets.append(paramiko.Ed25519Key.from_private_key(io.StringIO(keys[1].decode() + "\n")).asbytes())
    said = repr(here.around.ledger._t) + repr(here.around.spoken.__dict__) + caplog.text + "".join(capfd.readouterr())
    sent = b"".join(b"\0".join(map(str.encode, each.argv)) + each.stdin + repr(each.env).encode() for each in asked)
    on_host = b"".join(path.read_bytes() for path in here.servers["srv"].root.rglob("*") if path.is_file())
    at_rest = b"".join(path.read_bytes() for path in (here.folder / "secrets").rglob("*") if path.is_file())
    assert len(asked) > 6
    for secret in secrets[:-1]:
        assert secret not in said.encode() + sent + on_host + at_rest
    assert len(here.around.ledger.evidence(SCOPE, here.around.runs()[0].jobs[0].id)) > 6
