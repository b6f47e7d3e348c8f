"""A private PostgreSQL for tests: own data directory, own Unix socket, no network, ended by its process id."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

_MEMORY = "/dev/shm"  # noqa: S108 - mkdtemp makes a private directory there; each test copies a database
_PATIENCE = 60.0  # seconds until the server must answer or be gone


def _programs() -> Path:
    """Where initdb and postgres are: the newest version that is installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not versions:
        raise RuntimeError("PostgreSQL is not installed; script/bootstrap installs what tests need")
    return versions[-1]


def _user() -> str:
    """Who the server runs as: it refuses to be root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Postgres:
    """One cluster. `start` and `stop` may be repeated; leaving the context removes everything.

    Without `durable` it is fast and forgets what it likes when it is killed.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self.user = _user()
        self._sync = "on" if durable else "off"
        # Not below pytest's own directory: that is closed to the server's user, and its path too long for a socket.
        self.root = Path(tempfile.mkdtemp(prefix="ronde-pg-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None))
        self._data = self.root / "data"
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.root, self.user)
        subprocess.run(
            [
                *self._as_user(),
                *(str(_programs() / "initdb"), "-D", str(self._data)),
                *("-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd="/",
        )

    def _as_user(self) -> list[str]:
        # pdeathsig: a test run that is killed leaves no server behind
        drop = ["--reuid", self.user, "--regid", self._group(), "--clear-groups"] if os.geteuid() == 0 else []
        return ["setpriv", *drop, "--pdeathsig", "INT", "--"]

    def _group(self) -> str:
        return str(pwd.getpwnam(self.user).pw_gid)

    def start(self) -> None:
        """Run the server; returns once it answers."""
        settings = ("listen_addresses=", f"unix_socket_directories={self.root}", f"fsync={self._sync}")
        more = (
            f"synchronous_commit={self._sync}",
            f"full_page_writes={self._sync}",
            "max_connections=60",
            "shared_buffers=32MB",
            "logging_collector=off",
            "dynamic_shared_memory_type=mmap",  # in the data directory, so that a kill leaves nothing in /dev/shm
        )
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._as_user(),
                    *(str(_programs() / "postgres"), "-D", str(self._data)),
                    *(part for setting in (*settings, *more) for part in ("-c", setting)),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                dead = self._process is None or self._process.poll() is not None
                if dead or time.monotonic() > deadline:
                    raise RuntimeError((self.root / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT is a fast shutdown, SIGQUIT one without any tidying, as after a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_PATIENCE)
            self._process = None

    def dsn(self, database: str) -> str:
        return f"host={self.root} user={self.user} dbname={database}"

    def url(self, database: str) -> str:
        return f"postgresql://{self.user}@/{database}?host={self.root}"

    def sql(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside any transaction."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def clone(self, name: str, template: str) -> Iterator[str]:
        """The URL of a fresh copy of a database, for the time of the block."""
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield self.url(name)
        finally:
            self.sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.root)
