"""A whole installation as real processes, on one machine, in one directory: what the fault tests break.

Everything is small so that a test takes seconds: one client whose hosts are real SSH servers with one real dump each,
leases of a few seconds, a roll call every two. A host can be told to hold every command, so that "in mid-job" is a
state and not a matter of timing.
"""

import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML

from lab.keys import client_key
from lab.mail import MailSink
from lab.process import MARK, end, marked
from lab.process import Process as LabProcess
from lab.redis import RedisServer
from lab.sshd import SshServer
from ronde.adapters.queue import make_app
from ronde.model.inventory import Schedule
from ronde.model.schedule import definition
from tests.e2e.hosts import DUMP, GATE, Host
from tests.e2e.processes import Process, poll
from tests.e2e.reading import CLIENT, SCOPE, Reading

__all__ = ["CLIENT", "RONDE", "SCOPE", "Host", "Installation", "Process", "poll"]

PYTHON = sys.executable
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Installation(Reading):
    """One Ronde with its own inventory, ledger, broker and hosts; everything it started ends with it.

    Attributes:
        address: where broker and hosts listen.
        more: settings that differ from those of `environment`; `provider` and `client`: what their files say besides.
        entries: hosts of the inventory that somebody else looks after.
        embedded: whether to leave the broker to `ronde up`.
    """

    address: str = "127.0.0.1"
    hosts: dict[str, Host] = field(default_factory=dict)
    schedules: dict[str, Any] = field(default_factory=dict)
    more: dict[str, str] = field(default_factory=dict)
    embedded: bool = False
    vcenters: dict[str, Any] = field(default_factory=dict)
    provider: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.broker = RedisServer(self.directory / "redis", self.address)
        self.mail = MailSink(self.directory / "mail")
        self.resources = ExitStack()
        self._key, self.public_key = client_key(self.directory)
        self._mark = self.directory / "ronde"  # what its own processes are known by

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what is looked after

    def add_host(self, name: str, **options: Any) -> Host:
        """Another host; its options are those of the lab's `SshServer`."""
        home = self.directory / "hosts" / name
        gate = GATE.format(asked=home / "asked", hold=home / "hold")
        server = SshServer(name, home, self.address, authorized_keys=[self.public_key], extra_config=[gate], **options)
        self.resources.enter_context(server)
        dump = home / "dumps" / "mairie.sql"
        dump.parent.mkdir(parents=True, exist_ok=True)
        dump.write_text(DUMP)
        old = time.time() - 3600
        os.utime(dump, (old, old))
        self.hosts[name] = Host(server, dump)
        return self.hosts[name]

    def write_inventory(self) -> None:
        """The inventory as it stands; a running installation reads it anew."""
        contacts = [{"name": "Mairie", "email": "mairie@commune.example", "receives": ["night"]}]
        client = {
            "client": CLIENT,
            "name": "Commune",
            "timezone": "UTC",
            "contacts": contacts,
            "hosts": {**{name: self._host(host) for name, host in self.hosts.items()}, **self.entries},
            **self.client,
            "vcenters": self.vcenters,
            "schedules": self.schedules,
        }
        provider = {"name": "Infogérance", "sender": "ronde@infogerance.example", **self.provider}
        self.client_file.parent.mkdir(parents=True, exist_ok=True)
        yaml = YAML()
        with (self.client_file.parents[1] / "provider.yml").open("w") as file:
            yaml.dump(provider, file)
        draft = self.client_file.with_suffix(".draft")
        with draft.open("w") as file:
            yaml.dump(client, file)
        draft.replace(self.client_file)

    @property
    def client_file(self) -> Path:
        return self.directory / "inventory" / "clients" / f"{CLIENT}.yml"

    def _host(self, host: Host) -> dict[str, Any]:
        return {
            "address": host.server.address,
            "port": host.server.port,
            "user": host.server.user,
            "key": f"file://{self._key}",
            "host_key": list(host.server.public_keys),
            "backups": [
                {
                    "name": "mairie-db",
                    "tool": "dump",
                    "path": str(host.dump.parent / "*.sql"),
                    "format": "pg_dump",
                    "max_age": "26h",
                    "active": False,
                }
            ],
        }

    def try_once(self) -> None:
        """Work by playbooks that allow a single try, for tests of how one try ends."""
        copy = self.directory / "playbooks"
        shutil.copytree(ROOT / "playbooks", copy)
        for path in copy.rglob("*.yaml"):
            path.write_text(path.read_text().replace("retry: {attempts: 3}", "retry: {attempts: 1}"))
        self.more["RONDE_PLAYBOOKS"] = str(copy)

    def seen_since(self, name: str, since: datetime) -> None:
        """Let a schedule have been known since then, so that what was due meanwhile has to be decided."""
        entry = Schedule.model_validate(self.schedules[name])
        self.ledger.see_schedules({(CLIENT, name): definition(entry, "UTC")}, since)
        micro = (since - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        self.change(
            "UPDATE schedules_seen SET first_seen = ? WHERE schedule = ?", micro, name
        )  # it may have been known

    def mails_wait_less(self, by: timedelta) -> None:
        """Let that much time pass for messages that wait for their next try."""
        self.change(f"UPDATE outbox SET next_attempt_at = next_attempt_at - {by // timedelta(microseconds=1)}")

    def mail_leases_end(self) -> None:
        """Let enough time pass for the leases of senders that died; a live one must not be at work."""
        self.change("UPDATE outbox SET lease_until = 0 WHERE lease_until IS NOT NULL")

    def change(self, statement: str, *values: str | int) -> None:
        """Change the ledger behind everybody's back."""
        with closing(self.raw()) as raw, raw:
            raw.execute(statement, values)

    def raw(self) -> sqlite3.Connection:
        """The ledger as a mere database; to be closed by whoever asked."""
        return sqlite3.connect(self.directory / "data" / "ledger.db", timeout=20, isolation_level=None)

    # -- processes

    def environment(self) -> dict[str, str]:
        """The settings, tight enough for a fault and its repair to take seconds."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RONDE_")}
        return {
            **kept,
            MARK: str(self._mark),
            "RONDE_INVENTORY": str(self.directory / "inventory"),
            "RONDE_DATA_DIR": str(self.directory / "data"),
            **({} if self.embedded else {"RONDE_BROKER_URL": self.broker.url}),
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
        """Start one process of the installation, in a session of its own."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as file:
            popen = subprocess.Popen(
                argv, env=self.environment(), cwd=self.directory, stdout=file, stderr=file, start_new_session=True
            )
        process = Process(name, popen, log)
        self.processes.append(process)
        return process

    def start_workers(
        self, *names: str, queues: str = "control,work", threads: int = 8, via: Sequence[str] = ()
    ) -> list[Process]:
        """Workers; returns when each takes messages."""
        started = [self.start_worker_unheard(name, queues=queues, threads=threads, via=via) for name in names]
        for process in started:
            process.says("ready.")
        return started

    def start_worker_unheard(self, name: str, *, queues: str, threads: int, via: Sequence[str] = ()) -> Process:
        """A worker that nobody waits for."""
        return self.start(name, *via, *_celery("worker", "-Q", queues, "-c", str(threads), "-n", f"{name}@test"))

    def start_worker(self, name: str = "worker", **options: Any) -> Process:
        return self.start_workers(name, **options)[0]

    def start_beat(self, name: str = "beat") -> Process:
        """A beat; `awaken` waits until it has called the roll."""
        return self.start(name, *_celery("beat", "--pidfile="))

    def awaken(self, *names: str) -> list[Process]:
        """Workers and one beat, started together, at work."""
        beat = self.start_beat()
        workers = self.start_workers(*(names or ("worker",)))
        poll(
            lambda: self.ledger.health(datetime.now(UTC)).last_roll_call or not beat.alive,
            within=30,
            what="the roll is called",
        )
        assert beat.alive, beat.said_last()
        return workers

    def ronde(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return subprocess.run(
            [*RONDE, *arguments],
            env=self.environment(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=check,
        )

    def technicians(self, roles: dict[str, list[str]], *rules: dict[str, Any]) -> None:
        """From now on these logins have these roles, and these rules ask for a second technician."""
        self.provider["technicians"] = {
            login: {"name": login.title(), "email": f"{login}@infogerance.example", "roles": acts, "clients": "all"}
            for login, acts in roles.items()
        }
        self.provider["approvals"] = {"rules": list(rules)}
        self.write_inventory()

    def ronde_as(self, login: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as somebody who came by sudo."""
        sudo = {"SUDO_UID": str(pwd.getpwnam(login).pw_uid), "SUDO_USER": login}
        return subprocess.run(
            [*RONDE, *arguments],
            env={**self.environment(), **sudo},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def send(self, task: str, arguments: list[Any], *, queue: str) -> None:
        """Send one message of Ronde's own, once more."""
        with make_app(self.broker.url, roll_call=60) as app:
            app.send_task(task, arguments, queue=queue)

    def order(self, *arguments: str) -> str:
        """`ronde run backup/check --detach …`; the run's id."""
        done = self.ronde("run", "backup/check", "--client", CLIENT, "--detach", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    # -- what came of it

    def show(self, reference: str) -> dict[str, Any]:
        """`ronde show --json`, as another program reads it."""
        value: dict[str, Any] = json.loads(self.ronde("show", reference, "--json", check=True).stdout)
        return value

    def status(self) -> dict[str, Any]:
        """`ronde status --json`."""
        value: dict[str, Any] = json.loads(self.ronde("status", "--json").stdout)
        return value

    def left(self) -> list[LabProcess]:
        """Every process of the installation itself that is alive: not its hosts, relay or broker."""
        return marked(self._mark)

    def close(self) -> None:
        """End everything that was started."""
        for process in self.processes:
            process.popen.kill()
        for process in self.processes:
            process.popen.wait(10)
        end(self.left(), ask=False)
        super().close()
        self.mail.stop()
        self.broker.kill()
        self.resources.close()


RONDE = (str(Path(PYTHON).parent / "ronde"),)


def _celery(kind: str, *arguments: str) -> list[str]:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat") if kind == "worker" else ()
    return [PYTHON, "-m", "celery", "-A", "worker", kind, "--loglevel", "INFO", *arguments, *quiet]
