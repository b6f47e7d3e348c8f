"""Who gave this command, and whether that person may."""

from collections.abc import Mapping
from dataclasses import dataclass

from ronde.adapters.identity import Actor, who_acts
from ronde.bootstrap import Services
from ronde.model.errors import NotAllowed
from ronde.model.inventory import TechnicianEntry
from ronde.model.people import Act, Technician, denied, may, refusal, technician_of

NAMED_FILES = "have files that he names opened by the service's account"


@dataclass(frozen=True, slots=True)
class Acting:
    """The person at the keyboard, with his rights."""

    actor: Actor
    technician: Technician

    @property
    def login(self) -> str:
        """What runs, cancellings and decisions record as whose they are."""
        return self.technician.login

    def must(self, act: Act, *clients: str, what: str = "") -> None:
        """Go on only if he may do that for each of these clients; for none, if he may do it at all.

        Raises:
            NotAllowed: he may not.
        """
        for client in clients:
            _refuse(refusal(self.technician, act, client, what))
        if act not in self.technician.acts:
            _refuse(denied(self.technician, (what or act.value).removesuffix(" for").removesuffix(" of")))

    def must_for_house(self, act: Act, what: str = "") -> None:
        """The same for what concerns every client at once.

        Raises:
            NotAllowed: he may not.
        """
        _refuse(refusal(self.technician, act, None, what))


def _refuse(words: str) -> None:
    if words:
        raise NotAllowed(words)


def acting(services: Services) -> Acting:
    """Who acts, by the login of the session and the `technicians` of `provider.yml`.

    Raises:
        InventoryError: `provider.yml` does not tell who may do what.
    """
    return by_rights(services, services.inventories.technicians())


def by_rights(services: Services, declared: Mapping[str, TechnicianEntry]) -> Acting:
    """The same where the technicians are at hand."""
    actor = who_acts(services.settings.data_dir)
    return Acting(actor, technician_of(declared, actor.login))


def lent(services: Services) -> bool:
    """Whether this process has another account's rights, lent by sudo to whoever acts."""
    return who_acts(services.settings.data_dir).lent


def own_hand(services: Services, what: str) -> None:
    """Go on if this process has the actor's own rights; behind sudo only for those who administer the house.

    For what opens files that the command line names, or starts the machinery: with his own rights anybody does what he
    could do without us, and the service's account starts itself. Rights that sudo lends are not lent for that. Where
    there is no inventory yet, there is no house, and what is being set up is nobody's but root's.

    Raises:
        InventoryError: he came by sudo, and `provider.yml` does not tell who may do what.
        NotAllowed: he came by sudo and may not.
    """
    if lent(services) and services.settings.inventory.is_dir():
        technician = acting(services).technician
        _refuse("" if may(technician, Act.ADMINISTER, None) else denied(technician, what))
