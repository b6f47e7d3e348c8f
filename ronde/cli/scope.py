"""What the person at the keyboard may see: his clients, of the inventory, and one that has left it, by name."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ronde.adapters.files.inventory import client_files, client_of
from ronde.bootstrap import Services
from ronde.cli.acting import Acting, acting
from ronde.cli.out import complain
from ronde.engine.ordering import find_client
from ronde.model.errors import InputError, InventoryError, NotAllowed
from ronde.model.inventory import Client, Inventory
from ronde.model.inventory.problems import Problem, errors_of
from ronde.model.people import Act, Technician, denied, seen_by
from ronde.model.records import Scope

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
ELSEWHERE = "The inventory is invalid, elsewhere than in your clients' files."


def everyone(services: Services, person: Acting | None = None) -> Scope:
    """All clients of the inventory in force that are this person's.

    While its files are invalid, the clients are known by the names of their files: what ran last night must not become
    unreadable by a typing mistake of this morning.

    Raises:
        InventoryError: it is invalid and names no client at all.
        NotAllowed: he may see nothing.
    """
    person = person or acting(services)
    try:
        return Scope(frozenset(visible(services, person).clients))
    except InventoryError as error:
        names = frozenset(path.stem for path in client_files(services.settings.inventory))
        if not names:
            raise
        complain(f"{error}\nThe inventory is invalid; clients are told by the names of their files.")
        own = person.technician.clients
        return Scope(names if own is None else names & own)


def scope_of(services: Services, client: str | None, act: Act = Act.LOOK) -> Scope:
    """One client, or everyone; one that has left the inventory is found by its name while the ledger knows it.

    Raises:
        InputError: neither the inventory nor the ledger knows the client.
        NotAllowed: this person may not do that, at all or for that client.
    """
    person = acting(services)
    person.must(act, *([client] if client is not None else []))
    if client is None:
        return everyone(services, person)
    named = Scope.of(client)
    try:
        find_client(visible(services, person), client)
    except InputError:
        if not services.ledger.runs(named, since=_EVER, limit=1):
            raise
    return named


def visible(services: Services, person: Acting | None = None) -> Inventory:
    """The inventory in force, as far as this person may see it.

    Raises:
        InventoryError: it is invalid; told of his own clients' files.
        NotAllowed: he may see nothing.
    """
    person = person or acting(services)
    person.must(Act.LOOK)
    try:
        return seen_by(person.technician, services.inventories.current())
    except InventoryError as error:
        raise invalid(person.technician, services.inventories.problems) from error


def ordered_for(services: Services, person: Acting, clients: Sequence[str]) -> tuple[str, ...]:
    """The clients that an order by this person means: those named or, when none is, his; empty for every client.

    Raises:
        InventoryError: the inventory is invalid; told of his own clients' files.
        NotAllowed: he may not order for one of them, or none is his.
    """
    person.must(Act.ORDER, *clients)
    if clients or person.technician.sees_all:
        return tuple(clients)
    own = tuple(visible(services, person).clients)
    if not own:  # handed on empty, the order would be one for everybody's
        raise NotAllowed(denied(person.technician, "order runs"))
    return own


def visible_client(services: Services, name: str, act: Act = Act.LOOK, what: str = "") -> Client:
    """A client of the inventory in force, for somebody who may do that for it.

    Raises:
        InputError: there is no such client; the nearest is named.
        InventoryError: the inventory is invalid; told of his own clients' files.
        NotAllowed: this person may not.
    """
    person = acting(services)
    person.must(act, name, what=what)
    return find_client(visible(services, person), name)


def told_to(technician: Technician, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems that this technician may be told: all, or those of his own clients' files."""
    return tuple(one for one in problems if technician.clients is None or client_of(one) in technician.clients)


def invalid(technician: Technician, problems: Iterable[Problem]) -> InventoryError:
    """What this technician may be told of an invalid inventory; at least that it is."""
    told = told_to(technician, errors_of(problems))
    return InventoryError(tuple(str(problem) for problem in told) or (ELSEWHERE,))
