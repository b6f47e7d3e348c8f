"""`ronde report` over a real ledger and a real relay: what is shown, what is sent, what a second sending does."""

import json
import re
from collections.abc import Callable
from datetime import date
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from ronde.bootstrap import build
from ronde.cli import report
from ronde.cli.main import app
from ronde.cli.out import Exit
from ronde.engine.delivery import Delivered
from ronde.model.errors import InputError
from ronde.model.records import Scope
from ronde.model.run import MailState
from ronde.model.verdict import Verdict
from ronde.reports.sending import ReportOutcome
from tests.servers.relay import MakeRelay, Relay, relay

__all__ = ["relay"]
CLIENT = """\
client: commune-exemple
name: Commune d'Exemple
contacts:
  - {name: Mairie, email: mairie@commune.example, receives: [night]}
hosts:
  srv-fichiers:
    address: 10.20.0.11
    user: ronde
    key: env://KEY
    backups:
      - {name: documents, tool: restic, repository: /srv/restic/documents, password: env://RESTIC}
"""
Invoke = Callable[..., Result]


@pytest.fixture
def server(relay: MakeRelay) -> Relay:
    return relay()


@pytest.fixture
def ronde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Relay) -> Invoke:
    settings = {
        "DATA_DIR": tmp_path / "data",
        "INVENTORY": tmp_path / "inventory",
        "SMTP_HOST": server.host,
        "SMTP_PORT": server.port,
        "SMTP_TLS": "none",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"RONDE_{name}", str(value))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "inventory" / "clients").mkdir(parents=True)
    (tmp_path / "inventory" / "provider.yml").write_text("name: Coop\nsender: ronde@coop.example\n")
    (tmp_path / "inventory" / "clients" / "commune-exemple.yml").write_text(CLIENT)
    services = build()
    services.ledger.upgrade()
    services.close()

    def invoke(*words: str) -> Result:
        with capture_logs():  # `main` sends events to standard error; here nothing has been configured
            return CliRunner().invoke(app, ["report", *words])

    return invoke


def states() -> list[MailState]:
    services = build()
    try:
        mails = services.ledger.mails(Scope.of("commune-exemple"), since=services.clock.now() - report.SHOWN)
        return [mail.state for mail in mails]
    finally:
        services.close()


def test_the_night_is_printed_with_its_subject(ronde: Invoke) -> None:
    result = ronde("night", "commune-exemple")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("◇ Commune d'Exemple\u00a0: une sauvegarde non vérifiée")
    assert "Nous n'avons pas pu vérifier votre sauvegarde." in result.stdout


def test_the_night_as_json_has_verdict_and_words(ronde: Invoke) -> None:
    value = json.loads(ronde("night", "commune-exemple", "--json").stdout)
    assert value["verdict"] == "unknown"
    assert [entry["backup"] for entry in value["backups"]] == ["documents"]
    assert value["not_verified"][0]["name"] == "srv-fichiers"
    assert re.fullmatch(r"[0-9a-f]{64}", value["digest"])


def test_the_html_is_written_where_it_is_wanted(ronde: Invoke, tmp_path: Path) -> None:
    target = tmp_path / "night.html"
    assert ronde("night", "commune-exemple", "--html", str(target)).exit_code == 0
    assert target.read_text(encoding="utf-8").lstrip().startswith("<!doctype html>")


def test_the_html_is_opened_from_a_private_place(ronde: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def browser(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", browser)
    assert ronde("night", "commune-exemple", "--open").exit_code == 0
    path = Path(opened[0].removeprefix("file://"))
    assert path.name.isascii()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_sending_delivers_and_sending_again_is_a_new_revision(ronde: Invoke, server: Relay) -> None:
    first, second = ronde("night", "commune-exemple", "--send"), ronde("night", "commune-exemple", "--send")
    assert (first.exit_code, second.exit_code) == (Exit.OK, Exit.OK), first.stderr + second.stderr
    assert "1 queued · 1 accepted by the relay" in first.stdout
    messages = [message_from_bytes(kept.raw, policy=default) for kept in server.kept]
    assert len({message["Message-ID"] for message in messages}) == 2
    assert {message["Subject"] for message in messages} == {first.stdout.splitlines()[0]}
    assert [kept.recipient for kept in server.kept] == ["mairie@commune.example"] * 2
    assert states() == [MailState.ACCEPTED] * 2


def test_a_relay_that_refuses_is_told_and_nothing_is_lost(ronde: Invoke, server: Relay) -> None:
    server.behaviour.data = "451 4.3.0 later"
    result = ronde("night", "commune-exemple", "--send")
    assert result.exit_code == Exit.UNKNOWN
    assert "1 refused for now" in result.stdout
    assert states() == [MailState.RETRY]


def test_what_was_given_up_can_be_tried_again(ronde: Invoke, server: Relay) -> None:
    server.behaviour.rcpt = "550 5.1.1 no such mailbox"
    assert ronde("night", "commune-exemple", "--send").exit_code == Exit.FINDINGS
    listed = ronde("outbox")
    assert listed.exit_code == Exit.FINDINGS
    assert "given up" in listed.stdout
    assert "no such mailbox" in listed.stdout
    (mail,) = json.loads(ronde("outbox", "--json").stdout)
    assert mail["state"] == "dead"
    server.behaviour.rcpt = ""
    assert ronde("outbox", "--retry", mail["id"][:8]).exit_code == Exit.OK
    assert states() == [MailState.ACCEPTED]
    assert ronde("outbox").exit_code == Exit.OK
    again = ronde("outbox", "--retry", mail["id"])
    assert again.exit_code == Exit.USAGE
    assert "accepted by the relay; there is nothing to try again" in again.stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("night", "commune-exempel"), 'did you mean "commune-exemple"?'),
        (("night", "commune-exemple", "--date", "tomorrow"), "write it like 2027-01-13"),
        (("night", "commune-exemple", "--date", "2999-01-01"), "is still to come"),
        (("night", "commune-exemple", "--json", "--send"), "choose one"),
        (("outbox", "--retry", "zz"), "No message of the last two weeks"),
    ],
)
def test_what_is_asked_wrongly_is_answered_in_words(ronde: Invoke, words: tuple[str, ...], problem: str) -> None:
    result = ronde(*words)
    assert result.exit_code == Exit.USAGE
    assert problem in result.stderr


def test_a_past_night_can_be_looked_at(ronde: Invoke) -> None:
    value = json.loads(ronde("night", "commune-exemple", "--json", "--date", "2026-01-14").stdout)
    assert value["period"]["until"] == "2026-01-14T11:00:00+00:00"  # noon in Paris: there is no report schedule


@pytest.mark.parametrize(
    ("posted", "done", "status"),
    [
        (2, Delivered(accepted=2), Exit.OK),
        (2, Delivered(accepted=5), Exit.OK),
        (2, Delivered(accepted=1, delayed=1), Exit.UNKNOWN),
        (2, Delivered(delayed=1, stopped="no relay"), Exit.UNKNOWN),
        (1, Delivered(uncertain=1), Exit.UNKNOWN),
        (1, Delivered(dead=1), Exit.FINDINGS),
    ],
)
def test_the_exit_status_of_a_sending(posted: int, done: Delivered, status: Exit) -> None:
    assert report.sending_status(ReportOutcome(posted, 0, "s", Verdict.OK), done) is status


def test_a_day_is_read_or_refused() -> None:
    assert report.parse_day("2027-01-13") == date(2027, 1, 13)
    assert report.parse_day(None) is None
    with pytest.raises(InputError):
        report.parse_day("13/01/2027")
