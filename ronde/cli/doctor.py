"""`ronde doctor`: is everything in place for tonight?"""

from datetime import UTC, datetime
from typing import Annotated

import typer

from ronde.adapters.supervisor.broker import broker_facts
from ronde.bootstrap import Services, build
from ronde.cli.out import console, exit_for, labelled, print_json, told_errors
from ronde.cli.signals import NeverStops
from ronde.engine.backups import check_clock
from ronde.engine.diagnosis import Diagnosis, Probes, diagnose
from ronde.model.check import Check
from ronde.model.inventory import Client
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
        answers = []
        for answer in diagnose(_probes(services), services.clock.now(), hosts=hosts):
            answers.append(answer)
            if not as_json:
                _print(answer)
        if as_json:
            print_json([{"part": a.part, "verdict": a.verdict.value, "words": a.words} for a in answers])
        services.close()
        raise typer.Exit(exit_for([answer.verdict for answer in answers]))


def _print(answer: Diagnosis) -> None:
    console().print(labelled(answer.verdict, answer.part, answer.words, _PARTS), soft_wrap=True)


def _probes(services: Services) -> Probes:
    return Probes(
        inventory=services.inventories.current,
        ledger=services.ledger.ping,
        offset=lambda: datetime.now(UTC) - services.clock.now(),
        health=lambda: services.ledger.health(services.clock.now()),
        broker=lambda: _broker(services),
        relay=services.mailer.probe,
        secret=services.secrets.read,
        host=lambda client, name: _host(services, client, name),
        vcenter=lambda client, name: _vcenter(services, client, name),
    )


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
