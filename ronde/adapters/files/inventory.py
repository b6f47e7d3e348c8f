"""An inventory directory as one value, or everything that is wrong with it.

provider.yml            who we are
clients/NAME.yml        one client each; the file is named like the client
certificates/…/*.pem    the pinned certificates of vCenters
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from ronde.adapters.files.documents import Document, read_document
from ronde.adapters.files.explain import explain
from ronde.adapters.files.fields import locate
from ronde.model.errors import InventoryError
from ronde.model.inventory import Client, Inventory, Provider, TechnicianEntry
from ronde.model.inventory.checks import Surroundings, check_client
from ronde.model.inventory.digest import inventory_digest
from ronde.model.inventory.people_checks import House, check_people
from ronde.model.inventory.problems import Place, Problem, Remark, errors_of, path_text
from ronde.model.playbook import Named
from ronde.model.scheduled import remarks_on_schedules

SUFFIXES: Final = (".yml", ".yaml")
CLIENTS: Final = "clients"
CERTIFICATES: Final = "certificates"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of reading a directory.

    Attributes:
        inventory: the whole, or None when there is any error: an invalid inventory never loads in part.
        digest: of the inventory; empty when there is none.
        problems: errors and warnings, by file and line.
        technicians: as `provider.yml` declares them, known also while something else is wrong; None when that file
            does not tell: rights that are not known are not assumed.
    """

    inventory: Inventory | None
    digest: str
    problems: tuple[Problem, ...]
    technicians: Mapping[str, TechnicianEntry] | None = None

    def declared(self) -> Mapping[str, TechnicianEntry]:
        """The technicians.

        Raises:
            InventoryError: they are not known; what is wrong outside clients' files, for it is told to whoever asks.
        """
        if self.technicians is None:
            told = [problem for problem in errors_of(self.problems) if client_of(problem) is None]
            raise InventoryError(tuple(str(problem) for problem in told))
        return self.technicians


@dataclass(slots=True)
class _File:
    """One file on its way from text to model."""

    path: Path
    document: Document
    remarks: list[Remark] = field(default_factory=list)
    client: Client | None = None

    @property
    def names(self) -> Mapping[str, Any]:
        return self.document.value if isinstance(self.document.value, dict) else {}

    def section(self, name: str) -> frozenset[str]:
        """The names that a section declares, whatever is wrong with their entries."""
        value = self.names.get(name)
        return frozenset(value) if isinstance(value, dict) else frozenset()

    def problems(self) -> Iterator[Problem]:
        for flaw in self.document.flaws:
            yield Problem(str(self.path), flaw.line, path_text(flaw.place), flaw.message)
        for remark in self.remarks:
            line = self.document.line(remark.place)
            yield Problem(str(self.path), line, path_text(remark.place), remark.message, remark.warning)


def load_inventory(
    directory: Path,
    playbooks: Mapping[str, Named] | None,
    now: datetime,
    certificates: Path | None = None,
    read: Callable[[Path], Document] = read_document,
) -> Loaded:
    """Read and check everything; nothing is raised for what people wrote.

    `playbooks` are those that schedules may use, by name (`backup/check`), None leaves them unchecked; `now` (aware)
    decides which exemptions have passed; `certificates` is the folder of pinned certificates when it lies elsewhere;
    `read` may answer for a file that has not changed without reading it again.
    """
    if not directory.is_dir():
        missing = "no such directory; a first inventory is made by: ronde init DIR"
        return Loaded(None, "", (Problem(str(directory), 1, "", missing),))
    provider, stray = _read_provider(directory, read)
    files = [_File(path, read(path)) for path in client_files(directory)]
    problems = [*stray, *_stray_clients(directory)]
    who = _validated(provider, Provider) if provider else None
    _check_clients(files, certificates or directory / CERTIFICATES, playbooks, now)
    if provider and isinstance(who, Provider):
        provider.remarks += check_people(who, _house(files, playbooks))
    for file in [provider, *files]:
        problems += sorted(file.problems(), key=lambda problem: problem.line) if file else []
    technicians = _technicians(provider, who)
    if errors_of(problems) or not isinstance(who, Provider):
        return Loaded(None, "", tuple(problems), technicians)
    clients = {file.client.client: file.client for file in files if file.client}
    inventory = Inventory(provider=who, clients=clients)
    return Loaded(inventory, inventory_digest(inventory), tuple(problems), technicians)


def client_of(problem: Problem) -> str | None:
    """The client whose file this is about; None for another file."""
    path = Path(problem.file)
    return path.stem if path.parent.name == CLIENTS else None


def client_files(directory: Path) -> list[Path]:
    """The clients' files, in order of name."""
    folder = directory / CLIENTS
    return sorted(path for path in folder.iterdir() if _is_ours(path)) if folder.is_dir() else []


def _is_ours(path: Path) -> bool:
    return path.suffix in SUFFIXES and not path.name.startswith(".")


def _read_provider(directory: Path, read: Callable[[Path], Document]) -> tuple[_File | None, list[Problem]]:
    found = [directory / f"provider{suffix}" for suffix in SUFFIXES if (directory / f"provider{suffix}").exists()]
    if not found:
        return None, [Problem(str(directory / "provider.yml"), 1, "", "is missing; it says who you are")]
    twice = [Problem(str(path), 1, "", f"stands beside {found[0].name}; keep one of them") for path in found[1:]]
    return _File(found[0], read(found[0])), twice


def _technicians(provider: _File | None, who: BaseModel | None) -> Mapping[str, TechnicianEntry] | None:
    """The declared technicians; none when the file can be read and does not speak of any, whatever else is wrong."""
    if provider is None or provider.document.flaws or not isinstance(provider.document.value, dict):
        return None
    if isinstance(who, Provider):
        return who.technicians
    return None if "technicians" in provider.names else {}


def _house(files: list[_File], playbooks: Collection[str] | None) -> House:
    """What rules and technicians may speak of, of every client whose file is right, or at least there."""
    known = {str(file.names.get("client", file.path.stem)) for file in files} | {file.path.stem for file in files}
    clients = [file.client for file in files]
    tags = {tag for client in clients if client for host in client.hosts.values() for tag in host.tags}
    return House(known, playbooks, tags if all(clients) else None)


def _stray_clients(directory: Path) -> Iterator[Problem]:
    folder = directory / CLIENTS
    if not folder.is_dir():
        yield Problem(str(folder), 1, "", "there is no such folder: the inventory has no client", warning=True)
        return
    for path in sorted(folder.iterdir()):
        if not _is_ours(path) and not path.name.startswith((".", "README")):
            yield Problem(str(path), 1, "", "is not read: clients are .yml files directly in clients", warning=True)


def _check_clients(
    files: list[_File], certificates: Path, playbooks: Mapping[str, Named] | None, now: datetime
) -> None:
    """Fields first, then what concerns several entries or several files."""
    checked = {id(file): _for_checks(file) for file in files}
    owners: dict[str, list[_File]] = {}
    for file in files:
        owners.setdefault(str(file.names.get("client", file.path.stem)), []).append(file)
    for file in files:
        client = checked[id(file)]
        if client is None:
            continue
        zone = ZoneInfo(client.timezone)
        own = {str(file.names.get("client")), file.path.stem}
        around = Surroundings(
            file_stem=file.path.stem,
            hosts=file.section("hosts"),
            vcenters=file.section("vcenters"),
            windows=file.section("windows"),
            others=frozenset(owners) - own,
            today=now.astimezone(zone).date(),
        )
        told = {remark.place for remark in file.remarks}
        scheduled = remarks_on_schedules(client, playbooks, around.hosts, around.vcenters)
        found = [*check_client(client, around), *scheduled, *_certificates(certificates, client)]
        file.remarks += [remark for remark in found if remark.place not in told]
    for name, claimants in owners.items():
        for file in claimants[1:]:
            file.remarks.append(Remark(("client",), f'"{name}" is already declared in {claimants[0].path}'))


def _for_checks(file: _File) -> Client | None:
    """The client when its fields are right; otherwise what is left of it without the wrong fields or entries.

    The rest only serves to find the other mistakes in the same pass; `file.client` stays None, so it never loads.
    """
    client = _validated(file, Client)
    if isinstance(client, Client):
        file.client = client
        return client
    rest = {name: value for name, value in file.names.items() if name in Client.model_fields}
    rest |= {"name": file.path.stem, "client": rest.get("client", file.path.stem)}
    cut = {_outside_lists(remark.place)[:3] for remark in file.remarks}
    for coarser in (2, 1, 0):  # leave out `hosts.a.port`; where that does not do, `hosts.a`; or else `hosts`
        try:
            return Client.model_validate(_without(rest, cut))
        except ValidationError as error:
            cut |= {_outside_lists(locate(Client, item["loc"]).place)[:coarser] for item in error.errors()}
    return None


def _outside_lists(place: Place) -> Place:
    """The place up to its first list: leaving out single items would shift the numbers of the others."""
    return tuple(itertools.takewhile(lambda part: isinstance(part, str), place))


def _without(value: Any, places: set[Place]) -> Any:
    """A copy of nested mappings that lacks the given places."""
    if not isinstance(value, dict):
        return value
    return {
        key: _without(item, {place[1:] for place in places if place[:1] == (key,)})
        for key, item in value.items()
        if (key,) not in places
    }


def _validated(file: _File, model: type[BaseModel]) -> BaseModel | None:
    """The file as this model; its mistakes are added to the file's remarks."""
    if file.document.value is None:
        return None
    if not isinstance(file.document.value, dict):
        file.remarks.append(Remark((), "must be a mapping of fields"))
        return None
    try:
        return model.model_validate(file.document.value)
    except ValidationError as error:
        file.remarks += explain(model, error.errors(include_url=False))
        return None


def _certificates(folder: Path, client: Client) -> Iterator[Remark]:
    for name, vcenter in client.vcenters.items():
        path = folder / vcenter.certificate
        place = ("vcenters", name, "certificate")
        try:
            if b"-----BEGIN CERTIFICATE-----" not in path.read_bytes():
                yield Remark(place, f"{path} holds no PEM certificate")
        except FileNotFoundError:
            pin = f"ronde vcenter pin {name} --client {client.client}"
            yield Remark(place, f"is not pinned yet; the vCenter is refused until then: {pin}", warning=True)
        except OSError as error:
            yield Remark(place, f"{path} cannot be read: {error.strerror}")
