"""What one field cannot know: whether names refer to something, and whether the parts of an inventory agree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from ronde.model.inventory.clients import Client, Host
from ronde.model.inventory.fields import ALL
from ronde.model.inventory.problems import Place, Remark
from ronde.model.inventory.rings import bare
from ronde.model.inventory.schedules import Schedule
from ronde.model.inventory.window_checks import check_windows
from ronde.model.words import hint


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a client's file is checked against.

    Attributes:
        file_stem: the file's name without its suffix; must be the client's identifier.
        hosts, vcenters, windows: every name that the file declares, also those of entries that are wrong in
            themselves, so that one mistake does not make a second one of each reference to it.
        others: identifiers of the other clients.
        today: the date in the client's zone.
    """

    file_stem: str
    hosts: frozenset[str]
    vcenters: frozenset[str]
    windows: frozenset[str]
    others: frozenset[str]
    today: date


def check_client(client: Client, around: Surroundings) -> Iterator[Remark]:
    """Every disagreement inside one client's file."""
    if client.client != around.file_stem:
        yield Remark(
            ("client",), f'"{client.client}" stands in a file named {around.file_stem}; both must be the same name'
        )
    if client.client == ALL:
        yield Remark(("client",), '"all" means every client where technicians are declared and cannot be a name')
    yield from _check_names(around)
    for name, host in client.hosts.items():
        yield from _check_host(name, host, around)
    yield from _loops(client.hosts)
    for name, schedule in client.schedules.items():
        yield from _check_schedule(("schedules", name), schedule, client)
    yield from check_windows(client, around.windows, around.today)
    yield from _check_exemptions(client, around.today)
    yield from _foreign_secrets(client, around.others)


def _check_names(around: Surroundings) -> Iterator[Remark]:
    for name in sorted(around.hosts & around.vcenters):
        yield Remark(("vcenters", name), "is also a host's name; runs could not tell them apart")
    for name in sorted((around.hosts | around.vcenters) & {ALL}):
        kind = "hosts" if name in around.hosts else "vcenters"
        yield Remark((kind, name), '"all" means everything in schedules and cannot be a name')


def _check_host(name: str, host: Host, around: Surroundings) -> Iterator[Remark]:
    place: Place = ("hosts", name)
    if host.via == name:
        yield Remark((*place, "via"), "a host cannot be reached through itself")
    elif host.via is not None and host.via not in around.hosts:
        yield Remark(
            (*place, "via"), f'"{host.via}" is not a host of this client{hint(host.via, around.hosts - {name})}'
        )
    if not host.host_key:
        yield Remark(
            place, f"no host_key is pinned: connections are refused until: ronde host enrol {name}", warning=True
        )


def _loops(hosts: Mapping[str, Host]) -> Iterator[Remark]:
    """Each loop of jump hosts once, at its alphabetically first member."""
    for name in sorted(hosts):
        chain = [name]
        via = hosts[name].via
        while via is not None and via in hosts and via not in chain:
            chain.append(via)
            via = hosts[via].via
        if via == name and len(chain) > 1 and name == min(chain):
            yield Remark(("hosts", name, "via"), f"the jump hosts form a loop: {' → '.join([*chain, name])}")


def _check_schedule(place: Place, schedule: Schedule, client: Client) -> Iterator[Remark]:
    if schedule.report and schedule.on != (ALL,):
        yield Remark((*place, "on"), "a report covers the whole client; leave this out")
    yield from _check_apart((*place, "rings", "apart"), schedule, client)


def _check_apart(place: Place, schedule: Schedule, client: Client) -> Iterator[Remark]:
    """A tag that no host carries keeps nothing apart; a typing mistake here takes both name servers down."""
    tags = {tag for host in client.hosts.values() for tag in host.tags}
    carried = {bare(tag) for tag in tags}
    for index, tag in enumerate(schedule.rings.apart if schedule.rings else ()):
        if bare(tag) not in carried:
            yield Remark((*place, index), f'no host carries the tag "{tag}"{hint(tag, tags)}')


def _check_exemptions(client: Client, today: date) -> Iterator[Remark]:
    seen: set[str] = set()
    for index, exemption in enumerate(client.exempt):
        place: Place = ("exempt", index)
        if exemption.vm in seen:
            yield Remark((*place, "vm"), f'"{exemption.vm}" is exempt twice')
        seen.add(exemption.vm)
        if exemption.until < today:
            yield Remark(
                (*place, "until"),
                f"{exemption.until} has passed: {exemption.vm} counts as uncovered again",
                warning=True,
            )


def _foreign_secrets(client: Client, others: frozenset[str]) -> Iterator[Remark]:
    """A client's file that names another client's secrets would let one client's jobs act with another's rights."""
    for place, reference in _references(client):
        owner = reference.removeprefix("age://").partition("/")[0]
        if reference.startswith("age://") and owner in others:
            yield Remark(place, f"names a secret of another client, {owner}")


def _references(client: Client) -> Iterator[tuple[Place, str]]:
    for name, host in client.hosts.items():
        yield ("hosts", name, "key"), host.key
        for index, backup in enumerate(host.backups):
            password = getattr(backup, "password", None)
            if password is not None:
                yield ("hosts", name, "backups", index, "password"), password
    for name, vcenter in client.vcenters.items():
        yield ("vcenters", name, "password"), vcenter.password
