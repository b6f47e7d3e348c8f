"""`ronde schedule`: what is due next, in local time, with a word on nights when the clocks change."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine
from typer.testing import CliRunner, Result

from ronde.cli import app

CLIENT = """\
client: {name}
name: {name}
timezone: {zone}
schedules:
  night: {{playbook: backup/check, at: "30 2 * * *", catch_up: {{within: 4h}}}}
  off: {{report: night, at: "0 7 * * *", enabled: false}}
"""


@pytest.fixture(autouse=True)
def _inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RONDE_INVENTORY", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "clients").mkdir()
    (tmp_path / "provider.yml").write_text("name: Coop\nsender: ronde@coop.example\n")
    for name, zone in (("paris", "Europe/Paris"), ("reunion", "Indian/Reunion")):
        (tmp_path / "clients" / f"{name}.yml").write_text(CLIENT.format(name=name, zone=zone))


def ronde(*words: str) -> Result:
    with time_machine.travel(datetime(2027, 3, 27, 12, tzinfo=UTC), tick=False):
        return CliRunner().invoke(app, ["schedule", *words])


def test_soonest_first_in_each_client_s_own_time() -> None:
    lines = [" ".join(line.split()) for line in ronde("--days", "2").stdout.splitlines() if line.strip()]
    assert lines == [
        "local time client/schedule starts within",
        "Sun 28 Mar 02:30 +04 reunion/night backup/check 4h",
        "Sun 28 Mar 03:00 CEST paris/night backup/check 4h 02:30 does not exist that day",
        "Mon 29 Mar 02:30 +04 reunion/night backup/check 4h",
        "Mon 29 Mar 02:30 CEST paris/night backup/check 4h",
    ]


def test_as_json() -> None:
    [first] = json.loads(ronde("paris", "--days", "1", "--json").stdout)
    assert first == {
        "due": "2027-03-28T01:00:00+00:00",
        "local": "2027-03-28T03:00:00+02:00",
        "zone": "Europe/Paris",
        "client": "paris",
        "schedule": "night",
        "starts": "backup/check",
        "on": ["all"],
        "useful_for_s": 14400,
        "note": "02:30 does not exist that day",
    }


def test_a_list_that_is_cut_says_so() -> None:
    result = ronde("--days", "30", "--most", "3", "--json")
    assert len(json.loads(result.stdout)) == 3
    assert result.stderr == "Only the first 3 are shown; see more with --most.\n"


def test_an_unknown_client_is_a_usage_error() -> None:
    result = ronde("pari")
    assert (result.exit_code, result.stderr) == (2, 'There is no client "pari"; did you mean "paris"?\n')


def test_an_invalid_inventory_is_told_in_full(tmp_path: Path) -> None:
    (tmp_path / "provider.yml").write_text("nam: Coop\n")
    result = ronde()
    assert result.exit_code == 2
    assert f'{tmp_path}/provider.yml:1: nam: is not known here; did you mean "name"?' in result.stderr
    assert f"{tmp_path}/provider.yml:1: sender: is missing" in result.stderr
