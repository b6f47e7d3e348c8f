"""The same checks through real OpenSSH and the product's own SSH: pipes, quoting and broken links are the real ones."""

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from ronde.adapters.ssh import SshShells
from ronde.engine.backups import check_all, check_backup, check_clock
from ronde.model.verdict import Level, Verdict
from tests.doubles.shell import NeverStop, WallClock
from tests.doubles.ssh_hosts import Grounds, PathSecrets, Proxy
from tests.integration.backup.bench import (
    NEWEST,
    OPEN_WINDOW,
    Bench,
    Vault,
    declare_borg,
    declare_dump,
    declare_restic,
    rules,
    tree_of,
)

ALL = {"sample": "1/1", "check_window": OPEN_WINDOW}
PATIENCE = 60.0


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    (tmp_path / "ssh").mkdir()
    return Grounds(tmp_path / "ssh")


def _views_of(repository: Path) -> list[Path]:
    """Private folders of checks of this repository that still exist."""
    links = Path("/tmp").glob("ronde.*/view/README")  # noqa: S108 - where the host's mktemp puts them
    return [link for link in links if link.is_symlink() and link.readlink().is_relative_to(repository)]


def test_all_three_tools_on_one_connection(restic_bench: Bench, borg_template: Path, grounds: Grounds) -> None:
    bench = restic_bench
    (bench.root / "borg").symlink_to(borg_template / "borg")
    dump = bench.root / "a b.bin"
    dump.write_bytes(b"x" * 900)
    os.utime(dump, (NEWEST.timestamp(), NEWEST.timestamp()))  # the bench's now is when this module was loaded
    before = tree_of(bench.restic.repository), tree_of(borg_template / "borg")
    requests = [
        bench.request(declare_restic(bench, **ALL), deep=True, history=bench.restic_history),
        bench.request(declare_borg(bench, **ALL), deep=True),
        bench.request(declare_dump(f"{bench.root}/* *.bin", "plain")),
    ]
    with grounds.server("srv") as server:
        grounds.hosts["srv"] = grounds.entry(server)
        with SshShells(PathSecrets(), WallClock()).open(grounds.client(), "srv", NeverStop()) as shell:
            clock = check_clock(shell, "srv", WallClock())
            checks = check_all(shell, Vault(), requests)
    assert clock.verdict is Verdict.OK
    assert [(check.verdict, check.level) for check in checks] == [
        (Verdict.OK, Level.INTACT),
        (Verdict.OK, Level.INTACT),
        (Verdict.OK, Level.PRESENT),
    ], [check.findings for check in checks]
    assert (tree_of(bench.restic.repository), tree_of(borg_template / "borg")) == before


@pytest.mark.parametrize("after", [0.4, 1.2, 2.0])
def test_a_link_cut_in_mid_check_leaves_nothing_on_the_host(borg_bench: Bench, grounds: Grounds, after: float) -> None:
    repository = borg_bench.borg.repository
    before = tree_of(repository)
    with ExitStack() as stack:
        server = stack.enter_context(grounds.server("srv"))
        proxy = stack.enter_context(Proxy(server.address, server.port))
        grounds.hosts["srv"] = grounds.entry(server, address=proxy.address, port=proxy.port)
        shells = SshShells(PathSecrets(), WallClock())
        shell = stack.enter_context(shells.open(grounds.client(), "srv", NeverStop()))
        cutter = threading.Timer(after, proxy.cut)
        cutter.start()
        check = check_backup(shell, Vault(), borg_bench.request(declare_borg(borg_bench, **ALL), deep=True))
        cutter.join()
        deadline = time.monotonic() + PATIENCE
        while _views_of(repository):
            assert time.monotonic() < deadline, "the host kept our private folder"
            time.sleep(0.02)
    assert (check.verdict, "backup-unreachable" in rules(check)) == (Verdict.UNKNOWN, True), check.findings
    assert tree_of(repository) == before
