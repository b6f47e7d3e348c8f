"""What a detached command meets on the host: its arguments, its input, its limits, and the ends it can come to."""

import os
import signal as signals
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ronde.facts.detached import Outcome, parse_look, stop_question
from ronde.model.command import Command
from ronde.model.detached import Launch, Standing
from ronde.model.errors import Cancelled, CommandTimeout, Fenced, RondeError
from tests.integration.detached.conftest import BRISK, Target, in_the_background, living, processes_of, retried, until

ARGUMENTS = (
    "; rm -rf /",
    "$(id)",
    "`id`",
    "two\nlines\n",
    "-n",
    "--",
    "",
    'it\'s "quoted"',
    "\\",
    "%s %n $$ ${HOME} *",
    "\udcff\udcfe no text",
    "é",
    "\t\r\x01",
)
SHOW = ("sh", "-c", 'printf "%s\\0" "$@"', "show")
CANARY = b"c4n4ry-9f27b1d0"


def test_hostile_arguments_arrive_byte_for_byte(target: Target) -> None:
    with target.carrier() as carrier:
        carried = carrier.carry(Launch(target.key(), (*SHOW, *ARGUMENTS), limit=30))
    assert carried.stdout.split(b"\0")[:-1] == [os.fsencode(word) for word in ARGUMENTS]


def test_an_argument_of_100_kib_arrives(target: Target) -> None:
    long = "x" * 100 * 1024
    with target.carrier() as carrier:
        assert carrier.carry(Launch(target.key(), (*SHOW, long), limit=30)).stdout == long.encode() + b"\0"


def test_a_command_runs_as_it_would_without_us(target: Target) -> None:
    """The file mode mask, the folder, the locale, and no descriptor of ours."""
    script = "umask; pwd; echo $LC_ALL $TZ $NAME; cat; exec ls /proc/self/fd"
    launch = Launch(target.key(), ("sh", "-c", script), env=(("NAME", "a value; $(id)"),), limit=30)
    plain = target.ask(Command(("sh", "-c", "umask; pwd"))).text
    with target.carrier() as carrier:
        said = carrier.carry(launch).stdout.decode()
    descriptors = "0\n1\n2\n3\n"  # 3 is the folder that ls has open
    assert said == plain + "C UTC a value; $(id)\n" + descriptors


def test_a_missing_program_is_an_end(target: Target) -> None:
    with target.carrier() as carrier:
        carried = carrier.carry(Launch(target.key(), ("no-such-program-here",), limit=30))
    assert (carried.standing, carried.exit_status, carried.succeeded) == (Standing.ENDED, 127, False)
    assert b"not found" in carried.stderr


def test_a_secret_on_standard_input_is_seen_nowhere(target: Target, tmp_path: Path) -> None:
    script = 'read -r secret; touch "$1"; until [ -e "$2" ]; do sleep 0.05; done; echo "${#secret}"'
    ready, go = tmp_path / "ready", tmp_path / "go"
    launch = Launch(target.key(), ("sh", "-c", script, "x", str(ready), str(go)), stdin=CANARY + b"\n", limit=60)
    assert target.start(launch) is Outcome.STARTED
    until(ready.exists)
    assert seen_in_processes(CANARY) == []
    assert left_with(CANARY, target.jobs / launch.key.job) == []
    go.touch()
    assert target.ended(launch.key).out == f"{len(CANARY)}\n".encode()
    assert left_with(CANARY, target.jobs / launch.key.job) == []


def left_with(word: bytes, job: Path) -> list[Path]:
    """Files of a job in which a word shows, on disk and in memory."""
    memory = [Path("/run"), Path("/dev/shm")]  # noqa: S108 - where it could be left
    files = [*job.rglob("*"), *(path for place in memory for path in place.rglob(f".ronde-{job.name}-*"))]
    return [path for path in files if path.is_file() and word in path.read_bytes()]


def seen_in_processes(word: bytes) -> list[str]:
    """Command lines and environments in which a word shows."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                if word in (process / name).read_bytes():
                    found.append(f"{process}/{name}")
            except (OSError, ProcessLookupError):
                continue
    return found


def test_the_process_list_stays_readable(target: Target) -> None:
    launch = sleeper(target)
    target.start(launch)
    pids_of(target, launch)
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_of(target.step(launch.key))]
    assert len(lines) >= 2
    assert [line for line in lines if b"\n" in line or len(line) > 600] == []
    target.ask(stop_question(launch, 1).command)


def test_a_flood_is_capped_and_blocks_nobody(target: Target) -> None:
    flood = "head -c 100000000 /dev/zero; head -c 100000000 /dev/zero >&2; echo done"
    with target.carrier() as carrier:
        carried = carrier.carry(Launch(target.key(), ("sh", "-c", flood), limit=120, cap=100_000))
    assert (len(carried.stdout), len(carried.stderr), carried.truncated) == (100_000, 100_000, True)
    assert (carried.standing, carried.exit_status) == (Standing.ENDED, 0)


def test_many_small_pieces_are_all_kept(target: Target) -> None:
    pieces = "n=0; while [ $n -lt 60 ]; do n=$((n + 1)); echo $n; sleep 0.02; done"
    with target.carrier() as carrier:
        carried = carrier.carry(Launch(target.key(), ("sh", "-c", pieces), limit=60, cap=200))
    assert (carried.stdout.split()[-1], carried.truncated) == (b"60", False)


def test_output_up_to_the_cap_is_whole(target: Target) -> None:
    with target.carrier() as carrier:
        carried = carrier.carry(Launch(target.key(), ("printf", "%s", "x" * 1000), limit=30, cap=1000))
    assert (carried.stdout, carried.truncated) == (b"x" * 1000, False)


def test_a_daemon_left_behind_neither_holds_the_end_nor_is_ended(target: Target, tmp_path: Path) -> None:
    script = '(sleep 5; echo late; echo late >&2; touch "$1") & echo left'
    begun = time.monotonic()
    with target.carrier() as carrier:
        carried = carrier.carry(Launch(target.key(), ("sh", "-c", script, "x", str(tmp_path / "alive")), limit=60))
    assert time.monotonic() - begun < 5
    assert (carried.standing, carried.exit_status, carried.stdout) == (Standing.ENDED, 0, b"left\n")
    assert carried.truncated, "the output had no end, so nobody can say that it is whole"
    until((tmp_path / "alive").exists, "it was ended when it wrote")


STUBBORN_CHILD = "(trap '' TERM; exec sleep 300) & echo $! $$; sleep 300"
STUBBORN = "trap '' TERM; sleep 300 & echo $! $$; sleep 300"


def test_the_limit_ends_a_command_and_its_children(target: Target) -> None:
    with target.carrier() as carrier:
        carried = carrier.carry(Launch(target.key(), ("sh", "-c", STUBBORN_CHILD), limit=1))
    assert (carried.standing, carried.timed_out, carried.succeeded) == (Standing.ENDED, True, False)
    assert carried.exit_status == 143, "the command obeyed; its child did not, and was killed"
    pids = [int(word) for word in carried.stdout.split()]
    assert len(pids) == 2
    assert [pid for pid in pids if living(pid)] == []


@pytest.mark.parametrize("status", [124, 137])
def test_a_status_like_that_of_a_limit_is_no_limit(target: Target, status: int) -> None:
    with target.carrier() as carrier:
        carried = carrier.carry(Launch(target.key(), ("sh", "-c", f"exit {status}"), limit=30))
    assert (carried.standing, carried.exit_status, carried.timed_out) == (Standing.ENDED, status, False)


def sleeper(target: Target, limit: int = 300, script: str = "sleep 300 & echo $! $$; sleep 300") -> Launch:
    return Launch(target.key(), ("sh", "-c", script), limit=limit)


def pids_of(target: Target, launch: Launch) -> list[int]:
    """The processes of a sleeper, once it has told them."""
    until(lambda: target.look(launch.key).out.endswith(b"\n"))
    return [int(word) for word in target.look(launch.key).out.split()]


@pytest.mark.parametrize(("script", "status"), [("sleep 300 & echo $! $$; sleep 300", 143), (STUBBORN, 137)])
def test_a_stop_ends_the_whole_session(target: Target, script: str, status: int) -> None:
    launch = sleeper(target, script=script)
    target.start(launch)
    pids = pids_of(target, launch)
    look = parse_look(target.ask(stop_question(launch, 2).command))
    assert (look.standing, look.exit_status, look.stopped, look.left) == (Standing.ENDED, status, True, ())
    assert [pid for pid in pids if living(pid)] == []


def test_a_stop_of_what_has_ended_changes_nothing(target: Target) -> None:
    launch = Launch(target.key(), ("true",), limit=30)
    target.start(launch)
    ended = target.ended(launch.key)
    again = parse_look(target.ask(stop_question(launch, 3).command))
    assert replace(again, age=ended.age) == ended


def test_a_killed_runner_leaves_a_broken_step(target: Target) -> None:
    launch = sleeper(target)
    target.start(launch)
    pids = pids_of(target, launch)
    os.kill(int((target.step(launch.key) / "runner").read_text().split()[0]), signals.SIGKILL)
    with target.carrier() as carrier:
        carried = carrier.carry(retried(launch, 2), seen=True)
    assert (carried.standing, carried.alive, carried.rebooted) == (Standing.BROKEN, True, False)
    assert carried.exit_status is None
    assert carried.stdout.split() == [str(pid).encode() for pid in pids], "what it said is evidence"
    assert "runs on" in carried.why
    ended = parse_look(target.ask(stop_question(retried(launch, 2), 3).command))
    assert (ended.standing, ended.alive, ended.left) == (Standing.BROKEN, False, ())
    assert [pid for pid in pids if living(pid)] == []


def test_a_power_cut_leaves_a_broken_step_with_both_boot_ids(target: Target) -> None:
    """As a reboot would leave it: nothing of it runs, and it began under another boot id."""
    launch = sleeper(target)
    target.start(launch)
    pids = pids_of(target, launch)
    step = target.step(launch.key)
    os.kill(int((step / "runner").read_text().split()[0]), signals.SIGKILL)
    os.killpg(pids[1], signals.SIGKILL)
    began = (step / "began").read_text().split()
    (step / "began").write_text(" ".join(["11111111-2222-3333-4444-555555555555", *began[1:]]) + "\n")
    with target.carrier() as carrier:
        carried = carrier.carry(retried(launch, 2), seen=True)
    assert (carried.standing, carried.rebooted, carried.alive) == (Standing.BROKEN, True, False)
    assert carried.boot_then == "11111111-2222-3333-4444-555555555555"
    assert carried.boot_now == began[0]
    assert "restarted" in carried.why


def test_processes_of_another_boot_are_strangers_and_are_not_ended(target: Target) -> None:
    """Pids and even start ticks come again after a restart."""
    launch = sleeper(target)
    target.start(launch)
    pids = pids_of(target, launch)
    began = target.step(launch.key) / "began"
    began.write_text("11111111-2222-3333-4444-555555555555 " + began.read_text().split(" ", 1)[1])
    look = parse_look(target.ask(stop_question(launch, 1).command))
    assert (look.standing, look.alive) == (Standing.BROKEN, False)
    assert all(map(living, pids))
    os.killpg(pids[1], signals.SIGKILL)


def test_a_used_pid_is_not_taken_for_the_runner(target: Target) -> None:
    launch = sleeper(target)
    target.start(launch)
    pids = pids_of(target, launch)
    runner = target.step(launch.key) / "runner"
    os.kill(int(runner.read_text().split()[0]), signals.SIGKILL)
    runner.write_text(f"{os.getpid()} 12345\n")  # a living process, started at another time
    assert target.look(launch.key).standing is Standing.BROKEN
    os.killpg(pids[1], signals.SIGKILL)


class Says:
    """A signal that is quiet until it is given an error to raise."""

    def __init__(self) -> None:
        self.error: RondeError | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("error", "standing", "lives"),
    [
        (Cancelled("stop"), Standing.ENDED, False),
        (CommandTimeout("the job's time is over"), Standing.ENDED, False),
        (Fenced("not yours"), Standing.FENCED, True),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_a_stop_from_outside(target: Target, error: RondeError, standing: Standing, *, lives: bool) -> None:
    signal, launch = Says(), sleeper(target)
    done = []
    with target.carrier(signal) as carrier:
        carrying = in_the_background(lambda: done.append(carrier.carry(launch, end_now=True)))
        pids = pids_of(target, launch)
        signal.error = error
        carrying.join(60)
        assert carrier.shell is None
    assert done[0].standing is standing
    assert done[0].cancelled is isinstance(error, Cancelled)
    assert done[0].timed_out is isinstance(error, CommandTimeout)
    assert [living(pid) for pid in pids] == [lives, lives]
    target.ask(stop_question(launch, 1).command)


def test_a_cancelled_job_leaves_its_command_running_unless_told_otherwise(target: Target) -> None:
    signal, launch = Says(), sleeper(target)
    done = []
    with target.carrier(signal) as carrier:
        carrying = in_the_background(lambda: done.append(carrier.carry(launch)))
        pids = pids_of(target, launch)
        signal.error = Cancelled("stop")
        carrying.join(60)
    assert (done[0].cancelled, done[0].standing, done[0].stopped) == (True, Standing.RUNNING, False)
    assert all(map(living, pids))
    target.ask(stop_question(launch, 1).command)


def test_the_deadline_ends_what_the_host_did_not(target: Target) -> None:
    """The watch on the host is killed; ours takes its place."""
    launch = sleeper(target, limit=2)
    target.start(launch)
    pids = pids_of(target, launch)
    runner = int((target.step(launch.key) / "runner").read_text().split()[0])
    watch = [pid for pid in processes_of(target.step(launch.key)) if os.getsid(pid) == pid != os.getsid(runner)]
    assert len(watch) == 1
    os.kill(watch[0], signals.SIGKILL)
    with target.carrier(pace=replace(BRISK, grace=3)) as carrier:
        carried = carrier.carry(launch)
    assert (carried.standing, carried.timed_out, carried.stopped) == (Standing.ENDED, True, True)
    assert [pid for pid in pids if living(pid)] == []
