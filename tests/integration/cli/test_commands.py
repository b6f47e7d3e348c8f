"""The command line over real SSH servers and a real ledger: words, streams, exit statuses, and how it is left."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from lab.sshd import SshServer
from ronde.cli import app
from ronde.model.run import JobState, RunState
from tests.e2e.installation import CLIENT, RONDE, Host, Installation, poll

OTHER = "lycee"
CHECK = ("run", "backup/check")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    """An installation without broker, beat or worker; one host with a whole, fresh dump."""
    with Installation(tmp_path, embedded=True) as installation:
        installation.add_host("srv")
        installation.write_inventory()
        yield installation


@pytest.fixture
def srv(house: Installation) -> Host:
    return house.hosts["srv"]


def read(house: Installation, name: str = CLIENT) -> dict[str, object]:
    document: dict[str, object] = YAML(typ="safe").load(house.client_file.with_name(f"{name}.yml"))
    return document


def write(house: Installation, document: dict[str, object]) -> None:
    with house.client_file.with_name(f"{document['client']}.yml").open("w") as file:
        YAML().dump(document, file)


def ask(house: Installation, *words: str) -> Result:
    """A command in this very process, which spares two seconds of imports; what it logs is not looked at."""
    with capture_logs():
        done = CliRunner(env=house.environment()).invoke(app, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def valid(house: Installation, text: str) -> dict[str, object]:
    """What --json printed, held to what `ronde schema run` prints."""
    schema = json.loads(ask(house, "schema", "run").stdout)
    document: dict[str, object] = json.loads(text)
    Draft202012Validator(schema).validate(document)
    return document


def test_a_laptop_needs_no_broker_and_every_face_tells_the_same_run(house: Installation) -> None:
    done = house.ronde(*CHECK, "--client", CLIENT, "--host", "srv", "--here", "--json", "--reason", "new server")
    assert (done.returncode, done.stderr) == (0, "")
    document = valid(house, done.stdout)
    assert (document["state"], document["verdict"]) == ("succeeded", "ok")
    run = str(document["run"])
    shown = ask(house, "show", run[:8], "--json")
    assert (shown.exit_code, shown.stderr) == (0, "")
    again = valid(house, shown.stdout)
    assert {**again, "jobs": None} == {**document, "jobs": None}
    page = ask(house, "show", run[:8], "--output").stdout
    assert ": new server" in page
    assert "mairie-db" in page
    assert "exit 0" in page
    assert [one["run"] for one in json.loads(ask(house, "runs", "--json").stdout)] == [run]
    assert run[:8] in ask(house, "runs").stdout


def test_findings_end_with_1_and_what_was_not_reached_with_3(house: Installation, srv: Host) -> None:
    os.utime(srv.dump, (0, 0))
    done = ask(house, "round", CLIENT, "--here", "--json")
    assert (done.exit_code, done.stderr) == (1, "")
    assert valid(house, done.stdout)["verdict"] == "failed"
    srv.server.stop()
    done = ask(house, "round", CLIENT, "--here", "--json")
    assert (done.exit_code, done.stderr) == (3, "")
    document = valid(house, done.stdout)
    assert document["verdict"] == "unknown"
    assert document["jobs"][0]["error"]["code"] == "unreachable"  # type: ignore[index]  # the schema holds it
    board = ask(house, "status")
    assert board.exit_code == 3
    assert "1 unknown" in board.stdout
    assert "Connection refused" in " ".join(board.stdout.split())
    assert json.loads(ask(house, "status", "--json").stdout)["verdict"] == "unknown"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((*CHECK, "--client", "comune"), 'There is no client "comune"; did you mean "commune"?'),
        ((*CHECK, "--client", CLIENT, "--host", "srw"), 'no host or vCenter is called "srw"; did you mean "srv"?'),
        ((*CHECK, "--host", "srv"), "--host needs --client"),
        (("run", "backup/chek"), 'There is no playbook "backup/chek". Did you mean "backup/check"?'),
        (("run", "vsphere/snapshots", "--client", CLIENT), "vsphere/snapshots works on vCenters; there is none."),
        ((*CHECK, "--param", "deep=maybe"), '"maybe" is neither true nor false'),
        ((*CHECK, "--param", "dep=true"), 'has no parameter "dep"; did you mean "deep"?'),
        ((*CHECK, "--here", "--detach"), "--here and --detach exclude each other"),
        (("show", "8f2c"), 'there is no run "8f2c". `ronde runs` lists them.'),
        (("cancel", "8f2c"), 'there is no run "8f2c"'),
        (("runs", "--client", "nobody"), 'There is no client "nobody"'),
        (("runs", "--since", "soon"), '"soon" is not a duration'),
        (("status", "nobody"), 'There is no client "nobody"'),
        (("schedule", "nobody"), 'There is no client "nobody"'),
        (("report", "night", "nobody"), 'There is no client "nobody"'),
        (("report", "outbox", "--client", "nobody"), 'There is no client "nobody"'),
        (("host", "check", "srw"), 'There is no host "srw"; did you mean "srv"?'),
    ],
)
def test_a_wrong_question_ends_with_2_on_standard_error(house: Installation, words: tuple[str, ...], told: str) -> None:
    assert house.ledger.ping()
    done = ask(house, *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


def test_before_there_is_a_ledger_every_command_says_so(house: Installation) -> None:
    for words in (("runs",), ("status", "--json"), ("show", "8f"), ("report", "outbox"), CHECK):
        done = ask(house, *words)
        assert (done.exit_code, done.stdout) == (3, "")
        assert (
            f"there is no ledger at {house.directory}/data/ledger.db yet. `ronde ledger upgrade` makes it"
            in done.stderr
        )


def test_without_an_inventory_nothing_is_asked(house: Installation) -> None:
    house.more["RONDE_INVENTORY"] = str(house.directory / "none")
    for words in (("status",), ("round", "--here"), ("host", "list"), ("up",)):
        done = ask(house, *words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "ronde init" in done.stderr
    spoken = house.ronde("status")
    assert spoken.returncode == 2
    assert spoken.stderr.count("no such directory") == 1, "said once, and not by the log as well"


def test_a_settings_file_that_is_not_there_is_told(house: Installation) -> None:
    house.more["RONDE_ENV_FILE"] = "/nowhere/ronde.env"
    done = ask(house, "runs")
    assert (done.exit_code, done.stderr) == (2, "RONDE_ENV_FILE: there is no file /nowhere/ronde.env\n")


def test_last_night_stays_readable_while_the_inventory_is_invalid(house: Installation) -> None:
    run = json.loads(ask(house, *CHECK, "--here", "--json").stdout)["run"]
    house.client_file.write_text("client: [\n")
    done = ask(house, "show", run, "--json")
    assert done.exit_code == 0
    assert valid(house, done.stdout)["run"] == run
    assert f"{house.client_file}:2: is not YAML" in done.stderr
    refused = ask(house, *CHECK, "--here")
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_runs_of_a_client_that_left_are_found_by_its_name(house: Installation) -> None:
    write(house, {**read(house), "client": OTHER, "name": "Lycée"})
    both = json.loads(ask(house, *CHECK, "--here", "--json").stdout)
    assert {job["client"] for job in both["jobs"]} == {CLIENT, OTHER}
    house.client_file.with_name(f"{OTHER}.yml").unlink()
    kept = valid(house, ask(house, "show", both["run"], "--json").stdout)
    assert {job["client"] for job in kept["jobs"]} == {CLIENT}  # type: ignore[attr-defined]  # the schema holds it
    assert both["run"][:8] in ask(house, "runs").stdout
    left = valid(house, ask(house, "show", both["run"], "--client", OTHER, "--json").stdout)
    assert {job["client"] for job in left["jobs"]} == {OTHER}  # type: ignore[attr-defined]  # the schema holds it
    assert both["run"][:8] in ask(house, "runs", "--client", OTHER).stdout


def test_two_clients_may_have_hosts_of_one_name(house: Installation) -> None:
    write(house, {**read(house), "client": OTHER, "name": "Lycée"})
    asked = ask(house, "host", "check", "srv")
    assert asked.exit_code == 2
    assert f"{CLIENT}, {OTHER}. Say which with --client." in asked.stderr
    done = json.loads(ask(house, *CHECK, "--client", OTHER, "--host", "srv", "--here", "--json").stdout)
    assert [(job["client"], job["target"], job["verdict"]) for job in done["jobs"]] == [(OTHER, "srv", "ok")]


def test_a_host_behind_a_bastion(house: Installation) -> None:
    key = house.public_key
    with SshServer("bastion", house.directory / "bastion", authorized_keys=[key]) as bastion:
        document = read(house)
        hosts: dict[str, dict[str, object]] = document["hosts"]  # type: ignore[assignment]  # as written
        jump = {"address": bastion.address, "port": bastion.port, "host_key": list(bastion.public_keys)}
        hosts["bastion"] = {**hosts["srv"], **jump, "backups": []}
        hosts["srv"]["via"] = "bastion"
        write(house, document)
        assert ask(house, *CHECK, "--host", "srv", "--client", CLIENT, "--here").exit_code == 0
        assert "Accepted publickey" in bastion.log.read_text()
        bastion.stop()
        done = ask(house, *CHECK, "--host", "srv", "--client", CLIENT, "--here")
        assert done.exit_code == 3
        assert "bastion" in done.stdout


def test_a_hostile_file_name_cannot_move_the_cursor(house: Installation, srv: Host) -> None:
    evil = srv.dump.with_name("mairie\x1b[2J\x9b31m\u202e[bold].sql")
    srv.dump.rename(evil)
    evil.write_text("--\n-- PostgreSQL database dump\n")
    house.more["COLUMNS"] = "80"
    done = ask(house, "round", "--here")
    assert done.exit_code == 1
    for page in (done.stdout, ask(house, "status").stdout, ask(house, "show", _newest(house), "--output").stdout):
        assert "mairie" in page
        assert not [char for char in page if (ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0]
        assert "\u202e" not in page
        assert max(len(line) for line in page.splitlines() if not line.startswith("    ronde ")) <= 80
    assert not {"\x1b", "\x9b", "\u202e"} & set(ask(house, "show", _newest(house), "--json").stdout)


def _newest(house: Installation) -> str:
    return str(house.runs()[0].id)


def test_ctrl_c_leaves_a_run_to_the_workers(house: Installation) -> None:
    assert house.ledger.ping()
    following = house.start("following", *RONDE, *CHECK, "--client", CLIENT)
    poll(house.runs, within=30, what="the run is ordered")
    following.says("No worker is alive", within=40)
    following.popen.send_signal(signal.SIGINT)
    assert following.wait(20) == 130
    (run,) = house.runs()
    assert run.state is RunState.QUEUED, "it goes on without us"
    assert following.said(f"Left; the run goes on.\nronde follow {run.id[:8]}\nronde cancel {run.id[:8]}\n")
    assert not following.said("Traceback")
    assert ask(house, "cancel", run.id[:8]).exit_code == 0
    assert house.finished(run.id).state is RunState.CANCELLED
    again = ask(house, "cancel", run.id[:8])
    assert again.exit_code == 2
    assert "nothing to cancel" in again.stderr


def test_ctrl_c_stops_what_is_done_here_and_leaves_no_run_running(house: Installation, srv: Host) -> None:
    srv.hold()
    here = house.start("here", *RONDE, *CHECK, "--client", CLIENT, "--here", "--json")
    srv.asked()
    here.popen.send_signal(signal.SIGINT)
    assert here.wait(30) == 3
    (run,) = house.runs()
    assert run.state is RunState.CANCELLED
    assert [job.state for job in run.jobs] == [JobState.CANCELLED]
    assert not here.said("Traceback")
    srv.release()


def test_the_next_one_here_settles_what_a_killed_one_left(house: Installation, srv: Host) -> None:
    srv.hold()
    here = house.start("here", *RONDE, *CHECK, "--client", CLIENT, "--here")
    srv.asked()
    here.kill()
    srv.release()
    (left,) = house.runs()
    assert left.state is RunState.RUNNING
    house.change("UPDATE jobs SET lease_until = 0 WHERE lease_until IS NOT NULL")
    assert ask(house, *CHECK, "--client", CLIENT, "--here").exit_code == 0
    assert house.finished(left.id).state in {RunState.FAILED, RunState.SUCCEEDED}


def test_a_reader_that_goes_away_is_no_error(house: Installation) -> None:
    shell = " ".join([*RONDE, "schema", "run"]) + " | head -n 1; exit ${PIPESTATUS[0]}"
    done = subprocess.run(
        ["bash", "-c", shell], env=house.environment(), cwd=house.directory, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == "{\n"


def test_what_cannot_be_paused_or_resumed_says_why(house: Installation) -> None:
    done = ask(house, *CHECK, "--client", CLIENT, "--here", "--json")
    run = str(json.loads(done.stdout)["run"])
    for word, said in (("pause", "paused"), ("resume", "resumed")):
        refused = ask(house, word, run[:8])
        assert refused.exit_code == 2
        assert f"{run[:8]} cannot be {said}: it has ended." in refused.stderr
