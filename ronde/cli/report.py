"""`ronde report`: the reports that clients receive, and the messages that carry them."""

import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ronde.bootstrap import Services, build
from ronde.cli.acting import NAMED_FILES, acting, own_hand
from ronde.cli.out import Exit, console, print_json, safe, told_errors
from ronde.cli.runs_view import age
from ronde.cli.scope import scope_of, visible_client
from ronde.engine.delivery import Delivered, Sent, deliver_due
from ronde.model.errors import InputError
from ronde.model.inventory import Client
from ronde.model.people import Act
from ronde.model.records import MailRecord, Scope
from ronde.model.run import MailState
from ronde.reports.material import Period
from ronde.reports.night_json import night_json
from ronde.reports.page import night_page
from ronde.reports.render import Rendered, render_night
from ronde.reports.sending import (
    ReportOutcome,
    next_revision,
    night_period,
    night_report,
    period_ending_on,
    preview,
)
from ronde.reports.view import NightView

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at and send clients' reports.",
    epilog="Example: ronde report night commune-exemple --open",
)
SHOWN = timedelta(days=14)
STATES = {
    MailState.QUEUED: "waits to be sent",
    MailState.LEASED: "is being sent",
    MailState.ACCEPTED: "accepted by the relay",
    MailState.RETRY: "refused for now",
    MailState.DEAD: "given up",
    MailState.UNKNOWN: "in doubt",
}
_SENT = {
    MailState.ACCEPTED: Sent.ACCEPTED,
    MailState.RETRY: Sent.DELAYED,
    MailState.DEAD: Sent.DEAD,
    MailState.UNKNOWN: Sent.UNCERTAIN,
    MailState.LEASED: Sent.UNSETTLED,
}
_WORST_FIRST = (MailState.DEAD, MailState.UNKNOWN, MailState.RETRY, MailState.LEASED, MailState.QUEUED)


@dataclass(frozen=True, slots=True)
class Night:
    """One client's night, ready to be shown: who, when, and what is said."""

    client: Client
    window: Period
    view: NightView

    @property
    def rendered(self) -> Rendered:
        return render_night(night_page(self.view, self.client.language))

    @property
    def file_name(self) -> str:
        """ASCII, so that no old gateway or file system mangles it."""
        return f"night-{self.window.key}-{self.client.client}.html"


@app.command("night")
def night(
    client: Annotated[str, typer.Argument(help="The client's identifier.")],
    day: Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The morning it is made for.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Print the text part; the default.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the HTML part.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the HTML part in the browser.")] = False,
    send: Annotated[bool, typer.Option("--send", help="Send it to the client's contacts, as a new revision.")] = False,
) -> None:
    """Show a client's night report as it stands, or send it.

    Exit status with --send: 0 accepted by the relay for everybody, 1 somebody will not get it, 3 not accepted yet.

    Example: ronde report night commune-exemple --open
    """
    with told_errors():
        if sum((text, as_json, html is not None, show, send)) > 1:
            raise InputError("--text, --json, --html, --open and --send are different things; choose one.")
        services = build()
        if html is not None:
            own_hand(services, NAMED_FILES)
        found = read_night(services, client, parse_day(day), Act.ORDER if send else Act.LOOK)
        if send:
            raise typer.Exit(_send(services, found))
        if as_json:
            print_json(night_json(found.view, night_page(found.view, found.client.language)))
        elif html is not None:
            html.write_text(found.rendered.html, encoding="utf-8")
            typer.echo(f"{found.rendered.subject}\n{html}")
        elif show:
            typer.echo(open_in_browser(found))
        else:
            typer.echo(f"{found.rendered.subject}\n\n{found.rendered.text}")


@app.command("outbox")
def outbox(
    client: Annotated[str | None, typer.Option("--client", help="Only this client's messages.")] = None,
    retry: Annotated[str | None, typer.Option("--retry", metavar="ID", help="Try this message again, now.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the messages of the last two weeks: what was accepted, what waits, what was given up or is in doubt.

    Exit status: 0 all accepted or on their way, 1 something was given up, 3 something is in doubt and nothing worse.

    Example: ronde report outbox --retry 4f2c
    """
    with told_errors():
        services = build()
        scope = scope_of(services, client, Act.LOOK if retry is None else Act.ORDER)
        mails = list(services.ledger.mails(scope, since=services.clock.now() - SHOWN))
        if retry is not None:
            raise typer.Exit(_retry(services, scope, find_mail(mails, retry)))
        if as_json:
            print_json([mail_json(mail) for mail in mails])
        elif not mails:
            typer.echo("No message in the last two weeks.")
        else:
            console().print(outbox_table(mails, services.clock.now()))
        raise typer.Exit(outbox_status(mails))


def read_night(services: Services, name: str, day: date | None, act: Act = Act.LOOK) -> Night:
    """The night of a client that ended on a day, or the one that goes on.

    Raises:
        InputError: no such client, or a day still to come.
        NotAllowed: this person may not look at it, or, with `Act.ORDER`, not send it.
    """
    client = visible_client(services, name, act, "send reports of" if act is Act.ORDER else "")
    inventory = services.inventories.current()
    now = services.clock.now()
    window = night_period(client, now) if day is None else period_ending_on(client, day, now)
    return Night(client, window, preview(services.ledger, inventory.provider, client, window, window.until))


def parse_day(text: str | None) -> date | None:
    """`2027-01-13` as a date; InputError for anything else."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f'"{text}" is not a day; write it like 2027-01-13.') from error


def open_in_browser(found: Night) -> str:
    """Write the HTML where only we can read it and open it; words on where it is."""
    path = Path(tempfile.mkdtemp(prefix="ronde-")) / found.file_name
    path.touch(mode=0o600)
    path.write_text(found.rendered.html, encoding="utf-8")
    opened = webbrowser.open(path.as_uri())
    return f"{found.rendered.subject}\n{path}" + ("" if opened else "\nNo browser could be opened; the file is there.")


def _send(services: Services, found: Night) -> Exit:
    provider = services.inventories.current().provider
    began = services.clock.now()
    revision = next_revision(services.ledger, found.client, found.window)
    outcome = night_report(services.ledger, provider, found.client, found.window, services.clock, revision=revision)
    done = deliver_due(services.ledger, services.mailer, services.clock)
    if not acting(services).technician.sees_all:
        mails = services.ledger.mails(Scope.of(found.client.client), since=began)
        done = delivered(mails, done.stopped)
    typer.echo(outcome.subject)
    for line in sending_words(outcome, done):
        typer.echo(line)
    return sending_status(outcome, done)


def delivered(mails: Sequence[MailRecord], stopped: str) -> Delivered:
    """What became of these messages, whoever sent them: a round of sending counts every client's."""
    done = Delivered(stopped=stopped)
    for sent in (_SENT[mail.state] for mail in mails if mail.state in _SENT):
        done = done.plus(sent)
    return done


def sending_words(outcome: ReportOutcome, done: Delivered) -> list[str]:
    """What became of a report sent on demand, one line for each thing to know."""
    lines = [f"{outcome.posted} queued · {done.accepted} accepted by the relay"]
    counts = {"refused for now": done.delayed, "given up": done.dead, "in doubt": done.uncertain + done.unsettled}
    lines += [f"{count} {words}" for words, count in counts.items() if count]
    if done.stopped:
        lines.append(f"{done.stopped} It stays queued and is tried again.")
    return lines + [finding.message for finding in outcome.findings]


def sending_status(outcome: ReportOutcome, done: Delivered) -> Exit:
    """Findings and what was given up weigh most; then whatever the relay has not accepted yet."""
    if outcome.findings or done.dead:
        return Exit.FINDINGS
    late = done.delayed or done.uncertain or done.unsettled or done.stopped
    return Exit.UNKNOWN if late or done.accepted < outcome.posted else Exit.OK


def _retry(services: Services, scope: Scope, mail: MailRecord) -> Exit:
    now = services.clock.now()
    if not services.ledger.requeue_mail(scope, mail.id, acting(services).login, now):
        raise InputError(f"Message {mail.id[:8]} {STATES[mail.state]}; there is nothing to try again.")
    done = deliver_due(services.ledger, services.mailer, services.clock)
    if not acting(services).technician.sees_all:
        mails = services.ledger.mails(scope, since=mail.created_at)
        done = delivered([one for one in mails if one.id == mail.id], done.stopped)
    typer.echo(f"{done.accepted} accepted by the relay" + (f"; {done.stopped}" if done.stopped else ""))
    return Exit.OK if done.accepted else Exit.UNKNOWN


def find_mail(mails: list[MailRecord], beginning: str) -> MailRecord:
    """The one message whose id begins so.

    Raises:
        InputError: none, or several.
    """
    found = [mail for mail in mails if mail.id.startswith(beginning)]
    if len(found) != 1:
        words = "No message" if not found else f"{len(found)} messages"
        raise InputError(f'{words} of the last two weeks begin with "{beginning}".')
    return found[0]


def outbox_status(mails: list[MailRecord]) -> Exit:
    states = {mail.state for mail in mails}
    if MailState.DEAD in states:
        return Exit.FINDINGS
    return Exit.UNKNOWN if MailState.UNKNOWN in states else Exit.OK


def mail_json(mail: MailRecord) -> dict[str, Any]:
    """One message as `--json` prints it; instants in ISO 8601, null for what has not happened."""
    return {
        "id": mail.id,
        "client": mail.client,
        "kind": mail.kind,
        "recipient": mail.recipient,
        "subject": mail.subject,
        "state": mail.state.value,
        "attempts": mail.attempts,
        "created_at": mail.created_at.isoformat(),
        "next_attempt_at": _iso(mail.next_attempt_at),
        "accepted_at": _iso(mail.accepted_at),
        "answer": mail.answer,
    }


def outbox_table(mails: list[MailRecord], now: datetime) -> Table:
    """What needs a look first, then the newest."""
    order = {state: place for place, state in enumerate(_WORST_FIRST)}
    table = Table("id", "message", "to", "state", "since", "the relay said", box=None, pad_edge=False)
    for mail in sorted(mails, key=lambda mail: order.get(mail.state, len(order))):
        tries = f", {mail.attempts} tries" if mail.attempts > 1 else ""
        table.add_row(
            mail.id[:8],
            safe(mail.subject),
            safe(mail.recipient),
            f"{STATES[mail.state]}{tries}",
            age(now - mail.created_at),
            safe(mail.answer),
        )
    return table


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
