"""`ronde up`: this machine's whole installation in the foreground."""

import signal
import sys
from typing import Annotated

import typer

from ronde.adapters.supervisor import Child, Supervisor, broker_command
from ronde.bootstrap import Services, build
from ronde.cli.acting import own_hand
from ronde.cli.out import told_errors


def up(
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=32, help="Work processes, each with RONDE_THREADS threads.")
    ] = 1,
    beats: Annotated[int, typer.Option("--beats", min=0, max=4, help="Beat processes; two are harmless.")] = 1,
) -> None:
    """Start broker (unless RONDE_BROKER_URL is set), beat and workers, watch them, and end them together on Ctrl-C.

    Example: ronde up --workers 2
    """
    with told_errors():
        services = build(role="up")
        own_hand(services, "start the service")
        inventory = services.inventories.current()
        services.ledger.upgrade()
        services.close()
        typer.echo(f"{len(inventory.clients)} clients; ledger {_masked(services)}; Ctrl-C ends everything.")
        supervisor = Supervisor(_children(services, workers, beats), tell=lambda words: typer.echo(words, err=True))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: supervisor.stop())
        supervisor.run()


def _children(services: Services, workers: int, beats: int) -> list[Child]:
    settings = services.settings
    children = []
    if settings.broker_url is None:
        children.append(Child("broker", broker_command(settings.broker_socket), rank=3, patience=10))
    control = _celery("worker", "-Q", "control", "-c", "4", "-n", "control@%h")
    children.append(Child("control", control, rank=2))  # after the workers: it moves on what they end
    for number in range(1, workers + 1):
        name = f"work-{number}"
        arguments = ("worker", "-Q", "work", "-c", str(settings.threads), "-n", f"{name}@%h")
        children.append(Child(name, _celery(*arguments), rank=1, patience=60))
    beat = _celery("beat", "--pidfile=")
    return [*children, *(Child(f"beat-{number}", beat, rank=0, patience=15) for number in range(1, beats + 1))]


def _celery(*arguments: str) -> list[str]:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat") if arguments[0] == "worker" else ()
    return [sys.executable, "-m", "celery", "--quiet", "-A", "worker", *arguments, *quiet]


def _masked(services: Services) -> str:
    return services.ledger.describe()
