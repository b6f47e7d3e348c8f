"""`ronde doctor`: is everything in place for tonight?"""

from datetime import UTC, datetime
from typing import Annotated

import typer

from ronde.adapters.supervisor.broker import broker_facts
from ronde.bootstrap import Services, build
from ronde.cli.acting import Acting, acting
from ronde.cli.out import console, exit_for, labelled, print_json, told_errors
from ronde.cli.scope import visible
from ronde.cli.signals import NeverStops
from ronde.cli.vitals import health_for
from ronde.engine.backups import check_clock
from ronde.engine.diagnosis import Diagnosis, Probes, diagnose
from ronde.model.check import Check
from ronde.model.errors import InventoryError
from ronde.model.inventory import Client
from ronde.model.people import Act
from ronde.model.records import Health
from ronde.model.verdict import Verdict

_PARTS = 30  # columns for the name of what was looked at


def doctor(
    hosts: Annotated[bool, typer.Option("--hosts/--no-hosts", help="Also connect to every host and vCenter.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at broker, ledger, beat, workers, secrets, mail relay, clocks, and each host's key.

    Exit status: 0 all in order, 1 something is wrong, 3 something could not be verified.

    Example: ronde doctor --no-hosts
    """
    with told_errors():
        services = build()
        person = _person(services)
        if hosts and person is not None:
            person.must(Act.ORDER, what="log in to hosts (leave them out with --no-hosts)")
        answers = []
        for answer in diagnose(_probes(services, person), services.clock.now(), hosts=hosts):
            answers.append(answer)
            if not as_json:
                _print(answer)
        if as_json:
            print_json([{"part": a.part, "verdict": a.verdict.value, "words": a.words} for a in answers])
        services.close()
        raise typer.Exit(exit_for([answer.verdict for answer in answers]))


def _print(answer: Diagnosis) -> None:
    console().print(labelled(answer.verdict, answer.part, answer.words, _PARTS), soft_wrap=True)


def _person(services: Services) -> Acting | None:
    """Who asks; None while nobody knows who may do what: the inventory's answer says why, and shows no client."""
    try:
        person = acting(services)
    except InventoryError:
        return None
    person.must(Act.LOOK)
    return person


def _probes(services: Services, person: Acting | None) -> Probes:
    return Probes(
        inventory=lambda: visible(services, person),
        ledger=services.ledger.ping,
        offset=lambda: datetime.now(UTC) - services.clock.now(),
        health=lambda: _health(services, person),
        broker=lambda: _broker(services),
        relay=services.mailer.probe,
        secret=services.secrets.read,
        host=lambda client, name: _host(services, client, name),
        vcenter=lambda client, name: _vcenter(services, client, name),
    )


def _health(services: Services, person: Acting | None) -> Health:
    now = services.clock.now()
    return services.ledger.health(now) if person is None else health_for(services, person, now)


def _broker(services: Services) -> list[Diagnosis]:
    facts = broker_facts(services.settings.queue_url)
    answers = [Diagnosis("broker", Verdict.OK, f"{facts.server}, answers in {facts.round_trip_ms:.1f} ms")]
    if facts.durable:
        answers.append(Diagnosis("broker durability", Verdict.OK, "appends to disk, never evicts"))
    else:
        answers.append(Diagnosis("broker durability", Verdict.WARNING, facts.advice))
    return answers


def _host(services: Services, client: Client, name: str) -> Check:
    with services.shells.open(client, name, NeverStops()) as shell:
        return check_clock(shell, name, services.clock)


def _vcenter(services: Services, client: Client, name: str) -> str:
    with services.vcenters.open(client, name, NeverStops()) as vcenter:
        return vcenter.version
