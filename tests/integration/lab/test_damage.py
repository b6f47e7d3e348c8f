"""Every fault in stored data, as the field's own tool sees it: there once it is in, gone once it is mended."""

import gzip
import itertools
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.borg import BorgRepository
from lab.errors import LabError
from lab.process import marked
from lab.restic import ResticRepository, bucket_of
from lab.site import Borg, Dump, Restic
from lab.world import Lab

SLACK = timedelta(minutes=10)


def restic(lab: Lab, name: str) -> ResticRepository:
    host, backup = lab.parts.find(name)
    assert isinstance(backup, Restic)
    return lab.parts.restic(host, backup)


def borg(lab: Lab, name: str) -> BorgRepository:
    host, backup = lab.parts.find(name)
    assert isinstance(backup, Borg)
    return lab.parts.borg(host, backup)


def dumps(lab: Lab, name: str) -> list[Path]:
    """Newest first."""
    host, backup = lab.parts.find(name)
    assert isinstance(backup, Dump)
    return sorted(lab.parts.place(host, backup).iterdir(), key=lambda path: -path.stat().st_mtime)


def age(path: Path) -> timedelta:
    return datetime.now(UTC) - datetime.fromtimestamp(path.stat().st_mtime, UTC)


def status(*argv: str | Path) -> int:
    return subprocess.run([str(word) for word in argv], capture_output=True, check=False).returncode


def content_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def snapshot_times(repository: ResticRepository) -> list[datetime]:
    return [datetime.fromisoformat(snapshot["time"]) for snapshot in repository.snapshots()]


def test_a_restic_repository_has_three_weeks_of_nights_and_every_byte_is_intact(lab: Lab) -> None:
    lab.up(["srv-fichiers"])
    repository = restic(lab, "documents")
    times = snapshot_times(repository)
    assert len(times) >= 21
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {timedelta(days=1)}
    assert timedelta(0) < datetime.now(UTC) - times[-1] < timedelta(hours=24)
    repository.tool("--no-lock").run("check", "--read-data")


def test_a_flipped_byte_in_a_pack_is_found_by_reading_and_only_by_reading(lab: Lab) -> None:
    lab.up(["srv-fichiers"])
    repository = restic(lab, "documents")
    before = content_of(repository.path)
    lab.break_("corrupted-pack")
    (changed,) = {name for name, content in content_of(repository.path).items() if before[name] != content}
    assert bucket_of(Path(changed), 4) == 1  # the part that is read in the first night
    assert repository.tool("--no-lock").attempt("check").returncode == 0
    for reading in ("--read-data", "--read-data-subset=1/4"):
        assert repository.tool("--no-lock").attempt("check", reading).returncode == 1
    assert repository.tool("--no-lock").attempt("check", "--read-data-subset=2/4").returncode == 0
    lab.mend("corrupted-pack")
    assert content_of(repository.path) == before


def test_a_killed_backup_leaves_a_lock_that_restic_reads_and_that_stops_its_check(lab: Lab) -> None:
    lab.up(["srv-fichiers"])
    repository = restic(lab, "partages")
    before = content_of(repository.path)
    lab.break_("stale-lock")
    (lock,) = repository.locks()
    said = json.loads(repository.tool("--no-lock").run("cat", "lock", lock.name))
    assert timedelta(hours=3) <= datetime.now(UTC) - datetime.fromisoformat(said["time"]) < timedelta(hours=3) + SLACK
    assert said["pid"] not in {process.pid for process in marked(repository.mark)}  # the number may be another's by now
    assert not said["exclusive"]
    assert b"already locked" in repository.tool().attempt("check").stderr
    repository.tool().run("snapshots")  # listing, and backing up, go on: nobody notices
    lab.mend("stale-lock")
    assert content_of(repository.path) == before


def test_a_source_that_was_not_mounted_lacks_in_the_newest_snapshot_alone(lab: Lab) -> None:
    lab.up(["srv-web"])
    repository = restic(lab, "site")
    lab.break_("missing-path")
    *earlier, newest = [{Path(path).name for path in snapshot["paths"]} for snapshot in repository.snapshots()]
    assert newest == {"htdocs"}
    assert all(paths == {"htdocs", "medias"} for paths in earlier)
    lab.mend("missing-path")
    assert {Path(path).name for path in repository.snapshots()[-1]["paths"]} == {"htdocs", "medias"}


def test_a_stale_restic_repository_lacks_its_last_three_nights(lab: Lab) -> None:
    lab.up(["srv-web"])
    repository = restic(lab, "site")
    newest = snapshot_times(repository)[-1]
    lab.break_("stale-backup", on="site")
    assert newest - snapshot_times(repository)[-1] == timedelta(days=3)
    assert repository.tool("--no-lock").attempt("check").returncode == 0
    lab.mend("stale-backup", on="site")
    assert newest in snapshot_times(repository)
    assert datetime.now(UTC) - snapshot_times(repository)[-1] < SLACK


def test_a_borg_repository_has_its_nights_and_every_byte_is_intact(lab: Lab) -> None:
    lab.up(["srv-compta"])
    repository = borg(lab, "compta")
    times = list(repository.archives().values())
    assert len(times) >= 21
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {timedelta(days=1)}
    assert timedelta(0) < datetime.now(UTC) - times[-1] < timedelta(hours=24)
    repository.tool.run("check", "--verify-data", str(repository.path))


def test_a_flipped_byte_in_a_segment_is_found_by_reading_and_only_by_reading(lab: Lab) -> None:
    lab.up(["srv-ecole"])
    repository = borg(lab, "pedagogie")
    before = content_of(repository.path)
    lab.break_("corrupted-segment")
    assert repository.tool.attempt("check", "--archives-only", str(repository.path)).returncode == 0
    assert repository.tool.attempt("check", "--repository-only", str(repository.path)).returncode == 1
    lab.mend("corrupted-segment")
    assert {name: content_of(repository.path)[name] for name in before if name.startswith("data/")} == {
        name: content for name, content in before.items() if name.startswith("data/")
    }
    repository.tool.run("check", "--repository-only", str(repository.path))


def test_the_lock_of_a_server_that_is_gone_stops_borg_until_it_is_mended(lab: Lab) -> None:
    lab.up(["srv-compta"])
    repository = borg(lab, "compta")
    lab.break_("foreign-lock")
    refused = repository.tool.attempt("list", str(repository.path))
    assert refused.returncode == 2
    assert b"Failed to create/acquire the lock" in refused.stderr
    assert timedelta(hours=3) <= age(repository.foreign_lock()) < timedelta(hours=3) + SLACK
    lab.mend("foreign-lock")
    repository.tool.run("list", str(repository.path))


def test_a_stale_borg_repository_lacks_its_last_three_nights(lab: Lab) -> None:
    lab.up(["srv-ecole"])
    repository = borg(lab, "pedagogie")
    newest = list(repository.archives().values())[-1]
    lab.break_("stale-backup", on="pedagogie")
    assert newest - list(repository.archives().values())[-1] == timedelta(days=3)
    lab.mend("stale-backup", on="pedagogie")
    assert newest in repository.archives().values()
    assert datetime.now(UTC) - list(repository.archives().values())[-1] < SLACK


@pytest.mark.parametrize(
    ("host", "name", "reading"),
    [
        ("srv-fichiers", "configurations", ("tar", "tzf")),
        ("srv-compta", "mairie-db", ("gzip", "-t")),
        ("srv-compta", "paie", ("pg_restore", "-f", "/dev/null")),
        ("srv-archives", "etat-civil", ("unzip", "-tqq")),
        ("srv-archives", "deliberations", ("tar", "tJf")),
        ("srv-ecole", "moodle", ("zstd", "-tq")),
        ("srv-biblio", "biblio", ("tar", "tf")),
    ],
)
def test_every_kind_of_dump_is_read_by_its_own_tool_and_found_out_when_cut_off(
    lab: Lab, host: str, name: str, reading: tuple[str, ...]
) -> None:
    lab.up([host])
    files = dumps(lab, name)
    assert len(files) == 7
    assert len({path.read_bytes() for path in files}) == 7
    assert timedelta(hours=3) < age(files[0]) < timedelta(hours=5)
    assert timedelta(days=6) < age(files[-1]) < timedelta(days=7)
    assert [status(*reading, path) for path in files] == [0] * 7
    written = files[0].stat().st_mtime
    lab.break_("truncated-dump", on=name)
    assert status(*reading, files[0]) != 0
    assert files[0].stat().st_mtime == written
    lab.mend("truncated-dump", on=name)
    assert status(*reading, files[0]) == 0


def test_pg_dumps_own_list_does_not_notice_that_an_archive_was_cut_off(lab: Lab) -> None:
    lab.up(["srv-compta"])
    lab.break_("truncated-dump")
    newest = dumps(lab, "paie")[0]
    assert status("pg_restore", "-l", newest) == 0
    assert status("pg_restore", "-f", "/dev/null", newest) != 0


def test_a_shrunken_dump_is_complete_in_form_and_tiny(lab: Lab) -> None:
    lab.up(["srv-compta"])
    newest, before = dumps(lab, "mairie-db")[:2]
    usual = before.stat().st_size
    lab.break_("shrunken-dump")
    assert newest.stat().st_size * 10 < usual
    assert b"-- PostgreSQL database dump complete" in gzip.decompress(newest.read_bytes())
    lab.mend("shrunken-dump")
    assert newest.stat().st_size > usual


def test_what_a_dump_says_inside_about_its_date_is_near_what_its_file_says(lab: Lab) -> None:
    lab.up(["srv-compta", "srv-ecole"])
    paie, moodle = dumps(lab, "paie")[0], dumps(lab, "moodle")[0]
    listed = subprocess.run(["pg_restore", "-l", paie], capture_output=True, text=True, check=True).stdout
    created = datetime.strptime(listed.split("Archive created at ")[1][:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(created - (datetime.now(UTC) - age(paie))) < timedelta(hours=30)
    closing = subprocess.run(["zstd", "-dqc", moodle], capture_output=True, text=True, check=True).stdout[-40:]
    completed = " ".join(closing.split("Dump completed on ")[1].split())
    dumped = datetime.strptime(completed, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(dumped - (datetime.now(UTC) - age(moodle))) < timedelta(hours=30)


def test_a_stale_series_of_dumps_ends_three_nights_ago(lab: Lab) -> None:
    lab.up(["srv-archives"])
    lab.break_("stale-backup")
    assert timedelta(days=3) < age(dumps(lab, "deliberations")[0]) < timedelta(days=3, hours=5)
    lab.mend("stale-backup")
    assert len(dumps(lab, "deliberations")) == 7


@pytest.mark.parametrize(
    ("fault", "backup"),
    [
        ("corrupted-pack", "configurations"),
        ("corrupted-segment", "documents"),
        ("truncated-dump", "documents"),
        ("shrunken-dump", "configurations"),
        ("stale-lock", "configurations"),
        ("missing-path", "partages"),
        ("stale-backup", "no-such-backup"),
    ],
)
def test_a_fault_that_does_not_fit_its_target_is_refused_and_leaves_nothing(lab: Lab, fault: str, backup: str) -> None:
    lab.up(["srv-fichiers"])
    with pytest.raises(LabError, match=backup):
        lab.break_(fault, on=backup)
    assert lab.faults() == {}
