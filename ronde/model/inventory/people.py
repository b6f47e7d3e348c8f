"""Who works with Ronde, and which runs wait for a second one of them."""

from typing import Literal

from pydantic import model_validator

from ronde.model.inventory.fields import (
    ALL,
    ClientNames,
    Duration,
    Email,
    Entry,
    PlaybookPattern,
    RoleNames,
    TagRefs,
    Text,
)
from ronde.model.units import parse_duration

DEFAULT_EXPIRY = parse_duration("24h")  # a night's order can be approved in the morning; a forgotten one never acts

Risk = Literal["read", "change", "destructive"]


class TechnicianEntry(Entry):
    """One of us; the key above is the login name on the machine that Ronde runs on, as `id -un` prints it.

    Attributes:
        roles: `look` reads what concerns the clients below; `operate` also orders and stops runs, sends reports and
            enrols hosts; `approve` also decides on runs that others ordered; `admin` may everything, and, with
            `clients: all`, what concerns the house as a whole: pruning the ledger, copying it. Each includes `look`,
            none but `admin` includes another.
        clients: `all`, or the identifiers of those whose data this person sees and acts on; others leave no trace.
    """

    name: Text
    email: Email
    roles: RoleNames
    clients: ClientNames


class ApprovalRule(Entry):
    """Runs that wait for a second technician, besides every destructive one. All that is said must hold.

    Attributes:
        playbook: a playbook, or several by `*`: `patch/*`.
        clients: `all`, or those whose runs are meant.
        risk: the least risk that is meant. Left out, `change`: what only reads waits for nobody, unless a rule says
            `risk: read`, so that no rule silences the nightly checks by accident.
        hosts: `tag:NAME`; targets that carry one of these tags. vCenters carry none.
        why: told to whoever waits and to whoever decides.
    """

    playbook: PlaybookPattern | None = None
    clients: ClientNames = (ALL,)
    risk: Risk = "change"
    hosts: TagRefs = ()
    why: Text | None = None

    @model_validator(mode="after")
    def _speaks_of_something(self) -> "ApprovalRule":
        if not self.model_fields_set - {"why"}:
            raise ValueError("says of no run that it waits; name a playbook, clients, a risk or hosts")
        return self


class Approvals(Entry):
    """The rules, and how long an order waits.

    Attributes:
        expire_after: counted from the order. By then it must have been approved and started: nothing that was approved
            acts later than that.
    """

    expire_after: Duration = DEFAULT_EXPIRY
    rules: tuple[ApprovalRule, ...] = ()
