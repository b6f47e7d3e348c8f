"""Whether the windows that hosts and schedules name exist, and what of windows and maintenance has passed."""

from collections.abc import Iterable, Iterator
from datetime import date

from ronde.model.inventory.clients import Client
from ronde.model.inventory.problems import Place, Remark
from ronde.model.inventory.windows import HOLIDAYS, Maintenance
from ronde.model.words import hint


def check_windows(client: Client, declared: frozenset[str], today: date) -> Iterator[Remark]:
    """`declared`: the names of the client's windows, also of those that are wrong in themselves."""
    if HOLIDAYS in declared:
        yield Remark(("windows", HOLIDAYS), "is the name of the public holidays when they are open; take another")
    opened = {HOLIDAYS} if client.holidays is not None and client.holidays.are == "open" else set()
    yield from _passed(("maintenance",), client.maintenance, today)
    for name, host in client.hosts.items():
        yield from _check_choice(("hosts", name, "windows"), host.windows or (), declared | opened)
        yield from _passed(("hosts", name, "maintenance"), host.maintenance, today)
    for name, schedule in client.schedules.items():
        yield from _check_choice(("schedules", name, "window"), schedule.window, declared | opened)


def _check_choice(place: Place, chosen: Iterable[str], valid: frozenset[str]) -> Iterator[Remark]:
    for index, window in enumerate(chosen):
        if window not in valid:
            yield Remark((*place, index), f'"{window}" is not a window of this client{hint(window, valid)}')


def _passed(place: Place, maintenance: Maintenance | None, today: date) -> Iterator[Remark]:
    if maintenance is not None and maintenance.until.date() < today:
        message = f"{maintenance.until:%Y-%m-%d %H:%M} has passed: change runs are no longer kept out"
        yield Remark((*place, "until"), message, warning=True)
