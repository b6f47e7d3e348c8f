"""The morning's board: nothing by absence is ok, worst first, and beside each problem what to type next."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ronde.cli.status import board_page
from ronde.model.inventory import Client
from ronde.model.plan import TargetKind
from ronde.model.records import CheckRecord, Health, JobRecord, MailRecord, OccurrenceRecord, Trouble
from ronde.model.run import JobState, MailState
from ronde.model.verdict import Level, Severity, Verdict
from ronde.reports.board import Board, Cell, board, board_json
from ronde.reports.board_problems import ClientNight
from ronde.reports.night import night_view
from tests.doubles.night import AT, NOW, PROVIDER, VCENTER, check, client, dump, host, job, material, problem, restic

QUIET = Health({}, {}, None, 0, None, 0, None)
PARIS = ZoneInfo("Europe/Paris")
DUE = NOW - timedelta(minutes=10)


def night(
    of: Client | None = None,
    checks: Sequence[CheckRecord] = (),
    jobs: Sequence[JobRecord] = (),
    **more: object,
) -> ClientNight:
    """One client's night for the board."""
    one = of or client()
    occurrences = more.pop("occurrences", ())
    found = material(checks, jobs, occurrences=occurrences)
    return ClientNight(night_view(one, PROVIDER, found, NOW), found, **more)  # type: ignore[arg-type]  # ClientNight's


def of(*nights: ClientNight, health: Health = QUIET) -> Board:
    return board(nights, health, NOW)


def shown(value: Board, width: int = 80) -> str:
    """The board as a terminal without colours shows it."""
    out = StringIO()
    Console(file=out, width=width, color_system=None, highlight=False).print(board_page(value, PARIS), crop=False)
    return out.getvalue()


def mail(state: MailState, *, attempts: int = 1, answer: str = "", at: datetime = NOW) -> MailRecord:
    accepted = at if state is MailState.ACCEPTED else None
    who = "informatique@commune.example"
    return MailRecord(
        "4f2c", "commune-exemple", "report/night", who, "s", state, attempts, at, accepted_at=accepted, answer=answer
    )


WELL = (
    [check("srv-fichiers", "documents"), check("srv-compta", "mairie-db", "dump")],
    [job("srv-fichiers"), job("srv-compta")],
)


def test_a_night_in_order_is_ok_and_lists_no_problem() -> None:
    value = of(night(None, *WELL))
    assert value.verdict is Verdict.OK
    assert value.problems == ()
    assert "● Commune d'Exemple  ok       none      none due" in shown(value)


def test_a_client_of_whom_nothing_is_known_is_unknown_and_told() -> None:
    value = of(night())
    row = value.rows[0]
    assert (row.verdict, row.backups.words) == (Verdict.UNKNOWN, "2 unknown")
    assert [(one.where, one.words) for one in value.problems] == [
        ("srv-compta · mairie-db", ("not verified: no check ran",)),
        ("srv-fichiers · documents", ("not verified: no check ran",)),
    ]
    assert value.problems[0].actions == ("ronde run backup/check --client commune-exemple --host srv-compta",)


def test_a_client_without_backups_and_vcenters_is_not_ok() -> None:
    value = of(night(client(hosts={"srv-nu": host()})))
    row = value.rows[0]
    assert (row.verdict, row.backups.words, row.machines.words) == (Verdict.UNKNOWN, "none", "none")
    assert [one.words for one in value.problems] == [("nothing is declared, so nothing was checked",)]
    assert value.problems[0].actions == ("ronde inventory show commune-exemple",)


def test_no_client_at_all_is_not_ok() -> None:
    assert of().verdict is Verdict.UNKNOWN


@settings(max_examples=60)
@given(
    hosts=st.dictionaries(st.sampled_from(["srv-a", "srv-b", "srv-c"]), st.integers(0, 2), max_size=3),
    vcenters=st.sampled_from([{}, {"vc1": VCENTER}]),
    states=st.lists(st.sampled_from(list(MailState)), max_size=2),
    others=st.lists(st.sampled_from(list(JobState)), max_size=2),
)
def test_nothing_known_is_never_ok(
    hosts: dict[str, int], vcenters: dict[str, object], states: list[MailState], others: list[JobState]
) -> None:
    backups = {name: host(*(restic(f"r{number}") for number in range(count))) for name, count in hosts.items()}
    one = client(hosts=backups, vcenters=vcenters)
    jobs = [job(name, state) for name, state in zip(hosts, others, strict=False)]
    mails = [mail(state) for state in states]
    value = of(night(one, (), jobs, mails=mails), night(None, *WELL))
    row = next(row for row in value.rows if row.machines.words != "none" or row.verdict is not Verdict.OK)
    assert row.verdict.rank >= Verdict.UNKNOWN.rank
    assert value.verdict is not Verdict.OK
    if sum(hosts.values()):
        assert row.backups.verdict is Verdict.UNKNOWN
    if vcenters:
        assert row.machines.verdict is Verdict.UNKNOWN
    assert any(one.verdict.rank >= Verdict.UNKNOWN.rank and one.actions for one in value.problems)


def test_worst_first_in_rows_and_problems() -> None:
    checks = [
        check("srv-compta", "mairie-db", "dump", problem("backup-too-old")),
        check("srv-fichiers", "documents", "restic", problem("backup-remark", Severity.WARNING)),
    ]
    bad = night(None, checks, WELL[1])
    dark = night(client(client="ecole", name="École"))
    theirs = [replace(one, client="menuiserie") for one in WELL[0]]
    fine = night(client(client="menuiserie", name="Menuiserie"), theirs, WELL[1])
    value = of(fine, dark, bad)
    assert [row.verdict for row in value.rows] == [Verdict.FAILED, Verdict.UNKNOWN, Verdict.OK]
    ranks = [one.verdict.rank for one in value.problems]
    assert ranks == sorted(ranks, reverse=True)
    assert value.rows[0].backups.words == "1 failed, 1 to see"


def test_a_vcenter_that_could_not_be_read_is_not_hidden_by_a_mild_exception() -> None:
    one = client(hosts={}, vcenters={"vc1": VCENTER})
    old = check("vc1", "GED", "vm", problem("snap-age", Severity.WARNING))
    broken = check("vc1", "vc1", "vcenter", level=None)
    value = of(night(one, [old, broken], [job("vc1", kind=TargetKind.VCENTER)]))
    assert value.rows[0].machines.verdict is Verdict.UNKNOWN
    assert "unknown" in value.rows[0].machines.words


def test_a_board_full_of_words_keeps_every_one_of_them_at_80_columns() -> None:
    full = Cell(Verdict.FAILED, "2 failed, 3 unknown")
    value = of(night(None, *WELL))
    (row,) = value.rows
    crowded = replace(row, backups=full, machines=full, patches=full, runs=full, report=Cell(Verdict.OK, "sent", NOW))
    text = shown(replace(value, rows=(crowded,)))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    lines = [line.split() for line in text.splitlines()]
    assert ["backups", "machines", "patches", "runs", "report"] in lines
    assert text.count("2 failed") == text.count("unknown") == 4
    assert {"Commune", "d'Exemple"} <= set(text.split())


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("host-key-changed", "ronde host enrol srv-compta --client commune-exemple --replace    # once you know why"),
        ("host-key-missing", "ronde host enrol srv-compta --client commune-exemple"),
        ("unreachable", "ronde show 8f2c1a7b"),
    ],
)
def test_the_next_action_fits_the_trouble(code: str, action: str) -> None:
    found = replace(problem("backup-unreachable", Severity.UNKNOWN), evidence={"code": code})
    value = of(night(None, [check("srv-compta", "mairie-db", "dump", found, level=None)]))
    told = next(one for one in value.problems if one.where == "srv-compta · mairie-db")
    assert told.actions[0] == action


def test_what_has_no_check_tells_why_its_job_ended() -> None:
    trouble = Trouble("unreachable", "srv-compta: no route to host")
    jobs = [job("srv-compta", JobState.FAILED, trouble=trouble, attempt=3), job("srv-fichiers")]
    value = of(night(None, [check("srv-fichiers", "documents")], jobs))
    assert [one.words for one in value.problems] == [("not verified: srv-compta: no route to host, 3 tries",)]


REPORTS = [
    ([], None, None, ("none due", Verdict.OK)),
    ([], None, NOW + timedelta(hours=1), ("due", Verdict.OK)),
    ([], DUE, None, ("not sent", Verdict.UNKNOWN)),
    ([mail(MailState.ACCEPTED, at=DUE - timedelta(hours=9))], DUE, None, ("not sent", Verdict.UNKNOWN)),
    ([mail(MailState.ACCEPTED)], DUE, None, ("sent", Verdict.OK)),
    ([mail(MailState.QUEUED, attempts=0)], DUE, None, ("queued", Verdict.UNKNOWN)),
    ([mail(MailState.RETRY)], DUE, None, ("held", Verdict.UNKNOWN)),
    ([mail(MailState.UNKNOWN)], DUE, None, ("in doubt", Verdict.UNKNOWN)),
    ([mail(MailState.ACCEPTED), mail(MailState.DEAD)], DUE, None, ("not delivered", Verdict.FAILED)),
]


@pytest.mark.parametrize(("mails", "due", "following", "told"), REPORTS)
def test_the_report_column(
    mails: list[MailRecord], due: datetime | None, following: datetime | None, told: tuple[str, Verdict]
) -> None:
    value = of(night(None, *WELL, mails=mails, report_due=due, report_next=following))
    cell = value.rows[0].report
    assert (cell.words, cell.verdict) == told
    assert value.rows[0].verdict is told[1]
    if told[1] is not Verdict.OK and told[0] != "queued":
        assert [one.where for one in value.problems] == ["report by email"]


def test_when_a_report_was_sent_is_told_in_our_own_time() -> None:
    accepted = mail(MailState.ACCEPTED, at=datetime(2027, 1, 13, 6, 0, tzinfo=UTC))
    assert "sent 07:00" in shown(of(night(None, *WELL, mails=[accepted], report_due=DUE)))


def test_what_the_relay_said_stands_beside_a_held_report() -> None:
    value = of(night(None, *WELL, mails=[mail(MailState.RETRY, attempts=4, answer="451 try later")], report_due=DUE))
    page = shown(value)
    assert "informatique@commune.example: 451 try later (4 tries)" in page
    assert "    ronde report outbox --client commune-exemple\n" in page


def test_what_was_missed_is_counted_with_its_reason_and_what_to_do() -> None:
    due = datetime(2027, 1, 13, 1, 0, tzinfo=UTC)
    missed = OccurrenceRecord("commune-exemple", "night-backups", due, NOW, None, "no beat was alive", count=3)
    page = shown(of(night(None, *WELL, occurrences=[missed])))
    assert "▲ Missed: 3\n" in page
    assert "commune-exemple · night-backups, Wed 13 Jan 02:00 and 2 before: no beat was" in page
    assert "    ronde round commune-exemple\n" in page


def test_beats_alive_are_those_seen_within_three_roll_calls() -> None:
    beats = {"a": NOW - timedelta(seconds=60), "b": NOW - timedelta(minutes=20)}
    value = of(night(None, *WELL), health=replace(QUIET, beats=beats, last_roll_call=NOW, oldest_queued_s=4.2))
    assert value.beats_alive == 1
    assert "Missed: none. Scheduler: 1 beat alive. Oldest queued job: 4 s. Unsent mail: 0.\n" in shown(value)
    assert "■ no beat alive; start it with `ronde up`" in shown(of(night(None, *WELL)))


def test_eighty_columns_hold_whatever_names_there_are() -> None:
    long = "Syndicat intercommunal à vocation unique des communes du très grand plateau de l'Aubrac"
    one = client(name=long, hosts={"srv-" + "x" * 55: host(dump("base")), "srv-b": host(restic("r" * 60))})
    said = replace(problem("backup-too-old"), message="/srv/" + "y" * 200 + " is old")
    page = shown(of(night(one, [check("srv-b", "r" * 60, "restic", said)], [job("srv-b")])))
    lines = [line for line in page.splitlines() if not line.startswith("    ronde ")]
    assert max(map(len, lines)) <= 80
    assert page.replace("\n", "").replace(" ", "").count("y" * 200) == 1, "nothing is cut off"
    assert "1 failed, 1 unknown" in page


def test_a_command_is_never_broken_so_that_it_can_be_copied() -> None:
    name = "srv-" + "x" * 55
    page = shown(of(night(client(hosts={name: host(dump("base"))}))))
    assert f"    ronde run backup/check --client commune-exemple --host {name}\n" in page


def test_hostile_names_neither_move_the_cursor_nor_forge_a_line() -> None:
    name = "GED\x1b[2J\x9b31m\n● tout va bien\u202e[red]"
    one = client(hosts={}, vcenters={"vc1": VCENTER})
    checks = [
        check("vc1", name, "vm", replace(problem("snap-age"), message=f'Snapshot of "{name}"\r\n● ok')),
        check("vc1", "vc1", "vcenter", facts={"machines": 1}),
    ]
    page = shown(of(night(one, checks, [job("vc1", kind=TargetKind.VCENTER)])))
    assert not {char for char in page if (ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0}
    assert "\u202e" not in page
    assert "[red]" in page, "markup of others is only text"
    assert not any(line.lstrip().startswith("● tout") or line.lstrip() == "● ok" for line in page.splitlines())


def test_the_board_as_json_says_the_same() -> None:
    found = check("srv-compta", "mairie-db", "dump", problem("backup-too-old"))
    value = of(night(None, [found, WELL[0][0]], WELL[1], mails=[mail(MailState.ACCEPTED, at=AT)]))
    document = board_json(value)
    assert document["verdict"] == "failed"
    assert document["clients"] == [
        {
            "client": "commune-exemple",
            "name": "Commune d'Exemple",
            "verdict": "failed",
            "backups": {"verdict": "failed", "words": "1 failed", "at": None},
            "machines": {"verdict": "ok", "words": "none", "at": None},
            "patches": {"verdict": "ok", "words": "none", "at": None},
            "runs": {"verdict": "ok", "words": "none", "at": None},
            "report": {"verdict": "ok", "words": "sent", "at": AT.isoformat()},
        }
    ]
    assert [one["where"] for one in document["problems"]] == ["srv-compta · mairie-db"]  # type: ignore[attr-defined]  # a list
    assert document["machinery"] == {
        "beats_alive": 0,
        "last_roll_call": None,
        "oldest_queued_s": None,
        "unsent_mails": 0,
    }
    assert Level.PRESENT is found.level
