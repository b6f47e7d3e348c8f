"""`ronde run patch/audit`, and what `ronde patches` makes of it: this very machine, over a real sshd."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.installation import CLIENT, Installation
from tests.integration.cli.test_commands import ask


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path, embedded=True) as installation:
        installation.add_host("srv")
        installation.add_host("other")
        installation.write_inventory()
        yield installation


def test_an_audit_is_ordered_recorded_and_told_beside_what_was_never_audited(house: Installation) -> None:
    # Without a refresh: the lists of this machine are not ours to touch.
    order = ("run", "patch/audit", "--client", CLIENT, "--host", "srv", "--param", "refresh=false", "--here", "--json")
    job = json.loads(ask(house, *order).stdout)["jobs"][0]
    assert job["state"] == "succeeded"
    assert [(check["kind"], check["subject"]) for check in job["checks"]] == [("patches", "patches")]
    rows = {row["host"]: row for row in json.loads(ask(house, "patches", "--json").stdout)}
    assert rows["srv"]["facts"]["manager"].startswith("apt ")
    assert rows["srv"]["verdict"] == job["verdict"]
    assert (rows["other"]["verdict"], rows["other"]["audited_at"]) == ("unknown", None)
    assert "never" in ask(house, "patches", CLIENT).stdout
    assert "manager" in ask(house, "patches", "--host", "srv").stdout


def test_a_host_that_is_not_reached_is_unknown_and_says_why(house: Installation) -> None:
    house.hosts["srv"].server.stop()
    ask(house, "run", "patch/audit", "--client", CLIENT, "--host", "srv", "--here")
    done = ask(house, "patches", CLIENT, "--host", "srv", "--json")
    (row,) = json.loads(done.stdout)
    assert (row["verdict"], row["security"]) == ("unknown", None)
    assert "could not be asked" in row["words"][0]
    assert done.exit_code == 3


@pytest.mark.parametrize("words", [["--host", "nobody"], ["no-such-client"]])
def test_what_is_not_in_the_inventory_is_a_mistake(house: Installation, words: list[str]) -> None:
    done = ask(house, "patches", *words)
    assert done.exit_code == 2
    assert words[-1] in done.stderr
