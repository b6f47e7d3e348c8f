"""`ronde host`: the servers we log in to, and the keys by which we know them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ronde.adapters.files.documents import read_document
from ronde.adapters.files.inventory import client_files
from ronde.adapters.files.pins import pin_host_keys
from ronde.adapters.ssh import scan_host_keys
from ronde.bootstrap import Services, build
from ronde.cli.acting import acting
from ronde.cli.out import console, exit_for, labelled, print_json, safe, told_errors
from ronde.cli.scope import visible
from ronde.cli.signals import NeverStops
from ronde.engine.hosts import HostOnFile, Reached, find_host, hosts_on_file, reach
from ronde.model.errors import InputError
from ronde.model.hostkeys import HostKey, pins_after
from ronde.model.inventory import Inventory
from ronde.model.people import Act

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Servers: enrol, list, check.", epilog="Example: ronde host check"
)

SSH_PORT = 22  # the one that goes without saying
_AT_ONCE = 16  # hosts connected to at the same time; a check is mostly waiting

ClientOption = Annotated[str | None, typer.Option("--client", help="The client, when several have a host so named.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("enrol")
def enrol(
    host: Annotated[str, typer.Argument(help="The host's name in the inventory.")],
    client: ClientOption = None,
    fingerprint: Annotated[
        list[str] | None,
        typer.Option("--fingerprint", help="SHA256:…, pins the key it belongs to without asking. Repeatable."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Let go of pinned keys no longer offered.")] = False,
) -> None:
    """Show the keys a host offers and pin them in the client's file, once you have compared their fingerprints.

    On the host itself: for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done

    Example: ronde host enrol srv-fichiers --client commune-exemple
    """
    with told_errors():
        services = build()
        on_file = find_host(_inventory(services, client, Act.ORDER, "enrol hosts of"), host, client)
        pinned = tuple(HostKey.parse(line) for line in on_file.host.host_key)
        shells = services.shells
        offered = scan_host_keys(shells.connector, shells.limits, on_file.client, host, NeverStops())
        _show(on_file, offered, pinned)
        pins = pins_after(offered, pinned, fingerprints=fingerprint or (), replace=replace)
        if set(pins) == set(pinned):
            typer.echo("Nothing to do: pinned already.")
            return
        if not fingerprint:
            typer.confirm("Do these fingerprints match those on the host itself? Pin them", abort=True)
        path = _file_of(services, on_file.client.client)
        pin_host_keys(path, host, [key.line for key in pins])
        typer.echo(f"Pinned {len(pins)} {'key' if len(pins) == 1 else 'keys'} in {path}.")


@app.command("list")
def list_(client: ClientOption = None, as_json: JsonOption = False) -> None:
    """List the hosts of the inventory, with the way to each and the keys pinned.

    Example: ronde host list --client commune-exemple
    """
    with told_errors():
        hosts = list(hosts_on_file(_inventory(build(), client, Act.LOOK), client))
        if as_json:
            print_json([_entry(on_file) for on_file in hosts])
            return
        table = Table(box=None, pad_edge=False)
        for column in ("client", "host", "address", "via", "pinned"):
            table.add_column(column, overflow="fold")
        for on_file in hosts:
            entry = on_file.host
            kinds = ", ".join(_short(line.split()[0]) for line in entry.host_key) or "none: refused"
            place = f"{entry.user}@{entry.address}" + (f":{entry.port}" if entry.port != SSH_PORT else "")
            table.add_row(*map(safe, (on_file.client.client, on_file.name, place, entry.via or "", kinds)))
        console().print(table)


@app.command("check")
def check(
    host: Annotated[str | None, typer.Argument(help="Only this host.")] = None,
    client: ClientOption = None,
    as_json: JsonOption = False,
) -> None:
    """Connect to hosts, verify their keys, log in, run a command and compare clocks.

    Exit status: 0 all reached, 1 warnings or refusals, 3 some could not be reached.

    Example: ronde host check srv-fichiers
    """
    with told_errors():
        services = build()
        inventory = _inventory(services, client, Act.ORDER, "log in to hosts of")
        hosts = [find_host(inventory, host, client)] if host else list(hosts_on_file(inventory, client))
        if not hosts:
            raise InputError("There is no host to check.")
        answers = _reach_all(services, hosts)
        if as_json:
            print_json([_entry(on_file) | _answer(answer) for on_file, answer in zip(hosts, answers, strict=True)])
        else:
            _print(hosts, answers)
        raise typer.Exit(exit_for([answer.verdict for answer in answers]))


def _inventory(services: Services, client: str | None, act: Act, what: str = "") -> Inventory:
    """What this person may see of the inventory, if he may do that, for the client named or at all."""
    person = acting(services)
    person.must(act, *([client] if client is not None else []), what=what)
    return visible(services, person)


def _short(kind: str) -> str:
    """A key's type as people say it: `ed25519`, `ecdsa`, `rsa`."""
    return kind.removeprefix("ssh-").split("-", maxsplit=1)[0]


def _reach_all(services: Services, hosts: list[HostOnFile]) -> list[Reached]:
    shells, clock = services.shells, services.clock
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda on_file: reach(shells, on_file, clock, NeverStops()), hosts))


def _show(on_file: HostOnFile, offered: tuple[HostKey, ...], pinned: tuple[HostKey, ...]) -> None:
    typer.echo(f"{on_file.name} ({on_file.host.address}:{on_file.host.port}) offers:")
    for key in offered:
        typer.echo(f"  {key.fingerprint}  {key.kind}{'  (pinned)' if key in pinned else ''}")


def _print(hosts: list[HostOnFile], answers: list[Reached]) -> None:
    width = max(len(f"{on_file.client.client}/{on_file.name}") for on_file in hosts)
    for on_file, answer in zip(hosts, answers, strict=True):
        line = labelled(answer.verdict, f"{on_file.client.client}/{on_file.name}", answer.words, width)
        console().print(line, soft_wrap=True)


def _entry(on_file: HostOnFile) -> dict[str, object]:
    entry = on_file.host
    return {
        "client": on_file.client.client,
        "host": on_file.name,
        "address": entry.address,
        "port": entry.port,
        "user": entry.user,
        "via": entry.via,
        "pinned": [HostKey.parse(line).fingerprint for line in entry.host_key],
    }


def _answer(answer: Reached) -> dict[str, object]:
    skew = None if answer.skew is None else answer.skew.total_seconds()
    return {"verdict": answer.verdict.value, "error": answer.error or None, "message": answer.words, "skew_s": skew}


def _file_of(services: Services, client: str) -> Path:
    for path in client_files(services.settings.inventory):
        content = read_document(path).value
        if isinstance(content, dict) and content.get("client") == client:
            return path
    raise InputError(f"The file of {client} is no longer in {services.settings.inventory}.")
