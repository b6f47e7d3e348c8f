"""A PostgreSQL server that lives for a few seconds, so that the lab's dumps are pg_dump's own."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.process import descendants, end, spawn, tail, wait_until
from lab.tools import Tool

_READY_SECONDS = 15.0
_INSTALLED = Path("/usr/lib/postgresql")  # where Debian keeps the servers, by major version
_QUICK = ["-F", "-c", "listen_addresses=", "-c", "shared_buffers=8MB", "-c", "autovacuum=off"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server, reached through the socket in `directory`."""

    directory: Path
    mark: Path

    def sql(self, database: str, statements: str) -> None:
        self._tool("psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", database).run(stdin=statements.encode())

    def dump(self, database: str, *options: str) -> bytes:
        """What `pg_dump OPTIONS DATABASE` writes."""
        return self._tool("pg_dump", *options, "-d", database).run()

    def is_ready(self) -> bool:
        return self._tool("pg_isready", "-q", "-d", "postgres").attempt().returncode == 0

    def _tool(self, program: str, *arguments: str) -> Tool:
        argv = [str(_binaries() / program), "-h", str(self.directory), "-U", "lab", *arguments]
        return Tool(argv, self.mark)


@contextmanager
def cluster(mark: Path) -> Iterator[Cluster]:
    """A new, empty server for the length of the context. PostgreSQL refuses root: then it runs as user postgres.

    Raises:
        LabError: PostgreSQL is not installed or did not come up.
    """
    directory = Path(tempfile.mkdtemp(prefix="ronde-lab-pg-"))  # its user cannot reach into a private lab directory
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        data = str(directory / "data")
        Tool(_as_owner("initdb", "-D", data, "-A", "trust", "-U", "lab", "--no-sync", "-N"), mark).run(cwd=directory)
        log = mark / "postgres.log"
        server = spawn(_as_owner("postgres", "-D", data, "-k", str(directory), *_QUICK), mark=mark, log=log)
        try:
            found = Cluster(directory, mark)
            if not wait_until(found.is_ready, _READY_SECONDS):
                raise LabError(f"PostgreSQL did not come up:\n{tail(log)}")
            yield found
        finally:
            end(descendants([server]))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _binaries() -> Path:
    found = sorted(_INSTALLED.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise LabError("PostgreSQL is not installed (script/bootstrap installs what the lab needs)")
    return found[-1].parent


def _as_owner(program: str, *arguments: str) -> list[str]:
    argv = [str(_binaries() / program), *arguments]
    return ["runuser", "-u", "postgres", "--", *argv] if os.geteuid() == 0 else argv
