"""`ronde windows`: when machines may be changed next, in local time, and when not, with the reason."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from typer.testing import CliRunner, Result

from ronde.cli import app

COMMUNE = """\
client: commune
name: Commune d'Exemple
windows:
  nights: {days: mon-fri, at: "22:00-02:00"}
  sunday: {rrule: "FREQ=MONTHLY;BYDAY=1SU", at: "08:00", for: 4h}
closed:
  - {on: 2026-12-24, until: 2027-01-02, why: "fin d'année"}
holidays: {calendar: fr, region: alsace-moselle, are: closed}
hosts:
  srv-a: {address: a, user: ronde, key: age://commune/ssh, maintenance: {until: 2026-12-24T18:00, why: disks}}
  srv-b: {address: b, user: ronde, key: age://commune/ssh, windows: sunday}
  srv-c: {address: c, user: ronde, key: age://commune/ssh, maintenance: {until: 2026-12-22T18:00, why: is over}}
"""
ECOLE = """\
client: ecole
name: École
timezone: Indian/Reunion
"""


@pytest.fixture(autouse=True)
def _inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RONDE_INVENTORY", str(tmp_path))
    (tmp_path / "clients").mkdir()
    (tmp_path / "provider.yml").write_text("name: Coop\nsender: ronde@coop.example\n")
    (tmp_path / "clients" / "commune.yml").write_text(COMMUNE)
    (tmp_path / "clients" / "ecole.yml").write_text(ECOLE)


def ronde(*words: str) -> Result:
    with time_machine.travel(datetime(2026, 12, 22, 22, tzinfo=UTC), tick=False):
        return CliRunner().invoke(app, ["windows", *words])


def test_each_group_of_hosts_that_shares_its_windows_and_the_closed_days() -> None:
    assert ronde("--most", "2").stdout.splitlines() == [
        "commune · Europe/Paris",
        "  srv-a, srv-c",
        "    now   open until Wed 02:00 CET (nights)",
        "    now   srv-a is in maintenance until Thu 18:00 CET: disks",
        "    next  Wed 22:00 to Thu 00:00 CET (nights)",
        "    next  Sun 3 Jan 2027 08:00 to 12:00 CET (sunday)",
        "  srv-b",
        "    now   outside the maintenance windows (sunday)",
        "    next  Sun 3 Jan 2027 08:00 to 12:00 CET (sunday)",
        "    next  Sun 7 Feb 2027 08:00 to 12:00 CET (sunday)",
        "  closed Thu 24 Dec to Sat 2 Jan 2027: fin d'année",
        "",
        "ecole · Indian/Reunion",
        "  all hosts",
        "    now   no maintenance window is declared",
    ]


def test_closed_days_farther_ahead_on_request() -> None:
    lines = ronde("commune", "--days", "110").stdout.splitlines()
    assert lines[-2:] == [
        "  closed Fri 26 Mar 2027: Good Friday (public holiday)",
        "  closed Mon 29 Mar 2027: Easter Monday (public holiday)",
    ]


def test_as_json() -> None:
    [first, second] = json.loads(ronde("commune", "--most", "1", "--json").stdout)
    nights = {
        "start": "2026-12-22T21:00:00+00:00",
        "end": "2026-12-23T01:00:00+00:00",
        "local_start": "2026-12-22T22:00:00+01:00",
        "local_end": "2026-12-23T02:00:00+01:00",
        "windows": ["nights"],
    }
    assert first == {
        "client": "commune",
        "hosts": ["srv-a", "srv-c"],
        "zone": "Europe/Paris",
        "open": nights,
        "why_closed": None,
        "maintenance": [{"what": "srv-a", "until": "2026-12-24T17:00:00+00:00", "why": "disks"}],
        "next": [
            {
                "start": "2026-12-23T21:00:00+00:00",
                "end": "2026-12-23T23:00:00+00:00",
                "local_start": "2026-12-23T22:00:00+01:00",
                "local_end": "2026-12-24T00:00:00+01:00",
                "windows": ["nights"],
            }
        ],
        "closed": [{"first": "2026-12-24", "last": "2027-01-02", "why": "fin d'année"}],
    }
    assert (second["hosts"], second["open"], second["why_closed"]) == (
        ["srv-b"],
        None,
        "outside the maintenance windows (sunday)",
    )


def test_an_unknown_client_is_a_usage_error() -> None:
    result = ronde("comune")
    assert (result.exit_code, result.stderr) == (2, 'There is no client "comune"; did you mean "commune"?\n')


def test_words_of_the_inventory_cannot_forge_a_line(tmp_path: Path) -> None:
    text = COMMUNE.replace("fin d'année", r"x\n  now   open until Fri\e[2J")
    (tmp_path / "clients" / "commune.yml").write_text(text)
    lines = ronde("commune").stdout.splitlines()
    assert sum(line.lstrip().startswith("now") for line in lines) == 3
    assert "\x1b" not in "".join(lines)


def test_a_wrong_window_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "clients" / "commune.yml").write_text(COMMUNE.replace("mon-fri", "lun-ven"))
    result = ronde()
    assert result.exit_code == 2
    assert f'{tmp_path}/clients/commune.yml:4: windows.nights.days: "lun" is not a day of the week' in result.stderr
