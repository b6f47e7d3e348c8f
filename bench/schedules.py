"""What ten thousand schedules cost: one tick of beat, and one roll call over all of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from celery.beat import Scheduler

from beat_schedule import beat_schedule
from bench.figures import Figure, Goal
from bench.measuring import cpu
from bench.plant import Plant
from bench.sampler import watched
from bench.scale import Scale
from ronde.engine.firing import roll_call
from ronde.engine.parts import Engine

_GOAL = Goal(1.0)
_UNIT = "s CPU"
_AGAINST = "one second"
_MOST_DUE = 100  # schedules that fall due together
_NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a day without a change of clocks anywhere
_EVERY = timedelta(minutes=10)  # between two such moments; one for each round
_ZONES = ("Europe/Paris", "Indian/Reunion", "America/Martinique", "UTC")  # nowhere is it night now
_LATE = timedelta(seconds=5)


@dataclass(slots=True)
class SetClock:
    """A clock that stands until it is set."""

    at: datetime = _NOON

    def now(self) -> datetime:
        return self.at


def measure(directory: Path, scale: Scale) -> Sequence[Figure]:
    """Beat with the product's own entries, and the roll call on files, SQLite and a broker that nobody listens to."""
    what = f"{scale.clients * scale.schedules} schedules"
    clock = SetClock()
    with _prepared(directory, scale, clock) as (plant, engine):
        first, ticks = _ticks(plant, engine, scale)
        calls = [cpu(lambda: roll_call(engine, "bench"))]  # every schedule is seen for the first time
        quiet, busy = _roll_calls(engine, clock, scale)
        figures = [
            Figure(f"beat: first tick, {what}", [first], _UNIT, _AGAINST, _GOAL, "finds when each is due next"),
            Figure(f"beat: one tick, {what}", ticks, _UNIT, _AGAINST, _GOAL, "nothing due"),
            Figure(f"roll call: first, {what}", calls, _UNIT, _AGAINST, _GOAL, "each is written down as seen"),
            Figure(f"roll call: {what}", quiet, _UNIT, _AGAINST, _GOAL, "nothing due"),
            Figure(
                f"roll call: {what}", busy, _UNIT, _AGAINST, _GOAL, f"{_due(scale)} due, with their runs and messages"
            ),
        ]
        if all(figure.reached for figure in figures):
            return figures
        clock.at += _EVERY
        profile = watched(lambda: roll_call(engine, "bench"))
    return [figure if figure.reached else figure.explained(profile) for figure in figures]


def _ticks(plant: Plant, engine: Engine, scale: Scale) -> tuple[float, list[float]]:
    """CPU seconds of the first tick, which begins with everything, and of those that find nothing due."""
    app = plant.services.app
    app.conf.beat_schedule = beat_schedule(engine.inventories.current(), 3600.0)
    scheduler = Scheduler(app)
    return cpu(scheduler.tick), [cpu(scheduler.tick) for _ in range(4 * scale.rounds)]


def _roll_calls(engine: Engine, clock: SetClock, scale: Scale) -> tuple[list[float], list[float]]:
    quiet: list[float] = []
    busy: list[float] = []
    for number in range(scale.rounds):
        clock.at = _moment(number) - _LATE
        quiet.append(cpu(lambda: _call(engine, 0)))
        clock.at = _moment(number) + _LATE
        busy.append(cpu(lambda: _call(engine, _due(scale))))
    return quiet, busy


def _call(engine: Engine, expected: int) -> None:
    """One roll call, which must find what is due: one that finds nothing is quick and proves nothing."""
    fired = roll_call(engine, "bench").fired
    if fired != expected:
        raise RuntimeError(f"{fired} schedules were fired, {expected} were due")


def _due(scale: Scale) -> int:
    return min(_MOST_DUE, scale.clients)


def _moment(number: int) -> datetime:
    return _NOON + (number + 1) * _EVERY


@contextmanager
def _prepared(directory: Path, scale: Scale, clock: SetClock) -> Iterator[tuple[Plant, Engine]]:
    plant = Plant(directory, 1, [_client(number, scale) for number in range(scale.clients)])
    try:
        plant.prepare()
        yield plant, replace(plant.engine, clock=clock)
    finally:
        plant.close()


def _client(number: int, scale: Scale) -> Mapping[str, Any]:
    """One client: a host with a backup, and schedules at night; some of the first clients' fall due while we look."""
    by_day = number < _due(scale)
    at = [_at_night(number * scale.schedules + nth) for nth in range(scale.schedules)]
    if by_day:
        at[: scale.rounds] = [f"{_moment(nth):%-M %-H} * * *" for nth in range(scale.rounds)]
    backup = {"name": "data", "tool": "dump", "path": "/srv/dumps/*.sql", "format": "plain", "max_age": "26h"}
    host = {"address": "192.0.2.1", "user": "ronde", "key": "env://BENCH_KEY", "backups": [backup]}
    return {
        "client": f"client-{number:03}",
        "name": f"Client {number}",
        "timezone": "UTC" if by_day else _ZONES[number % len(_ZONES)],
        "hosts": {"srv": host},
        "schedules": {
            f"s{nth:02}": {"playbook": "backup/check", "at": cron, "on": "all"} for nth, cron in enumerate(at)
        },
    }


def _at_night(number: int) -> str:
    return f"{number % 60} {number // 60 % 5} * * *"
