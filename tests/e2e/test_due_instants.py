"""What is due is decided once, whatever beat does: several installations live through the same minute boundary."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from ronde.model.records import OccurrenceRecord
from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from tests.e2e.installation import CLIENT, SCOPE, Installation, poll

pytestmark = pytest.mark.serial  # one minute boundary serves every test of this file
MARGIN: Final = timedelta(seconds=2)  # how long before the minute the beat dies, and how long after it another starts


@dataclass
class Minute:
    """Three installations that saw the same due instant: with two beats, with a dead one, and without a broker."""

    due: datetime
    two_beats: Installation
    dead_beat: Installation
    no_broker: Installation


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minute]:
    root = tmp_path_factory.mktemp("minute")
    with ExitStack() as stack:
        two, dead, away = (stack.enter_context(_installation(root / name)) for name in ("two", "dead", "away"))
        beats = [two.start_beat("beat-1"), two.start_beat("beat-2"), away.start_beat()]
        mortal = dead.start_beat("mortal")
        for part in (two, dead, away):
            part.start_worker()
        for part, count in ((two, 2), (dead, 1), (away, 1)):
            poll(lambda p=part, n=count: _beats(p) == n and _seen(p), within=30, what="all beats are heard")  # type: ignore[misc]  # bound now
        due = (datetime.now(UTC) + MARGIN + timedelta(minutes=1)).replace(second=0, microsecond=0)
        poll(lambda: datetime.now(UTC) > due - MARGIN, within=65, what="the minute is near")
        mortal.kill()
        away.broker.kill()
        assert datetime.now(UTC) < due
        poll(lambda: datetime.now(UTC) > due + MARGIN, within=10, what="the minute has begun")
        dead.start_beat("heir")
        away.broker.start()
        assert all(process.alive for process in beats)
        yield Minute(due, two, dead, away)


def _installation(directory: Path) -> Installation:
    ronde = Installation(directory)
    ronde.add_host("srv-1")
    far = datetime.now(UTC) + timedelta(hours=12)
    ronde.schedules = {
        "often": _schedule("* * * * *", "1h"),
        "fleeting": _schedule("* * * * *", "1s"),
        "other-day": _schedule(f"{far.minute} {far.hour} * * *", "1h"),
    }
    ronde.broker.start()
    ronde.write_inventory()
    assert ronde.ledger.ping()
    return ronde


def _schedule(at: str, within: str) -> dict[str, Any]:
    return {"playbook": "backup/check", "at": at, "on": "all", "catch_up": {"within": within}}


def _seen(ronde: Installation) -> bool:
    keys = [(CLIENT, name) for name in ronde.schedules]
    return len(ronde.ledger.decided_until(SCOPE, keys)) == len(keys)


def _beats(ronde: Installation) -> int:
    return len(ronde.ledger.health(datetime.now(UTC)).beats)


def _decided(minute: Minute, ronde: Installation, schedule: str) -> OccurrenceRecord:
    """The one decision about a schedule's due instant in that minute, once there is one."""

    def found() -> list[OccurrenceRecord]:
        return [occurrence for occurrence in ronde.occurrences(schedule) if occurrence.due == minute.due]

    (occurrence,) = poll(found, within=50, what=f"{schedule} is decided")
    return occurrence


def _examined(minute: Minute, ronde: Installation) -> OccurrenceRecord:
    """The decision about `often`, which came to a whole run."""
    decided = _decided(minute, ronde, "often")
    assert (decided.run is not None, decided.reason) == (True, "")
    record = ronde.finished(str(decided.run))
    assert (record.verdict, [job.state for job in record.jobs]) == (Verdict.OK, [JobState.SUCCEEDED])
    assert Counter(ronde.events(record.id))["job.claim"] == 1
    assert [run.id for run in ronde.runs() if (run.schedule, run.due) == ("often", minute.due)] == [record.id]
    return decided


def test_two_beats_fire_a_due_instant_once(minute: Minute) -> None:
    ronde = minute.two_beats
    assert _examined(minute, ronde).decided_at < minute.due + timedelta(seconds=15)
    assert max(Counter(occurrence.due for occurrence in ronde.occurrences("often")).values()) == 1
    assert max(Counter((run.schedule, run.due) for run in ronde.runs()).values()) == 1
    assert ronde.occurrences("other-day") == []


def test_what_was_due_while_beat_was_dead_is_caught_up(minute: Minute) -> None:
    assert _examined(minute, minute.dead_beat).decided_at > minute.due + MARGIN


def test_what_is_noticed_too_late_is_missed_and_told(minute: Minute) -> None:
    ronde = minute.dead_beat
    fleeting = _decided(minute, ronde, "fleeting")
    assert fleeting.run is None
    assert "it is useful for 1s" in fleeting.reason
    told = [(missed["schedule"], missed["due"]) for missed in ronde.status()["missed"]]
    assert ("fleeting", minute.due.isoformat()) in told


def test_what_was_due_while_the_broker_was_away_is_caught_up(minute: Minute) -> None:
    assert _examined(minute, minute.no_broker).decided_at > minute.due + MARGIN
    assert _decided(minute, minute.no_broker, "fleeting").run is None
