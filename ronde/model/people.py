"""Who may do what: a technician as `provider.yml` declares him, and the one answer to every question about rights.

Three kinds of people act: those who are declared, with their roles and clients; anybody, where no technician is
declared at all (one person with a laptop), who may everything but approve; and strangers where some are, who may
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ronde.model.inventory import Inventory, TechnicianEntry
from ronde.model.inventory.fields import ALL, RoleName
from ronde.model.words import hint

AN_APPROVAL_NEEDS_TWO = "declare technicians in provider.yml; an approval needs two of them"


class Act(StrEnum):
    """What a person can ask for; the value is how a refusal says it."""

    LOOK = "see"
    ORDER = "order runs for"
    APPROVE = "approve runs for"
    ADMINISTER = "administer"


ALLOWED: Mapping[RoleName, frozenset[Act]] = {
    "look": frozenset({Act.LOOK}),
    "operate": frozenset({Act.LOOK, Act.ORDER}),
    "approve": frozenset({Act.LOOK, Act.APPROVE}),
    "admin": frozenset(Act),
}


class Standing(StrEnum):
    """Why a person has the rights he has."""

    DECLARED = "declared"
    OPEN = "open"  # nobody is declared
    STRANGER = "stranger"  # others are


@dataclass(frozen=True, slots=True)
class Technician:
    """One person and his rights.

    Attributes:
        login: of the account; what runs, events and decisions record.
        name: as people say it; empty for those who are not declared.
        acts: what he may do at all.
        clients: for whom; None = for all, and for the house as a whole.
    """

    login: str
    name: str
    standing: Standing
    roles: tuple[RoleName, ...]
    acts: frozenset[Act]
    clients: frozenset[str] | None

    @property
    def sees_all(self) -> bool:
        return self.clients is None


def technician_of(declared: Mapping[str, TechnicianEntry], login: str) -> Technician:
    """The person behind a login, by the `technicians` of `provider.yml`."""
    if not declared:
        return Technician(login, "", Standing.OPEN, (), frozenset(Act) - {Act.APPROVE}, None)
    entry = declared.get(login)
    if entry is None:
        return Technician(login, "", Standing.STRANGER, (), frozenset(), frozenset())
    acts = frozenset(act for role in entry.roles for act in ALLOWED[role])
    clients = None if ALL in entry.clients else frozenset(entry.clients)
    return Technician(login, entry.name, Standing.DECLARED, entry.roles, acts, clients)


def may(technician: Technician, act: Act, client: str | None) -> bool:
    """Whether he may do that for a client; None means the house as a whole, which takes `clients: all`."""
    return act in technician.acts and (technician.clients is None or client in technician.clients)


def refusal(technician: Technician, act: Act, client: str | None, what: str = "") -> str:
    """Why he may not, in one sentence; empty when he may. `what` says the act more closely: `enrol hosts of`.

    The words are the same for another's client and for one that does not exist: they tell nobody which do.
    """
    if may(technician, act, client):
        return ""
    words = denied(technician, f"{what or act.value} {client or 'the house as a whole'}")
    own = technician.clients or frozenset()
    return words + (hint(client, own) if client and client not in own else "")


def denied(technician: Technician, what: str) -> str:
    """`bob may not …` and where that stands, for somebody of whom it is known that he may not."""
    match technician.standing:
        case Standing.OPEN:
            return f"{technician.login} may not {what}: {AN_APPROVAL_NEEDS_TWO}"
        case Standing.STRANGER:
            return f"{technician.login} is not among the technicians in provider.yml and may not {what}"
        case Standing.DECLARED:
            return f"{technician.login} may not {what}: roles and clients stand in provider.yml"


def clients_of(technician: Technician, inventory: Inventory) -> frozenset[str]:
    """Whose data he may see: the scope of everything he reads."""
    known = frozenset(inventory.clients)
    if Act.LOOK not in technician.acts:
        return frozenset()
    return known if technician.clients is None else known & technician.clients


def seen_by(technician: Technician, inventory: Inventory) -> Inventory:
    """The inventory as far as he may see it: what is resolved, counted or hinted at from it names no other client."""
    clients = clients_of(technician, inventory)
    if clients == frozenset(inventory.clients):
        return inventory
    return inventory.model_copy(update={"clients": {name: inventory.clients[name] for name in sorted(clients)}})
