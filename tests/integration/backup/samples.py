"""Contents of dump files, four nights of each format, as the real programs write them."""

import os
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO

from tests.servers.postgres import Postgres

NIGHTS = 4
_PROGRAMS = {"pg_dump": ["pg_dump"], "pg_custom": ["pg_dump", "-Fc"], "pg_dumpall": ["pg_dumpall"]}

# There is no MariaDB server among the tools of the tests; this is how its mariadb-dump 10.11 writes.
MARIADB = (
    """/*M!999999\\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.14-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: mairie
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
CREATE TABLE `people` (`id` int, `name` text, `street` text);
"""
    + "\n".join(
        f"INSERT INTO `people` VALUES ({number},'inhabitant','street {number * 7 % 113}');" for number in range(600)
    )
    + """
INSERT INTO `people` VALUES (9999,'night @NIGHT@','nowhere');
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

-- Dump completed on @DATE@
"""
)


def write_all(made: datetime) -> Mapping[str, Sequence[bytes]]:
    """By format, the content of each night; those of PostgreSQL from a real server, one row longer every night."""
    contents: dict[str, list[bytes]] = {form: [] for form in _PROGRAMS}
    with Postgres() as server:
        server.sql("CREATE DATABASE mairie")
        server.sql(
            "CREATE TABLE people AS SELECT n, 'inhabitant ' || md5(n::text) AS name FROM generate_series(1, 900) n",
            "mairie",
        )
        for night in range(NIGHTS):
            server.sql(f"INSERT INTO people VALUES ({night}, 'night')", "mairie")
            for form, program in _PROGRAMS.items():
                which = ["--no-sync"] if form == "pg_dumpall" else ["mairie"]
                contents[form].append(_dump([*program, "-h", str(server.root), "-U", server.user, *which]))
    contents["mysqldump"] = [
        MARIADB.replace("@NIGHT@", f"{night:04}").replace("@DATE@", f"{made:%Y-%m-%d %H:%M:%S}").encode()
        for night in range(NIGHTS)
    ]
    contents["tar"] = [_tar(night) for night in range(NIGHTS)]
    contents["zip"] = [_zip(night) for night in range(NIGHTS)]
    contents["plain"] = [bytes([night + 1]) * 5000 for night in range(NIGHTS)]
    return contents


def _dump(command: Sequence[str]) -> bytes:
    return subprocess.run(command, env={"PATH": os.defpath}, capture_output=True, check=True).stdout


def _tar(night: int) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(12):
            content = f"file {number} of night {night:04}\n".encode() * 200
            member = tarfile.TarInfo(f"srv/documents/{number}.txt")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return buffer.getvalue()


def _zip(night: int) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(12):
            archive.writestr(f"{number}.txt", f"file {number} of night {night:04}: {number**9}\n" * 200)
    return buffer.getvalue()
