"""What a person at this machine may see: the clients of the inventory, and one that has left it, by name."""

from datetime import UTC, datetime

from ronde.adapters.files.inventory import client_files
from ronde.bootstrap import Services
from ronde.cli.out import complain
from ronde.engine.ordering import find_client
from ronde.model.errors import InputError, InventoryError
from ronde.model.records import Scope

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


def everyone(services: Services) -> Scope:
    """All clients of the inventory in force.

    While its files are invalid, the clients are known by the names of their files: what ran last night must not become
    unreadable by a typing mistake of this morning.

    Raises:
        InventoryError: it is invalid and names no client at all.
    """
    try:
        return Scope(frozenset(services.inventories.current().clients))
    except InventoryError as error:
        names = frozenset(path.stem for path in client_files(services.settings.inventory))
        if not names:
            raise
        complain(f"{error}\nThe inventory is invalid; clients are told by the names of their files.")
        return Scope(names)


def scope_of(services: Services, client: str | None) -> Scope:
    """One client, or everyone; one that has left the inventory is found by its name while the ledger knows it.

    Raises:
        InputError: neither the inventory nor the ledger knows the client.
    """
    if client is None:
        return everyone(services)
    named = Scope.of(client)
    try:
        find_client(services.inventories.current(), client)
    except InputError:
        if not services.ledger.runs(named, since=_EVER, limit=1):
            raise
    return named
