"""What an inventory declares as a calendar; and that nothing it would have refused ever opens one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from ronde.model.inventory import Client, Closed, Holidays, Host, MaintenanceWindow
from ronde.model.windows.calendar import Calendar
from ronde.model.windows.declared import Mark, calendar_of, marks_of
from ronde.model.windows.week import Hours

HOST = {"address": "10.0.0.1", "user": "ronde", "key": "age://c/ssh"}
ALWAYS = {"always": {"at": "00:00-24:00"}}
NOW = datetime(2026, 1, 12, 12, tzinfo=UTC)


def client(**fields: Any) -> Client:
    return Client.model_validate({"client": "c", "name": "C", **fields})


def unchecked(model: type[BaseModel], **fields: Any) -> Any:
    """An entry that no validation has seen."""
    return model.model_construct(**fields)


def test_a_host_takes_part_in_all_windows_or_in_those_it_names() -> None:
    windows = {"nights": {"at": "22:00-02:00"}, "sunday": {"days": "sun", "at": "08:00-12:00"}}
    hosts = {"a": HOST, "b": {**HOST, "windows": ["sunday"]}, "c": {**HOST, "windows": []}}
    one = client(windows=windows, hosts=hosts)
    named = {host: [window.name for window in calendar_of(one, host).windows] for host in (None, "a", "b", "c")}
    assert named == {None: ["nights", "sunday"], "a": ["nights", "sunday"], "b": ["sunday"], "c": []}
    assert calendar_of(one, "c").why_closed(NOW) == "no maintenance window is declared"


def test_a_schedule_narrows_the_windows_of_a_host_and_never_widens_them() -> None:
    windows = {"nights": {"at": "22:00-02:00"}, "sunday": {"days": "sun", "at": "08:00-12:00"}}
    one = client(windows=windows, hosts={"a": HOST, "b": {**HOST, "windows": ["sunday"]}})
    assert [window.name for window in calendar_of(one, "a", ("nights",)).windows] == ["nights"]
    assert [window.name for window in calendar_of(one, "b", ("sunday", "nights")).windows] == ["sunday"]
    assert [window.name for window in calendar_of(one, None, ("sunday",)).windows] == ["sunday"]


@pytest.mark.parametrize(
    ("only", "why"),
    [
        (("nights",), "it may begin in nights alone, and that is no window of the host"),
        (("sunday", "nigths"), 'there is no window "nigths" any more; did you mean "nights"?'),
    ],
)
def test_a_window_that_the_host_has_not_or_that_is_gone_opens_nothing(only: tuple[str, ...], why: str) -> None:
    windows = {"nights": {"at": "00:00-24:00"}, "sunday": {"at": "00:00-24:00"}}
    calendar = calendar_of(client(windows=windows, hosts={"b": {**HOST, "windows": ["sunday"]}}), "b", only)
    assert calendar.open_at(NOW) is None
    assert calendar.why_closed(NOW) == f"the maintenance windows cannot be read: {why}"


def test_open_holidays_are_a_window_that_a_host_can_name_or_leave_out() -> None:
    fields = {"windows": ALWAYS, "holidays": {"calendar": "fr", "are": "open"}}
    one = client(hosts={"a": {**HOST, "windows": ["holidays"]}, "b": {**HOST, "windows": ["always"]}}, **fields)
    assert [window.name for window in calendar_of(one, "a").windows] == ["holidays"]
    assert [window.name for window in calendar_of(one, "b").windows] == ["always"]
    assert calendar_of(one, "a").open_at(NOW) is None
    assert calendar_of(one, "a").open_at(datetime(2026, 7, 14, 12, tzinfo=UTC)) is not None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"timezone": "Europe/Pari"}, '"Europe/Pari" is not a time zone'),
        ({"windows": {"w": unchecked(MaintenanceWindow, at=Hours.parse("08:00"))}}, "at: 08:00 has no end"),
        ({"windows": {"w": unchecked(MaintenanceWindow, at="all day")}}, "neither a time of day nor hours"),
        ({"windows": {"w": unchecked(MaintenanceWindow)}}, "at: Field required"),
        (
            {"windows": {"w": unchecked(MaintenanceWindow, at="08:00", lasts="4h", rrule="FREQ=WEEKLY;BYDAY=1SU")}},
            "BYDAY 1SU counts weekdays",
        ),
        ({"windows": {"w": {"at": "00:00-24:00", "form": "always"}}}, "values to unpack"),
        ({"windows": {"w": None}}, "not iterable"),
        ({"closed": (unchecked(Closed, on=None, until=None, why="x"),)}, "on: None is not a date"),
        ({"closed": (unchecked(Closed, why="x"),)}, "on: Field required"),
        ({"closed": None}, "not iterable"),
        ({"holidays": unchecked(Holidays, calendar="de", are="closed")}, "calendar: Input should be 'fr'"),
        ({"holidays": unchecked(Holidays, calendar="fr", region="alsace", are="closed")}, "region"),
        ({"hosts": {"a": unchecked(Host, windows=("alway",))}}, 'a names a window "alway" that does not exist'),
        ({"hosts": {}}, '"a" is not a host of this client'),
    ],
)
def test_what_cannot_be_read_closes_the_whole_calendar(wrong: dict[str, Any], said: str) -> None:
    good = client(windows=ALWAYS, hosts={"a": HOST})
    assert calendar_of(good, "a").open_at(NOW) is not None
    calendar = calendar_of(good.model_copy(update=wrong), "a")
    assert calendar.open_at(NOW) is None
    assert calendar.next_open(NOW, timedelta(days=400)) is None
    assert calendar.why_closed(NOW).startswith("the maintenance windows cannot be read: ")
    assert said in calendar.flaw


def test_a_flaw_wins_over_windows() -> None:
    good = calendar_of(client(windows=ALWAYS))
    flawed = Calendar(good.zone, good.windows, flaw="line 3")
    assert (flawed.open_at(NOW), flawed.next_open(NOW, timedelta(days=2))) == (None, None)


def test_somebody_works_at_the_client_or_on_a_host() -> None:
    hosts = {"a": {**HOST, "maintenance": {"until": "2026-10-25T02:30", "why": "disks"}}, "b": HOST}
    one = client(hosts=hosts, maintenance={"until": "2026-12-01T18:00", "why": "new storage"})
    everywhere = Mark("c", datetime(2026, 12, 1, 17, tzinfo=UTC), "new storage")
    assert marks_of(one, "b") == (everywhere,)
    second_time = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert marks_of(one, "a") == (everywhere, Mark("a", second_time, "disks"))


def test_a_frozen_client_has_the_same_calendar() -> None:
    """Plans keep clients as JSON."""
    one = client(
        windows={"w": {"rrule": "FREQ=WEEKLY;INTERVAL=2", "since": "2026-01-04", "at": "08:00", "for": "4h"}},
        closed=[{"on": "2026-01-18", "why": "election"}],
    )
    again = Client.model_validate(one.model_dump(mode="json"))
    assert calendar_of(again) == calendar_of(one)
