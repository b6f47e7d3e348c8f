"""Whether what `provider.yml` says of people and approvals refers to something."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ronde.model.inventory.clients import Provider
from ronde.model.inventory.fields import ALL
from ronde.model.inventory.people import ApprovalRule
from ronde.model.inventory.problems import Place, Remark
from ronde.model.words import hint

_DECIDES = frozenset({"approve", "admin"})


@dataclass(frozen=True, slots=True)
class House:
    """What `provider.yml` is checked against.

    Attributes:
        clients: every identifier that a client's file declares or is named by, also one that is wrong in itself, so
            that one mistake does not make a second one.
        playbooks: names of the known playbooks; None when they are not known here.
        tags: what hosts are tagged with, without `tag:`; None when some client's file is wrong, and they are not known.
    """

    clients: Collection[str]
    playbooks: Collection[str] | None
    tags: Collection[str] | None


def check_people(provider: Provider, house: House) -> Iterator[Remark]:
    """Every technician and rule that names what does not exist: a rule that means nothing would protect nothing."""
    for login, technician in provider.technicians.items():
        yield from _clients(("technicians", login, "clients"), technician.clients, house)
    for index, rule in enumerate(provider.approvals.rules):
        yield from _check_rule(("approvals", "rules", index), rule, house)
    roles = {role for technician in provider.technicians.values() for role in technician.roles}
    if provider.approvals.rules and not roles & _DECIDES:
        advice = "declare a technician who may" if provider.technicians else "declare technicians, two of them at least"
        yield Remark(("approvals",), f"nobody may approve what waits by these rules; {advice}", warning=True)


def _check_rule(place: Place, rule: ApprovalRule, house: House) -> Iterator[Remark]:
    yield from _clients((*place, "clients"), rule.clients, house)
    pattern = rule.playbook
    if pattern and house.playbooks is not None and not any(fnmatchcase(name, pattern) for name in house.playbooks):
        yield Remark((*place, "playbook"), f'"{pattern}" is no playbook{hint(pattern, house.playbooks)}')
    for index, word in enumerate(rule.hosts if house.tags is not None else ()):
        known = [f"tag:{tag}" for tag in house.tags or ()]
        if word not in known:
            yield Remark((*place, "hosts", index), f'"{word}": no host carries this tag{hint(word, known)}')


def _clients(place: Place, names: Collection[str], house: House) -> Iterator[Remark]:
    for index, name in enumerate(names):
        if name != ALL and name not in house.clients:
            yield Remark((*place, index), f'there is no client "{name}"{hint(name, {*house.clients, ALL})}')
