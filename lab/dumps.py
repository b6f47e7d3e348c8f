"""Series of dump files, one for each of the last nights, made once a day and then only dated.

The PostgreSQL dumps are pg_dump's own, of a database that grows from night to night. The mysqldump file is written
here in mysqldump's documented form (header, statements, "-- Dump completed on"), since no MariaDB server is needed
for anything else. Archives are made by the standard library, .zst by zstd.
"""

import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from lab.postgres import Cluster, cluster
from lab.site import Dump
from lab.tools import Tool

SHRUNKEN = "shrunken"
"""Name of the dump that a nearly emptied database gives: complete in form, a hundredth of the size."""

_ROWS_AT_FIRST = 3000
_ROWS_A_NIGHT = 150

_TABLES = """
CREATE TABLE registre (id serial PRIMARY KEY, objet text NOT NULL, montant numeric(10,2), saisi timestamptz);
CREATE INDEX registre_objet ON registre (objet);
"""
_GROWTH = """
INSERT INTO registre (objet, montant, saisi)
SELECT md5(random()::text) || md5(random()::text), random() * 1000, now() FROM generate_series(1, {rows});
"""


def stamped(dump: Dump, night: datetime) -> str:
    """The file name of one night's dump."""
    return f"{dump.name}-{night:%Y%m%d-%H%M}{dump.suffix}"


def make_series(dump: Dump, folder: Path, nights: Sequence[datetime], mark: Path) -> None:
    """Write the series of one file-made dump to `folder`: `00` is the newest, `NN` is NN nights older.

    Args:
        dump: what to write.
        folder: where.
        nights: when each was written, newest first; some formats say so inside.
        mark: the lab it is done for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for age, night in enumerate(nights):
        content = _MAKERS[dump.format](dump.name, len(nights) - age, night)
        (folder / f"{age:02}").write_bytes(compressed(content, dump.suffix, mark))


def make_postgres_series(dumps: dict[Dump, Path], nights: int, mark: Path) -> None:
    """Write the series of all PostgreSQL dumps, from one short-lived server; and what each gives when emptied."""
    with cluster(mark) as server:
        for dump in dumps:
            server.sql("postgres", f'CREATE DATABASE "{dump.name}";')
            server.sql(dump.name, _TABLES + _GROWTH.format(rows=_ROWS_AT_FIRST))
        for age in reversed(range(nights)):
            for dump, folder in dumps.items():
                folder.mkdir(parents=True, exist_ok=True)
                server.sql(dump.name, _GROWTH.format(rows=_ROWS_A_NIGHT))
                (folder / f"{age:02}").write_bytes(_postgres_dump(server, dump))
        for dump, folder in dumps.items():
            server.sql(dump.name, "DELETE FROM registre WHERE id > 20;")
            (folder / SHRUNKEN).write_bytes(_postgres_dump(server, dump))


def _postgres_dump(server: Cluster, dump: Dump) -> bytes:
    content = server.dump(dump.name, *(["-Fc"] if dump.format == "pg_custom" else []))
    return compressed(content, dump.suffix, server.mark)


def compressed(content: bytes, suffix: str, mark: Path) -> bytes:
    """`content` as a file named with `suffix` holds it."""
    if suffix.endswith(".gz"):
        return gzip.compress(content)
    if suffix.endswith(".xz"):
        return lzma.compress(content, preset=1)
    if suffix.endswith(".zst"):
        return Tool(["zstd", "-q", "-c"], mark).run(stdin=content)
    return content


def lay_out(dump: Dump, series: Path, folder: Path, nights: Sequence[datetime]) -> list[Path]:
    """Put a series into a host's folder, as written on `nights` (newest first); returns the files, newest first."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.iterdir():
        stale.unlink()
    placed = []
    for age, night in enumerate(nights):
        path = folder / stamped(dump, night)
        path.write_bytes((series / f"{age:02}").read_bytes())
        date_file(path, night + timedelta(minutes=2))
        placed.append(path)
    return placed


def date_file(path: Path, when: datetime) -> None:
    """Set a file's modification time."""
    os.utime(path, (when.timestamp(), when.timestamp()))


def _members(generation: int) -> Iterator[tuple[str, bytes]]:
    for number in range(10 + generation):
        text = f"acte {number} de l'année\n".encode() * 40
        yield f"registre/{number:04}.txt", text + os.urandom(4096)


def _tar(_name: str, generation: int, _night: datetime) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in _members(generation):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _zip(_name: str, generation: int, _night: datetime) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _members(generation):
            archive.writestr(name, content)
    return buffer.getvalue()


def _mysqldump(database: str, generation: int, night: datetime) -> bytes:
    rows = ",".join(f"({n},'{os.urandom(24).hex()}')" for n in range(800 + 40 * generation))
    text = (
        f"-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)\n--\n"
        f"-- Host: localhost    Database: {database}\n"
        "-- ------------------------------------------------------\n-- Server version\t10.11.6-MariaDB\n\n"
        "DROP TABLE IF EXISTS `mdl_user`;\n"
        "CREATE TABLE `mdl_user` (`id` bigint(10) NOT NULL, `secret` varchar(64), PRIMARY KEY (`id`));\n"
        f"LOCK TABLES `mdl_user` WRITE;\nINSERT INTO `mdl_user` VALUES {rows};\nUNLOCK TABLES;\n\n"
        f"-- Dump completed on {night:%Y-%m-%d} {night.hour:2}:{night:%M:%S}\n"
    )
    return text.encode()


def _plain(_name: str, generation: int, _night: datetime) -> bytes:
    return "".join(f"{n};{os.urandom(12).hex()}\n" for n in range(1000 + 20 * generation)).encode()


_MAKERS: dict[str, Callable[[str, int, datetime], bytes]] = {
    "tar": _tar,
    "zip": _zip,
    "mysqldump": _mysqldump,
    "plain": _plain,
}
