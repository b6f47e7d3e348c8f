"""A check never harms the backup: killed at any point it leaves nothing, and no secret is ever seen outside a pipe."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ronde.engine.backups import check_backup
from ronde.facts.borg import Borg
from ronde.facts.question import Question
from ronde.facts.restic import Restic
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.verdict import Verdict
from ronde.ports import Listener
from tests.doubles.shell import LocalShell
from tests.integration.backup.bench import (
    NOW,
    OPEN_WINDOW,
    PASSWORD,
    Bench,
    Vault,
    copy_of,
    declare_borg,
    declare_restic,
    rules,
    tree_of,
)

ALL = {"sample": "1/1", "check_window": OPEN_WINDOW}
MOMENTS = [0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0]  # seconds after the start
PATIENCE = 60.0


def _descendants(pid: int) -> Iterator[int]:
    """A process and everything it started, as far as it can be seen now."""
    yield pid
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid:
                yield from _descendants(int(entry.name))


def _start(bench: Bench, question: Question) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        ["/bin/sh", "-c", question.command.line],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath, "HOME": str(bench.home), "TMPDIR": str(bench.tmp)},
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(question.command.stdin)
    process.stdin.close()
    return process


def _until_quiet(bench: Bench) -> None:
    """Wait until the remote side is over: its private folders are gone and nothing creates new ones."""
    deadline = time.monotonic() + PATIENCE
    while list(bench.tmp.iterdir()):
        assert time.monotonic() < deadline, f"left behind: {[str(path) for path in bench.tmp.rglob('*')][:20]}"
        time.sleep(0.02)


def _kill(process: subprocess.Popen[bytes], whom: str) -> None:
    if whom == "group":  # what sshd's end of a session, or an operator, hits
        os.killpg(process.pid, signal.SIGKILL)
    elif whom == "wrapper":
        process.kill()
    else:  # the tool itself, wherever it has got to
        for pid in list(_descendants(process.pid))[1:]:
            try:
                name = (Path("/proc") / str(pid) / "comm").read_text().strip()
                if name in {"restic", "borg", "timeout"}:
                    os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                continue


@pytest.mark.parametrize("whom", ["group", "wrapper", "tool"])
@pytest.mark.parametrize("tool", ["restic", "borg"])
def test_killed_at_any_point_it_leaves_nothing(restic_bench: Bench, borg_template: Path, tool: str, whom: str) -> None:
    bench = restic_bench
    if tool == "borg":
        subprocess.run(["cp", "-a", str(borg_template / "borg"), str(bench.root)], check=True)
        question = Borg(str(bench.borg.repository), PASSWORD.encode()).check_segments(60, (1, 1))
    else:
        question = Restic(str(bench.restic.repository), PASSWORD.encode()).check((0, 14, 0), 60, (1, 1))
    place = bench.root / tool
    before = tree_of(place)
    killed = 0
    for moment in MOMENTS:
        process = _start(bench, question)
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        if process.poll() is None:
            _kill(process, whom)
            killed += 1
        process.wait(PATIENCE)
        _until_quiet(bench)
        assert tree_of(place) == before, f"changed when killed after {moment} s"
    assert killed >= len(MOMENTS) // 2


class Watch(threading.Thread):
    """Reads the command line and environment of every process, again and again, looking for a secret."""

    def __init__(self, secret: bytes) -> None:
        super().__init__(daemon=True)
        self.secret = secret
        self.over = threading.Event()
        self.tools_seen: set[str] = set()
        self.leaks: list[str] = []

    def run(self) -> None:
        while not self.over.is_set():
            for entry in Path("/proc").iterdir():
                if entry.name.isdecimal():
                    self._look(entry)

    def _look(self, entry: Path) -> None:
        try:
            command, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        except OSError:
            return
        self.tools_seen |= {name for name in ("restic", "borg") if f"/{name}\0".encode() in b"/" + command}
        if self.secret in command or self.secret in environment:
            self.leaks.append(command.replace(b"\0", b" ").decode("utf-8", "replace"))


@pytest.mark.parametrize("tool", ["restic", "borg"])
def test_the_password_is_in_no_command_line_environment_or_record(bench: Bench, tool: str) -> None:
    secret = f"very-secret-{time.monotonic_ns()}"
    bench.source.mkdir()
    (bench.source / "a.txt").write_text("content")
    place = bench.root / tool
    _make(bench, tool, secret)
    backup = declare_restic(bench, **ALL) if tool == "restic" else declare_borg(bench, **ALL)
    assert place.exists()
    watch = Watch(secret.encode())
    watch.start()
    try:
        check = bench.check(backup, deep=True, password=secret)
    finally:
        watch.over.set()
        watch.join(PATIENCE)
    assert check.verdict is Verdict.OK, check.findings
    assert tool in watch.tools_seen
    assert watch.leaks == []
    assert secret not in repr(check)
    assert secret not in "".join(f"{e.question}{e.output!r}{e.errors!r}" for e in check.exchanges)


def _make(bench: Bench, tool: str, secret: str) -> None:
    if tool == "restic":
        restic = bench.restic
        restic.password = secret
        restic("init", "-q")
        restic.backup(bench.source)
    else:
        borg = bench.borg
        borg.password = secret
        borg("init", "-e", "repokey-blake2")
        borg.backup(bench.source, "srv-0")


class ReadOnly(LocalShell):
    """Everything runs as nobody."""

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        return super().run(Command((*user, *command.argv), command.stdin, command.timeout, None, command.cap), listen)


@pytest.fixture
def public_bench(borg_template: Path) -> Iterator[Bench]:
    """A bench that other users may enter, which pytest's own folders do not allow."""
    with TemporaryDirectory(prefix="ronde-bench-") as folder:
        Path(folder).chmod(0o755)
        bench = Bench(Path(folder))
        copy_of(borg_template, bench.root)
        subprocess.run(["chmod", "-R", "a+rX", str(bench.borg.repository)], check=True)
        yield bench


def test_a_reader_who_may_not_write_can_check_and_leaves_nothing(public_bench: Bench) -> None:
    """Borg needs to write for a lock; the check does not."""
    repository = public_bench.borg.repository
    before = tree_of(repository)
    shell = ReadOnly(home=public_bench.home, environment={"TMPDIR": str(public_bench.tmp)})
    request = public_bench.request(declare_borg(public_bench, **ALL), deep=True)
    check = check_backup(shell, Vault(), request)
    assert check.verdict is Verdict.OK, check.findings
    assert tree_of(repository) == before
    assert list(public_bench.tmp.iterdir()) == []

    (repository / "config").chmod(0o600)
    refused = check_backup(shell, Vault(), request)
    assert (refused.verdict, rules(refused)) == (Verdict.UNKNOWN, {"backup-not-readable"})


def test_backups_made_one_after_another_meanwhile_all_succeed(borg_bench: Bench) -> None:
    """Commits, index rewrites and compaction while checks read: nobody is disturbed and nothing is called damaged."""
    borg = borg_bench.borg
    failures: list[str] = []
    over = threading.Event()

    def work() -> None:
        for number in range(6):
            (borg_bench.source / f"more-{number}.bin").write_bytes(os.urandom(150_000))
            try:
                borg.backup(borg_bench.source, f"busy-{number}", at=NOW)
                borg("delete", f"::busy-{number}")
                borg("compact", "--threshold", "0")
            except AssertionError as error:
                failures.append(str(error))
        over.set()

    worker = threading.Thread(target=work)
    worker.start()
    verdicts: list[tuple[Verdict, list[Finding]]] = []
    while not over.is_set() or not verdicts:
        check = borg_bench.check(declare_borg(borg_bench, **ALL), deep=True, still=False)
        verdicts.append((check.verdict, [f for f in check.findings if f.severity.verdict is Verdict.FAILED]))
    worker.join(PATIENCE)
    assert failures == []
    assert [found for verdict, found in verdicts if verdict is Verdict.FAILED] == []
    borg("check", "--verify-data")


class Cut(LocalShell):
    """A connection that breaks before its n-th command."""

    def __init__(self, bench: Bench, after: int) -> None:
        super().__init__(home=bench.home, environment={"TMPDIR": str(bench.tmp)})
        self.after = after

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        if len(self.asked) >= self.after:
            self.close()
        return super().run(command, listen)


def test_a_link_that_breaks_at_any_command_never_leaves_ok(borg_bench: Bench) -> None:
    request = borg_bench.request(declare_borg(borg_bench))
    whole = LocalShell(home=borg_bench.home, environment={"TMPDIR": str(borg_bench.tmp)})
    assert check_backup(whole, Vault(), request).verdict is Verdict.OK
    for after in range(len(whole.asked)):
        check = check_backup(Cut(borg_bench, after), Vault(), request)
        assert (check.verdict, "backup-unreachable" in rules(check)) == (Verdict.UNKNOWN, True)
        assert len(check.exchanges) == after + 1
