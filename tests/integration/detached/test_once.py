"""A detached command begins once, whoever asks how often, and whatever becomes of the link."""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Barrier, Timer

import pytest

from ronde.facts.detached import (
    Outcome,
    parse_raised,
    raise_question,
    start_question,
    stop_question,
    tidy_old_question,
    tidy_question,
)
from ronde.facts.detached.answers import parse_look, parse_outcome
from ronde.model.detached import Carried, Key, Launch, Standing
from ronde.model.errors import ConnectionLost
from tests.integration.detached.conftest import Target, in_the_background, retried, until

LINES = "".join(f"{number}\n" for number in range(1, 201))
COUNTING = """\
echo begun >>"$1"
n=0
while [ "$n" -lt 200 ]; do n=$((n + 1)); echo "$n"; echo "$n" >&2; [ $((n % 10)) -ne 0 ] || sleep 0.1; done
exit 3
"""


def counting(key: Key, counter: Path, stdin: bytes = b"") -> Launch:
    """Notes that it ran, and takes two seconds to say two hundred lines on both streams."""
    return Launch(key, ("sh", "-c", COUNTING, "count", str(counter)), stdin=stdin, limit=60)


def whole(carried: Carried) -> bool:
    said = (carried.stdout, carried.stderr)
    return (carried.standing, carried.exit_status) == (Standing.ENDED, 3) and said == (LINES.encode(),) * 2


def times_begun(counter: Path) -> int:
    return len(counter.read_text().splitlines()) if counter.exists() else 0


def test_a_command_is_carried_to_its_end(target: Target, tmp_path: Path) -> None:
    heard: dict[str, bytes] = {"out": b"", "err": b""}
    pieces = 0

    def listen(stream: str, data: bytes) -> None:
        nonlocal pieces
        heard[stream] += data
        pieces += 1

    with target.carrier() as carrier:
        carried = carrier.carry(counting(target.key(), tmp_path / "counter"), listen=listen)
    assert whole(carried)
    assert heard == {"out": carried.stdout, "err": carried.stderr}
    assert pieces > 4, "it is heard while it runs"
    assert (carried.adopted, carried.timed_out, carried.truncated, carried.stopped) == (False, False, False, False)
    assert carried.boot_then == carried.boot_now == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert carried.started is not None
    assert carried.ended is not None
    assert 1 <= (carried.ended - carried.started).total_seconds() <= 30
    assert times_begun(tmp_path / "counter") == 1


def test_a_command_survives_the_end_of_its_connection(target: Target, tmp_path: Path) -> None:
    launch = counting(target.key(), tmp_path / "counter")
    with target.shell() as shell:
        begun = time.monotonic()
        assert parse_outcome(shell.run(start_question(launch).command)) is Outcome.STARTED
        assert time.monotonic() - begun < 10, "the start does not hold the channel"
    assert target.look(launch.key).standing is Standing.RUNNING
    with target.carrier() as carrier:
        assert whole(carrier.carry(launch))
    assert times_begun(tmp_path / "counter") == 1


def test_a_link_cut_at_twenty_points_loses_and_doubles_nothing(target: Target, tmp_path: Path) -> None:
    moments = random.Random(target.home.name)  # noqa: S311 - the same moments in every run of one shell

    def carry(number: int, after: float) -> tuple[Carried, int]:
        counter = tmp_path / str(number)
        heard = bytearray()
        with target.proxied(f"proxied-{number}") as proxy, target.carrier(host=f"proxied-{number}") as carrier:
            cutters = [Timer(moment, proxy.cut) for moment in (after, after + 0.7)]
            for cutter in cutters:
                cutter.start()
            carried = carrier.carry(
                counting(target.key(), counter, b"x" * 300_000),
                listen=lambda stream, data: heard.extend(data if stream == "out" else b""),
            )
            for cutter in cutters:
                cutter.join()
        assert bytes(heard) == carried.stdout
        return carried, times_begun(counter)

    with ThreadPoolExecutor(5) as pool:
        results = list(pool.map(carry, range(20), [moments.uniform(0, 2) for _ in range(20)]))
    assert [times for _, times in results] == [1] * 20
    assert [number for number, (carried, _) in enumerate(results) if not whole(carried)] == []


def test_two_attempts_at_the_same_time_start_it_once(target: Target, tmp_path: Path) -> None:
    for number in range(10):
        counter = tmp_path / str(number)
        launch = Launch(target.key(), ("sh", "-c", 'echo begun >>"$1"', "count", str(counter)), limit=60)
        barrier = Barrier(2)

        def start(launch: Launch, barrier: Barrier = barrier) -> Outcome:
            with target.shell() as shell:
                barrier.wait(20)
                return parse_outcome(shell.run(start_question(launch).command))

        with ThreadPoolExecutor(2) as pool:
            outcomes = sorted(pool.map(start, [launch, launch]))
        assert outcomes == [Outcome.ALREADY, Outcome.STARTED]
        assert target.ended(launch.key).exit_status == 0
        assert times_begun(counter) == 1


def test_a_later_attempt_adopts_what_an_earlier_one_started(target: Target, tmp_path: Path) -> None:
    launch = counting(target.key(), tmp_path / "counter")
    assert target.start(launch) is Outcome.STARTED
    with target.carrier() as carrier:
        carried = carrier.carry(retried(launch, 2), seen=True)
    assert whole(carried)
    assert carried.adopted
    assert target.look(launch.key).standing is Standing.FENCED, "the earlier attempt is told to leave"
    assert times_begun(tmp_path / "counter") == 1


def test_an_end_is_adopted_as_well(target: Target, tmp_path: Path) -> None:
    launch = counting(target.key(), tmp_path / "counter")
    target.start(launch)
    target.ended(launch.key)
    with target.carrier() as carrier:
        again = carrier.carry(retried(launch, 2))
    assert (whole(again), again.adopted, times_begun(tmp_path / "counter")) == (True, True, 1)


def test_what_was_seen_and_is_gone_is_not_started_again(target: Target, tmp_path: Path) -> None:
    with target.carrier() as carrier:
        carried = carrier.carry(counting(target.key(fence=2), tmp_path / "counter"), seen=True)
    assert carried.standing is Standing.ABSENT
    assert times_begun(tmp_path / "counter") == 0


def test_a_lower_fence_is_refused(target: Target, tmp_path: Path) -> None:
    launch = counting(target.key(fence=3), tmp_path / "counter")
    raised = parse_raised(target.ask(raise_question(launch.key.job, 3).command))
    assert (raised.holds, raised.steps) == (True, {})
    assert target.start(retried(launch, 2)) is Outcome.FENCED
    assert not parse_raised(target.ask(raise_question(launch.key.job, 2).command)).holds
    with target.carrier() as carrier:
        assert carrier.carry(retried(launch, 2)).standing is Standing.FENCED
        stopped = parse_look(target.ask(stop_question(retried(launch, 2), 1).command))
        assert stopped.standing is Standing.FENCED
    assert times_begun(tmp_path / "counter") == 0
    assert target.start(launch) is Outcome.STARTED
    raised = parse_raised(target.ask(raise_question(launch.key.job, 4).command))
    assert raised.steps == {"step": Standing.RUNNING}


def test_a_zombie_whose_start_arrives_late_is_refused(target: Target, tmp_path: Path) -> None:
    """Its start is on the host already, waiting for the rest of its input, when the next attempt raises the fence."""
    launch = counting(target.key(), tmp_path / "counter", b"x" * 8_000_000)
    outcomes: list[Outcome] = []
    with target.proxied("frozen") as proxy, target.shell(host="frozen") as shell:
        starting = in_the_background(lambda: outcomes.append(parse_outcome(shell.run(start_question(launch).command))))
        until((target.jobs / launch.key.job).is_dir, "the start never arrived")
        proxy.freeze()
        assert parse_raised(target.ask(raise_question(launch.key.job, 2).command)).holds
        proxy.thaw()
        starting.join(60)
    assert outcomes == [Outcome.FENCED]
    assert times_begun(tmp_path / "counter") == 0
    assert inputs_of(launch.key) == []


def inputs_of(key: Key) -> list[Path]:
    """Inputs of a job that wait in memory."""
    places = (Path("/run"), Path("/dev/shm"), Path("/run/user"))  # noqa: S108 - where they are to be looked for
    return [found for place in places for found in place.glob(f"**/.ronde-{key.job}-*")]


def test_a_link_cut_in_the_middle_of_the_input_starts_nothing_and_then_all_of_it(target: Target) -> None:
    stdin = random.Random(1).randbytes(6_000_000)  # noqa: S311 - noise
    launch = Launch(target.key(), ("sha256sum",), stdin=stdin, limit=60)
    with target.proxied("cut") as proxy, target.shell(host="cut") as shell:

        def cut() -> None:
            until((target.jobs / launch.key.job).is_dir, "the start never arrived")
            proxy.cut()

        cutter = in_the_background(cut)
        with pytest.raises(ConnectionLost):
            shell.run(start_question(launch).command)
        cutter.join(60)
    until(lambda: inputs_of(launch.key) == [], "half an input was left")
    assert target.look(launch.key).standing is Standing.ABSENT
    with target.carrier() as carrier:
        carried = carrier.carry(launch)
    assert carried.stdout.split()[0].decode() == sha256(stdin).hexdigest()


def test_a_step_told_to_end_before_it_began_never_begins(target: Target, tmp_path: Path) -> None:
    launch = counting(target.key(), tmp_path / "counter")
    assert parse_look(target.ask(stop_question(launch, 1).command)).standing is Standing.ABSENT
    assert target.start(launch) is Outcome.ALREADY
    assert target.look(launch.key).standing is Standing.ABSENT
    assert times_begun(tmp_path / "counter") == 0


def test_a_job_that_was_tidied_starts_nothing_any_more(target: Target, tmp_path: Path) -> None:
    launch = counting(target.key(), tmp_path / "counter")
    target.start(launch)
    assert parse_outcome(target.ask(tidy_question(launch.key.job, 1).command)) is Outcome.RUNNING
    target.ended(launch.key)
    with target.carrier() as carrier:
        assert carrier.tidy(launch.key)
        assert carrier.carry(retried(launch, 7)).standing is Standing.FENCED
    assert sorted(path.name for path in (target.jobs / launch.key.job).iterdir()) == [".fence", ".lock"]
    assert times_begun(tmp_path / "counter") == 1


def test_only_old_jobs_that_have_ended_are_cleared_away(target: Target) -> None:
    old, young, running = (
        Launch(target.key(), ("sh", "-c", "sleep $1", "x", time), limit=60) for time in ("0", "0", "30")
    )
    for launch in (old, young, running):
        target.start(launch)
    for launch in (old, young):
        target.ended(launch.key)
    for launch in (old, running):
        os.utime(target.jobs / launch.key.job, (0, 0))
    days = 365 * 20  # the machine's own jobs, should it have any, are younger
    assert parse_outcome(target.ask(tidy_old_question(days).command)) is Outcome.TIDIED
    left = [(target.jobs / launch.key.job).exists() for launch in (old, young, running)]
    assert left == [False, True, True]
    target.ask(stop_question(running, 1).command)
