"""How a Windows host stands: what an answer tells, and what it leaves unknown. Not verified on Windows."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.facts.patch.windows import Result, Update
from ronde.facts.patch.windows_look import (
    NO_LOAD,
    Look,
    look_question,
    parse_look,
    parse_probes,
    parse_reboot,
    probes_question,
    started_since,
)
from ronde.facts.patch.windows_release import END_OF_LIFE, release_of
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.inventory import Probe
from ronde.model.patch.audit import Release
from ronde.model.patch.health import Health, Mount, Socket, compare
from ronde.model.patch.reboot import Signal
from ronde.model.patch.stored import health_from_json, health_json

AT = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)
SEEN: dict[str, Any] = {
    "boot": "2026-11-20T03:00:00Z",
    "now": "2026-11-27T20:00:00Z",
    "services": ["Spooler"],
    "sockets": [{"address": "::", "port": 445}, {"address": "127.0.0.1", "port": 49664}],
    "drives": [{"place": "%SystemDrive%", "kind": "NTFS", "size": 100, "free": 40}],
}


def answer(said: object, *, status: int = 0, truncated: bool = False) -> Answer:
    text = said if isinstance(said, str) else json.dumps(said)
    return Answer(Command(("powershell",)), status, text.encode(), b"", AT, AT, truncated=truncated)


def seen(**changes: object) -> Look | Finding:
    return parse_look(answer({"schema": 1, "state": "seen", "seen": {**SEEN, **changes}}))


def test_a_look_tells_failed_services_ports_and_drives() -> None:
    look = seen()
    assert isinstance(look, Look)
    assert look.boot == datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
    assert look.health == Health(
        units=frozenset({"Spooler"}),
        sockets=frozenset({Socket("tcp", "[::]", 445)}),  # what the kernel gives to anybody who asks is left out
        mounts=(Mount("%SystemDrive%", "NTFS", 100, 40),),
        load=NO_LOAD,
    )


@pytest.mark.parametrize("part", ["services", "sockets", "drives"])
@pytest.mark.parametrize("value", [None, "text", {}])
def test_a_part_that_was_not_told_is_unknown_and_not_empty(part: str, value: object) -> None:
    look = seen(**{part: value})
    assert isinstance(look, Look)
    whole = seen()
    assert isinstance(whole, Look)
    assert [one.rule for one in compare(whole.health, look.health)] == ["patch-health-unknown"]


def test_what_windows_does_not_have_is_nothing_that_is_missing_also_after_it_was_stored() -> None:
    look = seen()
    assert isinstance(look, Look)
    back = health_from_json(json.loads(json.dumps(health_json(look.health))))
    assert back == look.health
    assert compare(back, look.health) == ()


@pytest.mark.parametrize(
    "broken",
    [
        answer("WARNING: no console"),
        answer({"state": "seen", "seen": {**SEEN, "boot": "yesterday"}}),
        answer({"state": "seen", "seen": {**SEEN, "sockets": [{"port": "445"}]}}),
        answer({"state": "seen"}),
        answer({"state": "ordered"}),
        answer({"state": "seen", "seen": SEEN}, truncated=True),
        answer({"state": "seen", "seen": SEEN}, status=1),
        answer({"state": "error", "error": "Access is denied.", "code": "0x80070005"}),
    ],
)
def test_an_answer_of_another_shape_is_a_finding(broken: Answer) -> None:
    assert isinstance(parse_look(broken), Finding)


def test_only_windows_own_refusal_of_an_order_has_a_code() -> None:
    refused = parse_reboot(answer({"state": "error", "error": "shutdown.exe ended with 5", "code": "0x80131501"}))
    assert refused is not None
    assert "code" in refused.evidence
    garbled = parse_reboot(answer("?"))
    assert garbled is not None
    assert "code" not in garbled.evidence
    assert parse_reboot(answer({"state": "ordered"})) is None
    assert parse_reboot(answer({"state": "rebooted"})) is None


PROBES = [Probe(port=443), Probe(unit="W3SVC")]


def test_each_probe_has_its_own_answer() -> None:
    found = parse_probes(answer({"state": "probed", "answers": ["nothing answers", ""]}), PROBES)
    assert found == {"127.0.0.1 port 443": "nothing answers", "unit W3SVC": ""}


@pytest.mark.parametrize("answers", [None, [], [""], ["", "", ""], ["", None], "text"])
def test_answers_that_do_not_fit_the_probes_are_none(answers: object) -> None:
    assert isinstance(parse_probes(answer({"state": "probed", "answers": answers}), PROBES), Finding)


def test_no_value_stands_on_the_command_line() -> None:
    given = probes_question([Probe(command=("a b", '"; $(c)'))])
    assert given.command.line == look_question().command.line
    given.command.stdin.decode("ascii")


MINUTES = st.integers(-60 * 24 * 30, 60 * 24 * 30).map(lambda minutes: timedelta(minutes=minutes))


@given(uptime=st.integers(10, 100_000), later=st.integers(1, 600), step=MINUTES)
def test_a_clock_that_is_set_is_no_restart_unless_by_more_than_the_host_has_run(
    uptime: int, later: int, step: timedelta
) -> None:
    """`LastBootUpTime` moves with the clock; a start that is still before the last look is the one of before."""
    before = Look(AT - timedelta(minutes=uptime), AT, Health())
    after = Look(before.boot + step, AT + timedelta(minutes=later) + step, Health())
    if step < timedelta(minutes=uptime - 2):
        assert not started_since(before, after)


@given(uptime=st.integers(1, 100_000), away=st.integers(1, 600))
def test_a_restart_after_the_look_is_believed(uptime: int, away: int) -> None:
    before = Look(AT - timedelta(minutes=uptime), AT, Health())
    after = Look(AT + timedelta(seconds=away), AT + timedelta(seconds=away + 60), Health())
    assert started_since(before, after)
    assert not started_since(before, Look(before.boot, after.at, Health()))


def result(system: str) -> Result:
    signal = Signal("windows", needed=False, reason="")
    return Result("job", AT, AT, signal, complete=True, system=system, version="10.0.20348")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Microsoft Windows Server 2022 Standard", "2022"),
        ("Microsoft Windows Server 2012 R2 Datacenter", "2012 R2"),
        ("Microsoft\xa0Windows Server\xa02019 Standard", "2019"),
        ("Microsoft Windows 11 Pro", None),
        ("Microsoft Windows Server 2031 Standard", None),
    ],
)
def test_a_release_is_known_by_its_name_and_one_that_is_not_has_no_date(name: str, key: str | None) -> None:
    release = release_of(result(name))
    assert isinstance(release, Release)
    assert release.end_of_life == (END_OF_LIFE[key] if key else None)


def test_a_windows_without_a_name_is_not_read() -> None:
    assert isinstance(release_of(result("")), Finding)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (
            "2026-10 Cumulative Update for Server 2022 (KB5060001)",
            "2026-11 Cumulative Update for Server 2022 (KB5070001)",
        ),
        ("Outil de suppression x64 - v5.120 (KB890830)", "Outil de suppression x64 - v5.120 (KB890831)"),
    ],
)
def test_what_replaces_itself_each_month_is_one_series(first: str, then: str) -> None:
    assert Update("a", 1, first).series == Update("b", 2, then).series != ""


def test_other_updates_are_other_series() -> None:
    titles = ("2026-11 Cumulative Update for Windows Server 2022", "2026-11 Cumulative Update for .NET Framework 4.8")
    assert len({Update("a", 1, title).series for title in titles}) == 2
