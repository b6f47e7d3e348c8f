"""Technicians at the command line: each sees his clients and no trace of others'; nobody does what he may not.

One installation with three clients on one real SSH server. Who sits at the keyboard is put in where the kernel would be
asked (`who_acts`); everything behind that is real.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from ronde.adapters.identity import Actor, How
from ronde.cli import app
from ronde.model.records import Scope
from tests.e2e.installation import CLIENT, Installation

SCHOOL, LYCEE = "ecole-modele", "lycee"
CHECK = ("run", "backup/check")
TECHNICIANS = {
    "alice": {"roles": ["operate", "approve"], "clients": "all"},
    "bob": {"roles": ["operate"], "clients": [CLIENT]},
    "carol": {"roles": ["look"], "clients": [CLIENT, SCHOOL]},
    "dave": {"roles": ["admin"], "clients": "all"},
}
Ask = Callable[..., Result]


class House:
    """The installation, and who sits at its keyboard."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.actor = Actor("alice", 1001, How.LOGIN, 1001)

    @property
    def inventory(self) -> Path:
        return self.installation.directory / "inventory"

    def declare(self, technicians: dict[str, Any] | None) -> None:
        provider: dict[str, Any] = {"name": "Infogérance", "sender": "ronde@infogerance.example"}
        if technicians is not None:
            provider["technicians"] = {
                login: {"name": f"{login.title()} Martin", "email": f"{login}@infogerance.example", **entry}
                for login, entry in technicians.items()
            }
        with (self.inventory / "provider.yml").open("w") as file:
            YAML().dump(provider, file)

    def add_client(self, name: str) -> None:
        """Another client with the same host and backup."""
        document = YAML(typ="safe").load(self.installation.client_file)
        with (self.inventory / "clients" / f"{name}.yml").open("w") as file:
            YAML().dump({**document, "client": name, "name": f"Maison {name}"}, file)

    def sit(self, login: str, *, by_sudo: bool = False) -> None:
        self.actor = Actor(login, 1001, How.SUDO if by_sudo else How.LOGIN, 990 if by_sudo else 1001)

    def ask(self, login: str, *words: str, by_sudo: bool = False) -> Result:
        """A command in this very process, typed by this person."""
        self.sit(login, by_sudo=by_sudo)
        with capture_logs():
            done = CliRunner(env={**self.installation.environment(), "COLUMNS": "160"}).invoke(app, words)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def refuses(self, login: str, *words: str, by_sudo: bool = False) -> str:
        """What is said to somebody who may not; it is all that happens."""
        done = self.ask(login, *words, by_sudo=by_sudo)
        assert (done.exit_code, done.stdout) == (2, ""), done.stdout + done.stderr
        return done.stderr


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with Installation(tmp_path, embedded=True) as installation:
        installation.add_host("srv")
        installation.write_inventory()
        made = House(installation)
        made.add_client(SCHOOL)
        made.add_client(LYCEE)
        made.declare(TECHNICIANS)
        monkeypatch.setattr("ronde.cli.acting.who_acts", lambda _data_dir: made.actor)
        assert installation.ledger.ping()
        yield made


def no_trace(*texts: str, of: tuple[str, ...] = (SCHOOL, LYCEE)) -> None:
    for text in texts:
        assert not [name for name in of if name in text], text


def test_an_order_for_everybody_means_everybody_of_mine(house: House) -> None:
    done = house.ask("bob", "round", "--here", "--json")
    assert done.exit_code == 0, done.stderr
    run = json.loads(done.stdout)
    assert {job["client"] for job in run["jobs"]} == {CLIENT}
    record = house.installation.ledger.run(Scope.of(CLIENT, SCHOOL, LYCEE), run["run"])
    assert {job.target.client for job in record.jobs} == {CLIENT}, "nothing was done elsewhere either"
    assert record.requested_by == "bob"
    everybody = json.loads(house.ask("alice", *CHECK, "--here", "--json").stdout)
    assert {job["client"] for job in everybody["jobs"]} == {CLIENT, SCHOOL, LYCEE}


def test_no_trace_of_other_clients_on_any_page(house: House) -> None:
    shared = json.loads(house.ask("alice", "round", "--here", "--json").stdout)["run"]
    foreign = json.loads(house.ask("alice", *CHECK, "--client", SCHOOL, "--here", "--json").stdout)["run"]
    shown = [house.ask("bob", "show", shared, *more) for more in ((), ("--output",), ("--json",))]
    listed = [house.ask("bob", "runs", *more) for more in ((), ("--json",))]
    boards = [house.ask("bob", "status", *more) for more in ((), ("--json",))]
    pages = [*shown, *listed, *boards, house.ask("bob", "report", "outbox"), house.ask("bob", "schedule")]
    pages += [house.ask("bob", "host", "list"), house.ask("bob", "doctor", "--no-hosts")]
    no_trace(*(page.stdout + page.stderr for page in pages))
    assert all(CLIENT in page.stdout or "Commune" in page.stdout for page in [*shown, *listed, *boards])
    assert [job["client"] for job in json.loads(shown[2].stdout)["jobs"]] == [CLIENT]
    assert [run["run"] for run in json.loads(listed[1].stdout)] == [shared]
    assert "1/1" in listed[0].stdout
    assert "3/3" not in listed[0].stdout
    assert "1 client ·" in boards[0].stdout
    assert len(json.loads(boards[1].stdout)["clients"]) == 1
    assert f'there is no run "{foreign}"' in house.refuses("bob", "show", foreign)
    assert f'there is no run "{foreign}"' in house.refuses("bob", "cancel", foreign)


def test_the_board_counts_my_clients_mail_alone(house: House) -> None:
    for name in (CLIENT, SCHOOL):
        assert house.ask("alice", "report", "night", name, "--send").exit_code == 3
    assert "Unsent mail: 2." in house.ask("alice", "status").stdout
    assert "Unsent mail: 1." in house.ask("bob", "status").stdout
    (mail,) = json.loads(house.ask("bob", "report", "outbox", "--json").stdout)
    assert mail["client"] == CLIENT


def test_a_round_of_sending_is_told_of_my_messages_alone(house: House) -> None:
    for _ in range(2):
        house.ask("alice", "report", "night", SCHOOL, "--send")
    house.installation.mail.start()
    house.installation.mails_wait_less(timedelta(days=1))
    done = house.ask("bob", "report", "night", CLIENT, "--send")
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "1 queued · 1 accepted by the relay" in done.stdout
    mails = json.loads(house.ask("alice", "report", "outbox", "--json").stdout)
    assert [mail["state"] for mail in mails] == ["accepted"] * 3, "the others went out with it, and were not counted"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            (*CHECK, "--client", "{}", "--here"),
            "bob may not order runs for {}: roles and clients stand in provider.yml",
        ),
        ((*CHECK, "--client", "{}", "--host", "srv"), "bob may not order runs for {}"),
        (("round", "{}"), "bob may not order runs for {}"),
        (("runs", "--client", "{}"), "bob may not see {}"),
        (("show", "8f2c", "--client", "{}"), "bob may not see {}"),
        (("cancel", "8f2c", "--client", "{}"), "bob may not order runs for {}"),
        (("status", "{}"), "bob may not see {}"),
        (("report", "night", "{}"), "bob may not see {}"),
        (("report", "night", "{}", "--send"), "bob may not send reports of {}"),
        (("report", "outbox", "--client", "{}"), "bob may not see {}"),
        (("host", "enrol", "srv", "--client", "{}"), "bob may not enrol hosts of {}"),
        (("host", "check", "srv", "--client", "{}"), "bob may not log in to hosts of {}"),
        (("host", "list", "--client", "{}"), "bob may not see {}"),
        (("vcenter", "pin", "vc1", "--client", "{}"), "bob may not pin certificates of {}"),
        (("schedule", "{}"), 'There is no client "{}"'),
        (("inventory", "show", "{}"), 'There is no client "{}"'),
    ],
)
def test_a_foreign_client_is_answered_like_none(house: House, words: tuple[str, ...], told: str) -> None:
    """Word for word, so that the answer does not tell which clients there are."""
    foreign = house.refuses("bob", *(word.format(SCHOOL) for word in words))
    absent = house.refuses("bob", *(word.format("nowhere-at-all") for word in words))
    assert told.format(SCHOOL) in foreign
    assert foreign.replace(SCHOOL, "nowhere-at-all") == absent
    assert not house.installation.runs()


@pytest.mark.parametrize(
    ("login", "words", "told"),
    [
        ("carol", ("round", "--here"), "carol may not order runs: roles and clients stand in provider.yml"),
        ("carol", (*CHECK, "--client", CLIENT), f"carol may not order runs for {CLIENT}: roles"),
        ("carol", ("cancel", "8f2c"), "carol may not order runs"),
        ("carol", ("report", "night", CLIENT, "--send"), f"carol may not send reports of {CLIENT}"),
        ("carol", ("report", "outbox", "--retry", "4f"), "carol may not order runs"),
        ("carol", ("host", "enrol", "srv", "--client", CLIENT), f"carol may not enrol hosts of {CLIENT}"),
        ("carol", ("host", "check"), "carol may not log in to hosts"),
        ("carol", ("doctor",), "carol may not log in to hosts (leave them out with --no-hosts)"),
        ("bob", ("ledger", "prune"), "bob may not prune the ledger of the house as a whole"),
        ("alice", ("ledger", "prune"), "alice may not prune the ledger"),
        ("alice", ("ledger", "backup", "/nowhere/ledger.db"), "alice may not copy the ledger"),
        ("mallory", ("ledger", "prune"), "mallory is not among the technicians in provider.yml"),
    ],
)
def test_a_role_is_asked_for_each_act(house: House, login: str, words: tuple[str, ...], told: str) -> None:
    assert told in house.refuses(login, *words)
    assert not house.installation.runs()


def test_who_may_does(house: House) -> None:
    house.installation.mail.start()
    assert house.ask("dave", "ledger", "prune").exit_code == 0
    assert house.ask("carol", "status", SCHOOL).exit_code == 3
    assert house.ask("carol", "report", "night", SCHOOL).exit_code == 0
    assert house.ask("bob", "report", "night", CLIENT, "--send").exit_code == 0
    assert house.ask("bob", "host", "check", "srv").exit_code == 0, "his client's is the only one he has"


def test_a_stranger_may_nothing(house: House) -> None:
    for words in (("status",), ("runs",), ("show", "8f"), ("round",), ("report", "outbox"), ("schedule",), ("doctor",)):
        assert "mallory is not among the technicians in provider.yml" in house.refuses("mallory", *words)


def test_where_nobody_is_declared_nothing_changes(house: House) -> None:
    house.declare(None)
    done = house.ask("mallory", "round", "--here", "--json")
    assert {job["client"] for job in json.loads(done.stdout)["jobs"]} == {CLIENT, SCHOOL, LYCEE}
    assert "3 clients" in house.ask("mallory", "status").stdout
    assert house.ask("mallory", "ledger", "prune").exit_code == 0


def test_while_a_client_s_file_is_invalid_each_still_reads_his_own(house: House) -> None:
    run = json.loads(house.ask("alice", *CHECK, "--here", "--json").stdout)["run"]
    (house.inventory / "clients" / f"{SCHOOL}.yml").write_text("client: [\n")
    done = house.ask("bob", "show", run, "--json")
    assert [job["client"] for job in json.loads(done.stdout)["jobs"]] == [CLIENT]
    assert "elsewhere than in your clients' files" in done.stderr
    status = house.refuses("bob", "status")
    no_trace(done.stderr, status, house.refuses("bob", "schedule"), house.refuses("bob", *CHECK, "--here"))
    assert f"{SCHOOL}.yml:2: is not YAML" in house.ask("alice", "show", run).stderr
    assert f"{SCHOOL}.yml:2: is not YAML" in house.refuses("carol", "status")


def test_while_nobody_knows_who_may_what_nothing_is_shown(house: House) -> None:
    run = json.loads(house.ask("alice", *CHECK, "--here", "--json").stdout)["run"]
    path = house.inventory / "provider.yml"
    path.write_text(path.read_text().replace("- operate", "- opperate"))
    (house.inventory / "clients" / f"{SCHOOL}.yml").write_text("client: [\n")
    for words in (("show", run), ("runs",), ("status",), ("round", "--here"), ("whoami",), ("schedule",)):
        told = house.refuses("bob", *words)
        assert '"opperate" is not a role; did you mean "operate"?' in told
        no_trace(told)
    doctor = house.ask("bob", "doctor", "--no-hosts")
    assert '"opperate" is not a role' in doctor.stdout
    no_trace(doctor.stdout)
    path.write_text("name: [\n")
    assert "provider.yml:2: is not YAML" in house.refuses("bob", "runs")
    path.unlink()
    assert "it says who you are" in house.refuses("bob", "runs")


def test_a_provider_that_declares_nobody_hides_nothing_by_its_mistakes(house: House) -> None:
    run = json.loads(house.ask("alice", *CHECK, "--here", "--json").stdout)["run"]
    (house.inventory / "provider.yml").write_text("nam: Coop\nsender: ronde@coop.example\n")
    done = house.ask("mallory", "show", run, "--json")
    assert {job["client"] for job in json.loads(done.stdout)["jobs"]} == {CLIENT, SCHOOL, LYCEE}
    assert 'did you mean "name"?' in done.stderr


def test_what_sudo_lends_opens_no_file_that_the_command_line_names(house: House, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "provider.yml").write_text("name: Mine\nsender: me@example.org\n")
    (mine / "clients").symlink_to(house.inventory / "clients")
    secret = tmp_path / "identity"
    secret.write_text("AGE-SECRET-KEY-1\n")
    page = tmp_path / "page.html"
    opens = "have files that he names opened by the service's account"
    asked: list[tuple[tuple[str, ...], str]] = [
        (("inventory", "check", str(mine)), opens),
        (("inventory", "show", SCHOOL, "-d", str(mine)), opens),
        (("inventory", "import", "ansible", str(secret), "--client", "x"), opens),
        (("report", "night", CLIENT, "--html", str(page)), opens),
        (("ledger", "upgrade"), "upgrade the ledger"),
        (("up",), "start the service"),
    ]
    for words, can in asked:
        told = house.refuses("bob", *words, by_sudo=True)
        assert f"bob may not {can}: roles and clients stand in provider.yml" in told
        assert "AGE-SECRET" not in told
        no_trace(told)
    assert not page.exists()
    assert house.ask("bob", "report", "night", CLIENT, "--html", str(page)).exit_code == 0
    assert house.ask("dave", "inventory", "check", str(mine), by_sudo=True).exit_code == 0


def test_before_there_is_a_house_root_sets_it_up_by_sudo(house: House) -> None:
    house.installation.more["RONDE_INVENTORY"] = str(house.installation.directory / "not-yet")
    done = house.ask("mallory", "inventory", "check", str(house.inventory), by_sudo=True)
    assert "valid. 3 clients" in done.stdout


def test_checking_the_inventory_tells_each_behind_sudo_of_his_own(house: House) -> None:
    done = house.ask("bob", "inventory", "check", by_sudo=True)
    assert "valid. 1 client, 1 host, 1 backup" in done.stdout
    own = house.ask("mallory", "inventory", "check")
    assert "valid. 3 clients" in own.stdout, "a pipeline reads the files by its own rights, and has no entry"
    assert "is not among the technicians" in house.refuses("mallory", "inventory", "check", by_sudo=True)
    (house.inventory / "clients" / f"{SCHOOL}.yml").write_text("client: [\n")
    told = house.ask("bob", "inventory", "check", by_sudo=True)
    assert told.exit_code == 1
    assert "elsewhere than in your clients' files" in told.stderr
    assert "in 1 client file." in told.stderr
    no_trace(told.stderr, house.ask("bob", "inventory", "check", "--json", by_sudo=True).stdout)


def test_whoami_says_as_whom_by_what_and_what_for(house: House) -> None:
    assert house.ask("bob", "whoami").stdout == (
        f"bob (Bob Martin), uid 1001 (login session)\nroles: operate\nclients: {CLIENT}\n"
    )
    assert "clients: all" in house.ask("alice", "whoami").stdout
    assert json.loads(house.ask("bob", "whoami", "--json", by_sudo=True).stdout) == {
        "login": "bob",
        "uid": 1001,
        "how": "sudo",
        "account": 990,
        "name": "Bob Martin",
        "standing": "declared",
        "roles": ["operate"],
        "may": ["look", "order"],
        "clients": [CLIENT],
    }
    stranger = house.ask("uid:1234", "whoami")
    assert (stranger.exit_code, "may do nothing" in stranger.stdout) == (0, True)
    assert json.loads(house.ask("alice", "whoami", "--json").stdout)["clients"] is None
    house.declare(None)
    assert "an approval needs two of them" in house.ask("bob", "whoami").stdout


def test_a_cancelled_run_says_who_cancelled_it(house: House) -> None:
    run = house.ask("bob", *CHECK, "--detach").stdout.strip()
    assert re.fullmatch(r"[0-9a-f]+", run)
    assert house.ask("bob", "cancel", run).exit_code == 0
    record = house.installation.ledger.run(Scope.of(CLIENT), run)
    assert record.requested_by == "bob"
    assert {job.trouble.message for job in record.jobs if job.trouble} == {"bob cancelled it"}


def test_a_real_process_is_recorded_as_the_user_it_runs_for(house: House, tmp_path: Path) -> None:
    """The environment may claim what it likes."""
    house.declare(None)
    house.installation.more |= {"USER": "mallory", "LOGNAME": "mallory"}
    told = json.loads(house.installation.ronde("whoami", "--json", check=True).stdout)
    assert told["login"] != "mallory"
    run = house.installation.ronde(*CHECK, "--client", CLIENT, "--detach", check=True).stdout.strip()
    assert house.installation.run(run).requested_by == told["login"]
