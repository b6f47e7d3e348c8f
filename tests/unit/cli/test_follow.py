"""`ronde follow`: whose line it is, what was lost, and what is left when the broker is away."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from ronde.cli import follow
from ronde.cli.follow import follow_run, followed
from ronde.model.feed import Stream, ending
from ronde.model.plan import Target, TargetKind
from ronde.model.records import JobRecord, RunRecord, Scope, Trouble
from ronde.model.run import JobState, RunState
from ronde.model.verdict import Verdict
from tests.doubles.feed import AT, ScriptedFeed, piece
from tests.doubles.ledger import MemoryLedger

RUN = "0198c0de-7777-7000-8000-000000000000"
SCOPE = Scope.of("commune")
RESTART = b"restart: systemctl restart cron"
LOST = "some live output was lost; the record is complete:"
ENDED = "srv-fichiers ── succeeded · ● ok"
SHOW = "ronde show 0198c0de --output"


def job(name: str = "job", host: str = "srv-fichiers", client: str = "commune") -> JobRecord:
    target = Target(client, TargetKind.HOST, host)
    return JobRecord(name, RUN, target, "adhoc/command", JobState.RUNNING, None, 1, AT)


def run_of(*jobs: JobRecord) -> RunRecord:
    return RunRecord(RUN, "adhoc/command", "d", RunState.RUNNING, None, "person", "alix", "", AT, jobs=jobs)


class OneRun(MemoryLedger):
    """A ledger with one run, which a test moves; `on_look` hears before each look how many there were."""

    def __init__(self, record: RunRecord) -> None:
        super().__init__()
        self.current = record
        self.looks = 0
        self.on_look: Callable[[int], None] = lambda _number: None

    def run(self, scope: Scope, reference: str) -> RunRecord:
        assert (scope, reference) == (SCOPE, RUN)
        self.looks += 1
        self.on_look(self.looks - 1)
        return self.current

    def end(self, state: JobState = JobState.SUCCEEDED, verdict: Verdict = Verdict.OK) -> None:
        jobs = tuple(replace(one, state=state, verdict=verdict) for one in self.current.jobs)
        self.current = replace(self.current, state=RunState.SUCCEEDED, verdict=verdict, jobs=jobs)


@dataclass
class House:
    """One run, its live output, and a screen; a test says what is said and when the run ends."""

    ledger: OneRun = field(default_factory=lambda: OneRun(run_of(job())))
    feed: ScriptedFeed = field(default_factory=ScriptedFeed)
    width: int | None = None  # of a terminal; None for a file
    screen: io.StringIO = field(default_factory=io.StringIO)

    def say(self, data: bytes, offset: int = 0, stream: str = "out", **where: str) -> None:
        self.feed.publish(RUN, [piece(data, offset, stream, **where)])

    def close(self, out: int = 0, err: int = 0, note: int = 0, **where: str) -> None:
        totals = {Stream.OUT: out, Stream.ERR: err, Stream.NOTE: note}
        self.say(ending(totals), 0, "end", **where)

    @property
    def console(self) -> Console:
        if self.width is None:
            return Console(file=self.screen, force_terminal=False)
        return Console(file=self.screen, width=self.width, force_terminal=True, color_system="standard")

    def follow(self) -> list[str]:
        """Everything printed, as lines; the run has ended by then."""
        assert follow_run(self, RUN, SCOPE, self.console).state is RunState.SUCCEEDED
        return self.screen.getvalue().splitlines()

    def follow_ended(self) -> list[str]:
        """The same for a run that has ended; without what is said of how it ended."""
        self.ledger.end()
        return [line for line in self.follow() if "succeeded" not in line]


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(follow, "_GRACE", 0.05)
    monkeypatch.setattr(follow, "_PAUSE", 0.01)
    monkeypatch.setattr(follow, "_REST", 0.03)
    return House()


def test_each_line_has_its_host_and_its_stream_before_it(house: House) -> None:
    house.ledger.current = run_of(job(), job("other", "gw"))
    house.say(RESTART + b"\n", 0, "note")
    house.say(b"Stopping cron\nStar")
    house.say(b"first\nsecond\n", job="other")
    house.say(b"cron: no such unit\n", 0, "err")
    house.say(b"ting cron", 18)
    house.close(out=27, err=19, note=len(RESTART) + 1)
    house.close(out=13, job="other")
    assert house.follow_ended() == [
        "srv-fichiers ── restart: systemctl restart cron",
        "srv-fichiers │ Stopping cron",
        "gw           │ first",
        "gw           │ second",
        "srv-fichiers ! cron: no such unit",
        "srv-fichiers │ Starting cron",
    ]


def test_a_file_gets_lines_as_they_are_without_any_escape(house: House) -> None:
    house.say(b"x" * 300 + b"\n")
    house.say(b"err\n", 0, "err")
    house.close(out=301, err=4)
    assert house.follow_ended() == ["srv-fichiers │ " + "x" * 300, "srv-fichiers ! err"]


def test_at_80_columns_a_long_line_is_folded_behind_its_mark(house: House) -> None:
    house.width = 80
    text = "é" * 100 + "宽" * 30
    house.say(text.encode() + b"\n\tindented\n")
    house.close(out=len(text.encode()) + 11)
    lines = house.follow_ended()
    assert max(map(cell_len, lines)) <= 80
    assert lines[0].startswith("srv-fichiers │ é")
    assert all(line.startswith("             │ ") for line in lines[1:3])
    assert "".join(line[15:] for line in lines[:3]) == text
    assert lines[3] == "srv-fichiers │         indented"


def test_standard_error_is_dim_on_a_terminal_and_marked_all_the_same(house: House) -> None:
    house.width = 80
    house.say(b"broken\n", 0, "err")
    house.close(err=7)
    assert house.follow_ended() == ["\x1b[2msrv-fichiers ! broken\x1b[0m"]


def test_hosts_of_several_clients_are_told_apart_and_long_names_cut(house: House) -> None:
    house.ledger.current = run_of(job(), job("b", "s" * 40, "lycee"))
    house.say(b"a\n")
    house.say(b"b\n", job="b")
    house.close(out=2)
    house.close(out=2, job="b")
    assert house.follow_ended() == ["commune/srv-fichiers     │ a", "lycee/sssssssssssssssss… │ b"]


def test_a_job_outside_the_scope_is_not_heard(house: House) -> None:
    house.say(b"not for you\n", job="of another client")
    house.say(b"yours\n")
    house.close(out=6)
    assert house.follow_ended() == ["srv-fichiers │ yours"]


def test_a_progress_bar_is_lines_and_a_dos_line_is_one(house: House) -> None:
    house.say(b" 10%\r 20%\r\ndone\r\n")
    house.close(out=17)
    assert house.follow_ended() == ["srv-fichiers │  10%", "srv-fichiers │  20%", "srv-fichiers │ done"]


@given(st.binary(max_size=300) | st.text("ab\x1b[]2J\r\n\x9b\x00\u202e\u200b\x07;", max_size=200).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("width", [None, 40])
def test_whatever_a_host_says_stays_behind_its_name(house: House, width: int | None, said: bytes) -> None:
    hostile = House(width=width)
    hostile.say(said, 0, "out")
    hostile.close(out=len(said))
    lines = hostile.follow_ended()
    assert hostile.screen.getvalue().splitlines() == hostile.screen.getvalue().split("\n")[:-1]
    for line in lines:
        if "full output" not in line:
            assert line.startswith(("srv-fichiers │", "             │"))
        assert not [char for char in line if (ord(char) < 32 and char != "\t") or 0x7F <= ord(char) < 0xA0]
        assert not {"\u202e", "\u200b"} & set(line)


def test_a_hole_is_told_once_where_it_is_with_where_the_record_lies(house: House) -> None:
    house.say(b"one\ntw")
    house.say(b"ree\n", 10)
    house.say(b"five\n", 30)
    house.close(out=35)
    assert house.follow_ended() == [
        "srv-fichiers │ one",
        "srv-fichiers │ tw",
        f"srv-fichiers … {LOST} {SHOW}",
        "srv-fichiers │ ree",
        "srv-fichiers │ five",
    ]


def test_what_is_said_of_a_hole_fits_80_columns_with_the_command_whole(house: House) -> None:
    house.width = 80
    house.ledger.current = run_of(job("job", "s" * 40))
    house.say(b"ree\n", 10)
    house.close(out=14)
    lines = house.follow_ended()
    assert max(map(len, lines)) <= 80
    assert [line.strip() for line in lines[:2]] == ["sssssssssssssssssssssss… … " + LOST, SHOW]


def test_a_step_whose_end_never_came_is_told_as_well(house: House) -> None:
    house.say(b"one\ntwo")
    assert house.follow_ended() == ["srv-fichiers │ one", "srv-fichiers │ two", f"srv-fichiers … {LOST} {SHOW}"]


def test_the_last_words_come_after_the_ledger_knows_the_end(house: House) -> None:
    house.say(b"one\n")

    def go_on(number: int) -> None:
        if number == 3:
            house.ledger.end()
        if number == 5:  # the run has ended; these were on their way
            house.say(b"two\n", 4)
            house.close(out=8)

    house.feed.on_read = go_on
    assert house.follow() == ["srv-fichiers │ one", "srv-fichiers ── running", "srv-fichiers │ two", ENDED]


def test_how_each_job_stands_is_told_when_it_changes(house: House) -> None:
    waiting = replace(job(), state=JobState.QUEUED)
    again = replace(waiting, attempt=2, trouble=Trouble("unreachable", "no route to it"))
    story = {2: job(), 4: again, 6: replace(again, state=JobState.RUNNING, trouble=None)}

    def look(number: int) -> None:
        house.ledger.current = run_of(story.get(number, house.ledger.current.jobs[0]))
        if number == 8:
            house.ledger.end(JobState.NEEDS_HUMAN, Verdict.UNKNOWN)

    house.ledger.current = run_of(waiting)
    house.ledger.on_look = look
    assert house.follow() == [
        "srv-fichiers ── running",
        "srv-fichiers ── waiting · try 2 · no route to it",
        "srv-fichiers ── running · try 2",
        "srv-fichiers ── needs human · ◇ unknown · try 2",
        f" ── full output: {SHOW}",
    ]


def test_a_broker_that_is_away_is_told_once_and_the_ledger_followed(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.say(b"one\n")
    house.feed.on_read = lambda number: setattr(house.feed, "away", number > 0)
    house.ledger.on_look = lambda number: house.ledger.end() if number == 30 else None
    lines = house.follow()
    assert house.feed.asked > 3, "it is asked again and again"
    assert lines == [
        "srv-fichiers │ one",
        "srv-fichiers ── running",
        f"srv-fichiers … {LOST} {SHOW}",
        ENDED,
        f" ── full output: {SHOW}",
    ]
    told = capsys.readouterr().err
    assert told.count("Following goes on with what the ledger knows.") == 1
    assert told.count("cannot be asked") == 1


def test_when_the_broker_is_back_nothing_is_missed_or_doubled(house: House) -> None:
    house.say(b"one\n")

    def story(number: int) -> None:
        house.feed.away = False
        if number == 1:
            house.say(b"two\n", 4)
        if number in {1, 2}:
            house.feed.away = True
        if number == 4:
            house.say(b"one\ntwo\nthree\n")
            house.close(out=14)
            house.ledger.end()

    house.feed.on_read = story
    said = [line for line in house.follow() if "│" in line or "…" in line]
    assert said == ["srv-fichiers │ one", "srv-fichiers │ two", "srv-fichiers │ three"]


def test_ctrl_c_only_leaves(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    house.say(b"one\n")
    house.feed.on_read = interrupt
    with pytest.raises(typer.Exit) as left:
        followed(house, RUN, SCOPE, house.console)
    assert left.value.exit_code == 130
    assert capsys.readouterr().err == "Left; the run goes on.\nronde follow 0198c0de\nronde cancel 0198c0de\n"
    assert house.ledger.current.state is RunState.RUNNING


def test_a_run_that_nobody_begins_is_remarked_upon_once(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(follow, "_IMPATIENT", 0.0)
    house.ledger.current = run_of(replace(job(), state=JobState.QUEUED))
    house.ledger.on_look = lambda number: house.ledger.end() if number == 20 else None
    house.follow()
    assert capsys.readouterr().err == "Nothing has begun yet. Is a worker alive? ronde doctor\n"


def test_a_run_of_which_nothing_is_left_to_hear_says_where_it_is_written(house: House) -> None:
    assert house.follow_ended() == [f" ── full output: {SHOW}"]
