"""`ronde init` and `ronde inventory`: start, check, look at and import what Ronde knows about clients."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from ronde.adapters.files.ansible_import import Carried, carry_over, read_ansible, render
from ronde.adapters.files.first_inventory import schemas, write_first_inventory
from ronde.adapters.files.inventory import CLIENTS, Loaded, client_files, load_inventory
from ronde.adapters.files.playbooks import load_playbooks
from ronde.bootstrap import Services, build
from ronde.cli.acting import NAMED_FILES, Acting, by_rights, lent, own_hand
from ronde.cli.out import Exit, complain, console, print_json, told_errors
from ronde.cli.scope import ELSEWHERE, told_to
from ronde.engine.ordering import find_client
from ronde.model.errors import InputError, InventoryError
from ronde.model.inventory import Client, Host, Inventory
from ronde.model.inventory.problems import Problem, errors_of, warnings_of
from ronde.model.people import Act, Technician, seen_by
from ronde.model.units import format_duration
from ronde.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check, look at and import the inventory.",
    epilog="Example: ronde inventory check",
)
import_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Take over another tool's inventory.",
    epilog="Example: ronde inventory import ansible hosts.ini --client commune-exemple",
)
app.add_typer(import_app, name="import")

Directory = Annotated[
    Path | None,
    typer.Option("--directory", "-d", help="The inventory; RONDE_INVENTORY when left out.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def init(directory: Annotated[Path, typer.Argument(help="Where to write it; made when missing.")]) -> None:
    """Write a first inventory: commented, valid, never over an existing file.

    Example: ronde init /etc/ronde/inventory
    """
    with told_errors():
        for path in write_first_inventory(directory):
            typer.echo(f"wrote {path}")
    typer.echo(f"\nEdit the two .yml files, then: ronde inventory check {directory}")
    typer.echo(f"For all other commands: export RONDE_INVENTORY={directory.resolve()}")


@app.command()
def check(
    directory: Annotated[
        Path | None, typer.Argument(help="The inventory; RONDE_INVENTORY when left out.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell everything that is wrong, with file and line. Exit status: 0 valid, 1 invalid, 2 cannot be checked.

    Example: ronde inventory check /etc/ronde/inventory
    """
    with told_errors():
        services = build()
        loaded, files = _checked(services, directory)
        if as_json:
            print_json(_check_json(loaded))
        else:
            _tell(loaded, directory or services.settings.inventory, files)
    raise typer.Exit(Exit.OK if loaded.inventory else Exit.FINDINGS)


@app.command()
def schema(
    what: Annotated[Literal["client", "provider"], typer.Argument(help="Which kind of file.")] = "client",
) -> None:
    """Print the JSON Schema of an inventory file, for editors and for checks in a pipeline.

    Example: ronde inventory schema client > client.schema.json
    """
    print_json(schemas()[what])


@app.command()
def show(
    client: Annotated[str, typer.Argument(help="Identifier of the client.")],
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Show a client as Ronde understands it, every default written out.

    Example: ronde inventory show client-example
    """
    with told_errors():
        found = find_client(valid_inventory(build(), directory), client)
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            _print_client(found)


@import_app.command()
def ansible(
    inventory: Annotated[Path, typer.Argument(help="Ansible inventory file, INI or YAML.")],
    client: Annotated[str, typer.Option("--client", help="Identifier of the client that the hosts belong to.")],
    write: Annotated[bool, typer.Option("--write", help="Write clients/CLIENT.yml instead of printing it.")] = False,
    timezone: Annotated[str, typer.Option("--timezone", help="The client's IANA zone.")] = "Europe/Paris",
    directory: Directory = None,
) -> None:
    """Turn an Ansible inventory into a client's file; what cannot come along is told on standard error.

    Group_vars and host_vars beside the file are read. No template, program or vault is opened.

    Example: ronde inventory import ansible hosts.ini --client commune-exemple --write
    """
    with told_errors():
        services = build()
        own_hand(services, NAMED_FILES)
        carried = carry_over(read_ansible(inventory), client, timezone)
        text = render(carried, str(inventory))
        if write:
            _write_client((directory or services.settings.inventory) / CLIENTS / f"{client}.yml", text, carried)
        else:
            typer.echo(text, nl=False)
    for sentence in carried.left:
        complain(sentence)


def _load(settings: Settings, directory: Path | None) -> Loaded:
    folder = directory or settings.inventory
    if not folder.is_dir():
        raise InputError(f"{folder} is no directory.", advice=f"Make a first inventory there: ronde init {folder}")
    certificates = settings.certificates_dir  # left out, those of the directory that is checked
    return load_inventory(folder, load_playbooks(settings.playbooks), datetime.now(UTC), certificates)


def valid_inventory(services: Services, directory: Path | None = None) -> Inventory:
    """The inventory of a directory, or that of the settings as far as whoever asks may see it.

    Raises:
        InputError: there is no such directory, or a playbook is wrong.
        InventoryError: the inventory is invalid; every error, or those of his clients' files.
        NotAllowed: he may see nothing, or have no other directory read.
    """
    if directory is not None:
        own_hand(services, NAMED_FILES)
    loaded = _load(services.settings, directory)
    if directory is None:
        loaded = _shown_to(_person(services, loaded).technician, loaded)
    if loaded.inventory is None:
        raise InventoryError(tuple(str(problem) for problem in errors_of(loaded.problems)))
    return loaded.inventory


def _checked(services: Services, directory: Path | None) -> tuple[Loaded, int]:
    """What is to be told of a directory, and of how many clients' files.

    Everything to whoever can read the files himself, as a pipeline does. Behind sudo it is the service's account that
    can; there only what this person may see is told.
    """
    if directory is not None:
        own_hand(services, NAMED_FILES)
    loaded = _load(services.settings, directory)
    files = client_files(directory or services.settings.inventory)
    if directory is not None or not lent(services):
        return loaded, len(files)
    technician = _person(services, loaded).technician
    own = technician.clients
    return _shown_to(technician, loaded), sum(own is None or path.stem in own for path in files)


def _person(services: Services, loaded: Loaded) -> Acting:
    person = by_rights(services, loaded.declared())
    person.must(Act.LOOK)
    return person


def _shown_to(technician: Technician, loaded: Loaded) -> Loaded:
    """The part that a technician may see; that something else is wrong, where it is."""
    if technician.sees_all:
        return loaded
    told = told_to(technician, loaded.problems)
    if loaded.inventory is None and not errors_of(told):
        told = (*told, Problem("provider.yml", 1, "", ELSEWHERE))
    seen = None if loaded.inventory is None else seen_by(technician, loaded.inventory)
    return replace(loaded, inventory=seen, problems=told)


def _check_json(loaded: Loaded) -> dict[str, Any]:
    return {
        "valid": loaded.inventory is not None,
        "digest": loaded.digest or None,
        "errors": [asdict(problem) for problem in errors_of(loaded.problems)],
        "warnings": [asdict(problem) for problem in warnings_of(loaded.problems)],
    }


def _tell(loaded: Loaded, directory: Path, files: int) -> None:
    """Errors and warnings to standard error, one line each; what is valid to standard output."""
    errors, warnings = errors_of(loaded.problems), warnings_of(loaded.problems)
    for problem in errors:
        complain(str(problem))
    for problem in warnings:
        complain(f"{problem} (warning)")
    if loaded.inventory is None:
        complain(f"{_counted(len(errors), 'error')} in {_counted(files, 'client file')}.")
        complain("Running workers keep the last valid inventory.")
        return
    clients = loaded.inventory.clients.values()
    hosts = [host for client in clients for host in client.hosts.values()]
    counts = (
        _counted(len(clients), "client"),
        _counted(len(hosts), "host"),
        _counted(sum(len(host.backups) for host in hosts), "backup"),
        _counted(sum(len(client.vcenters) for client in clients), "vCenter"),
        _counted(sum(len(client.schedules) for client in clients), "schedule"),
    )
    typer.echo(f"{directory}: valid. {', '.join(counts)}; {_counted(len(warnings), 'warning')}.")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _write_client(path: Path, text: str, carried: Carried) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise InputError(f"{path} exists already; nothing was written") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    typer.echo(f"wrote {path}: {_counted(len(carried.document['hosts']), 'host')}")


def _print_client(client: Client) -> None:
    out = console()
    out.print(f"{client.name} ({client.client}) · {client.timezone} · reports in {client.language}", markup=False)
    for contact in client.contacts:
        receives = ", ".join(contact.receives) or "nothing"
        out.print(f"{contact.name} <{contact.email}> receives {receives}", markup=False)
    hosts = _table("host", "reached at", "key pinned", "via", "tags")
    backups = _table("host", "backup", "tool", "where", "at most", "points", "sample")
    for name, host in client.hosts.items():
        reached = f"{host.user}@{host.address}:{host.port}"
        hosts.add_row(name, reached, "yes" if host.host_key else "no", host.via or "", ", ".join(host.tags))
        for row in _backup_rows(name, host):
            backups.add_row(*row)
    schedules = _table("schedule", "starts", "at", "on", "useful for")
    for name, entry in client.schedules.items():
        within = format_duration(entry.catch_up.within) if entry.enabled else "switched off"
        schedules.add_row(name, entry.purpose, entry.at, ", ".join(entry.on) if entry.playbook else "", within)
    vcenters = _table("vCenter", "reached at", "certificate")
    for name, vcenter in client.vcenters.items():
        vcenters.add_row(name, f"{vcenter.user}@{vcenter.address}:{vcenter.port}", vcenter.certificate)
    for table in (hosts, backups, vcenters, schedules):
        if table.row_count:
            out.print()
            out.print(table)


def _backup_rows(name: str, host: Host) -> list[tuple[str, ...]]:
    return [
        (
            name,
            backup.name,
            backup.tool,
            backup.path if backup.tool == "dump" else backup.repository,
            format_duration(backup.max_age),
            str(backup.keep_at_least),
            f"{backup.sample} in {backup.check_window}" if backup.sample else "listing only",
        )
        for backup in host.backups
    ]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
