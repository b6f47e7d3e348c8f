"""A whole installation as real processes, on one machine, in one directory: what the fault tests break.

Everything is small so that a test takes seconds: one client whose hosts are real SSH servers with one real dump each,
leases of a few seconds, a roll call every two.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from lab.keys import client_key
from lab.mail import MailSink
from lab.redis import RedisServer
from lab.sshd import SshServer
from ronde.adapters.ledger import SqlLedger
from ronde.model.records import JobRecord, OccurrenceRecord, RunRecord, Scope

T = TypeVar("T")
CLIENT = "commune"
SCOPE = Scope.of(CLIENT)
PYTHON = sys.executable
ROOT = Path(__file__).resolve().parents[2]
DUMP = (
    "--\n-- PostgreSQL database dump\n--\n\n"
    + "".join(f"INSERT INTO marchés VALUES ({number}, 'ligne {number}');\n" for number in range(200))
    + "--\n-- PostgreSQL database dump complete\n--\n\n"
)
# A command on a slow host starts only after so many seconds: long enough to kill somebody in the middle of it.
SLOW_SECONDS = 4


def poll(question: Callable[[], T | None], *, within: float, what: str) -> T:
    """The first truthy answer; fails the test, telling what it waited for, when there is none in time."""
    deadline = time.monotonic() + within
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:.0f} s: {what}")
        time.sleep(0.1)


@dataclass
class Process:
    """One process that a test started, with what it said in `log`."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def kill(self) -> None:
        """kill -9, and wait until the kernel has buried it."""
        self.popen.kill()
        self.popen.wait(10)

    def freeze(self) -> None:
        self.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def stop(self, patience: float = 20) -> int:
        """Ask it to end; the exit status."""
        if self.alive:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
        try:
            return self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def said(self, words: str) -> bool:
        return words in self.log.read_text(errors="replace")


@dataclass
class Installation:
    """One Ronde with its own inventory, ledger, broker and hosts."""

    directory: Path
    hosts: dict[str, SshServer] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    schedules: dict[str, Any] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    vcenters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.broker = RedisServer(self.directory / "redis")
        self.mail = MailSink(self.directory / "mail")
        self._stack = ExitStack()
        self._key, self.public_key = client_key(self.directory)
        self._ledger: SqlLedger | None = None

    # -- what is looked after

    def add_host(self, name: str, *, slow: bool = False, config: Sequence[str] = ()) -> SshServer:
        """A real SSH server with one fresh, whole dump; a slow one sits on every command for a while."""
        home = self.directory / "hosts" / name
        lines = list(config)
        if slow:
            lines.append(f'ForceCommand sleep {SLOW_SECONDS}; exec sh -c "$SSH_ORIGINAL_COMMAND"')
        server = SshServer(name, home, authorized_keys=[self.public_key], extra_config=lines)
        self._stack.enter_context(server)
        dumps = home / "dumps"
        dumps.mkdir(parents=True, exist_ok=True)
        dump = dumps / "mairie.sql"
        dump.write_text(DUMP)
        old = time.time() - 3600
        os.utime(dump, (old, old))
        self.hosts[name] = server
        return server

    def write_inventory(self) -> None:
        """The inventory as it stands; a running installation reads it anew."""
        folder = self.directory / "inventory"
        (folder / "clients").mkdir(parents=True, exist_ok=True)
        yaml = YAML()
        provider = {"name": "Infogérance", "sender": "ronde@infogerance.example"}
        contacts = [{"name": "Mairie", "email": "mairie@commune.example", "receives": ["night"]}]
        client = {
            "client": CLIENT,
            "name": "Commune",
            "timezone": self.zone,
            "contacts": contacts,
            "hosts": {name: self._host(server) for name, server in self.hosts.items()},
            "vcenters": self.vcenters,
            "schedules": self.schedules,
        }
        with (folder / "provider.yml").open("w") as file:
            yaml.dump(provider, file)
        draft = folder / "clients" / f"{CLIENT}.draft"
        with draft.open("w") as file:
            yaml.dump(client, file)
        draft.replace(folder / "clients" / f"{CLIENT}.yml")

    def _host(self, server: SshServer) -> dict[str, Any]:
        return {
            "address": server.address,
            "port": server.port,
            "user": server.user,
            "key": f"file://{self._key}",
            "host_key": list(server.public_keys),
            "backups": [
                {
                    "name": "mairie-db",
                    "tool": "dump",
                    "path": str(server.directory / "dumps" / "*.sql"),
                    "format": "pg_dump",
                    "max_age": "26h",
                    "active": False,
                }
            ],
        }

    # -- processes

    def environment(self) -> dict[str, str]:
        """The settings, tight enough for a fault and its repair to take seconds."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RONDE_")}
        return {
            **kept,
            "RONDE_INVENTORY": str(self.directory / "inventory"),
            "RONDE_DATA_DIR": str(self.directory / "data"),
            "RONDE_BROKER_URL": self.broker.url,
            "RONDE_SMTP_HOST": self.mail.address,
            "RONDE_SMTP_PORT": str(self.mail.port or 1),
            "RONDE_SMTP_TLS": "none",
            "RONDE_LEASE": "6s",
            "RONDE_HEARTBEAT": "1s",
            "RONDE_ROLL_CALL": "2s",
            "RONDE_RESEND_AFTER": "5s",
            "RONDE_RETRY_DELAYS": "1s,2s",
            **self.more,
        }

    def start(self, name: str, *argv: str) -> Process:
        """Start one process of the installation; it is ended with the test."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as file:
            popen = subprocess.Popen(
                argv, env=self.environment(), cwd=self.directory, stdout=file, stderr=file, start_new_session=True
            )
        process = Process(name, popen, log)
        self.processes.append(process)
        return process

    def start_worker(self, name: str = "worker", queues: str = "control,work", threads: int = 8) -> Process:
        """A worker; returns when it takes messages."""
        process = self.start(name, *_celery("worker", "-Q", queues, "-c", str(threads), "-n", f"{name}@test"))
        poll(lambda: process.said("ready.") or not process.alive, within=30, what=f"{name} is ready")
        assert process.alive, process.log.read_text()
        return process

    def start_beat(self, name: str = "beat") -> Process:
        """A beat; returns when it has begun to count."""
        process = self.start(name, *_celery("beat", "--pidfile="))
        poll(lambda: process.said("beat: Starting...") or not process.alive, within=30, what=f"{name} counts")
        assert process.alive, process.log.read_text()
        return process

    def ronde(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return subprocess.run(
            [str(Path(PYTHON).parent / "ronde"), *arguments],
            env=self.environment(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=check,
        )

    def order(self, *arguments: str) -> str:
        """`ronde run backup/check --detach …`; the run's id."""
        done = self.ronde("run", "backup/check", "--client", CLIENT, "--detach", *arguments, check=True)
        return done.stdout.strip()

    # -- what came of it

    @property
    def ledger(self) -> SqlLedger:
        """The same ledger, opened by the test itself."""
        if self._ledger is None:
            (self.directory / "data").mkdir(mode=0o700, exist_ok=True)
            url = self.environment().get("RONDE_DATABASE_URL", f"sqlite:///{self.directory / 'data' / 'ledger.db'}")
            self._ledger = SqlLedger(url)
            self._ledger.upgrade()
        return self._ledger

    def runs(self) -> Sequence[RunRecord]:
        return self.ledger.runs(SCOPE, since=datetime.now(UTC) - timedelta(hours=1), limit=500)

    def run(self, reference: str) -> RunRecord:
        return self.ledger.run(SCOPE, reference)

    def jobs(self) -> Sequence[JobRecord]:
        now = datetime.now(UTC)
        return self.ledger.jobs(SCOPE, since=now - timedelta(hours=1), until=now + timedelta(minutes=1))

    def occurrences(self) -> Sequence[OccurrenceRecord]:
        now = datetime.now(UTC)
        return self.ledger.occurrences(SCOPE, since=now - timedelta(hours=2), until=now + timedelta(minutes=2))

    def finished(self, reference: str, *, within: float) -> RunRecord:
        """The run once it has ended."""

        def ended() -> RunRecord | None:
            record = self.run(reference)
            return record if record.finished_at else None

        return poll(ended, within=within, what=f"run {reference[:8]} ends: {self.run(reference)}")

    def show(self, reference: str) -> dict[str, Any]:
        """`ronde show --json`, as another program reads it."""
        value: dict[str, Any] = json.loads(self.ronde("show", reference, "--json", check=True).stdout)
        return value

    def close(self) -> None:
        """End everything that was started, newest first."""
        for process in reversed(self.processes):
            process.stop(patience=5)
        if self._ledger is not None:
            self._ledger.close()
        self.mail.stop()
        self.broker.stop()
        self._stack.close()


def _celery(kind: str, *arguments: str) -> list[str]:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat") if kind == "worker" else ()
    return [PYTHON, "-m", "celery", "-A", "worker", kind, "--loglevel", "INFO", *arguments, *quiet]
