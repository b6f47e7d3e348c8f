"""`ronde vcenter`: the vCenters we read, and the certificates by which we know them."""

from pathlib import Path
from typing import Annotated

import typer

from ronde.adapters.vsphere import ShownCertificate, scan_certificate
from ronde.bootstrap import build
from ronde.cli.out import told_errors
from ronde.cli.scope import visible_client
from ronde.model.errors import InputError
from ronde.model.inventory import Client, VCenter
from ronde.model.people import Act
from ronde.model.words import hint

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="vCenters: pin their certificates.",
    epilog="Example: ronde vcenter pin vc1 --client commune-exemple",
)


@app.command("pin")
def pin(
    vcenter: Annotated[str, typer.Argument(help="The vCenter's name in the inventory.")],
    client: Annotated[str, typer.Option("--client", help="Its client.")],
    fingerprint: Annotated[
        str | None, typer.Option("--fingerprint", help="SHA-256 as the vCenter shows it; pins without asking.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Let go of another certificate that is pinned.")] = False,
) -> None:
    """Show the certificate a vCenter shows, and pin it once you have compared its fingerprint on the vCenter itself.

    On the vCenter: openssl x509 -in /etc/vmware-vpx/ssl/rui.crt -noout -fingerprint -sha256

    Example: ronde vcenter pin vc1 --client commune-exemple
    """
    with told_errors():
        services = build()
        entry = _entry(visible_client(services, client, Act.ORDER, "pin certificates of"), vcenter)
        shown = scan_certificate(entry.address, entry.port)
        typer.echo(f"{vcenter} ({entry.address}:{entry.port}) shows SHA-256 {shown.fingerprint}")
        target = services.settings.certificates / entry.certificate
        if _pinned_already(target, shown, replace=replace):
            typer.echo(f"This certificate is pinned already, in {target}.")
            return
        _agree(shown, fingerprint)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(shown.pem)
        typer.echo(f"Pinned in {target}.")


def _entry(client: Client, name: str) -> VCenter:
    entry = client.vcenters.get(name)
    if entry is None:
        raise InputError(f'{client.client} has no vCenter "{name}"{hint(name, client.vcenters)}')
    return entry


def _pinned_already(target: Path, shown: ShownCertificate, *, replace: bool) -> bool:
    if not target.exists():
        return False
    if target.read_text().strip() == shown.pem.strip():
        return True
    if not replace:
        raise InputError(
            f"Another certificate is pinned in {target}.",
            advice="If the vCenter's certificate was renewed, compare the new one there and add --replace.",
        )
    return False


def _agree(shown: ShownCertificate, fingerprint: str | None) -> None:
    """Compare with the given fingerprint, or ask the person to.

    Raises:
        InputError: they differ, or the answer was no; nothing is pinned.
    """
    if fingerprint is None:
        if not typer.confirm("Is that what the vCenter itself shows?"):
            raise InputError("Nothing was pinned.")
        return
    if _plain(fingerprint) != _plain(shown.fingerprint):
        raise InputError(f"That is not the fingerprint given ({fingerprint}); nothing was pinned.")


def _plain(fingerprint: str) -> str:
    return fingerprint.removeprefix("SHA256:").replace(":", "").casefold()
