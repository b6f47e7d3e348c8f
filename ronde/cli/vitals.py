"""The health of the machinery, as far as a person may know it."""

from dataclasses import replace
from datetime import datetime, timedelta

from ronde.bootstrap import Services
from ronde.cli.acting import Acting
from ronde.cli.scope import everyone
from ronde.model.records import Health
from ronde.model.run import MailState

_BACK = timedelta(days=14)  # messages are given up within days; an older one that still waits is not counted
_SENT = frozenset({MailState.ACCEPTED, MailState.DEAD})


def health_for(services: Services, person: Acting, now: datetime) -> Health:
    """The machinery's health; what it counts of all clients' messages and jobs is counted of this person's alone.

    That something has been waiting in the queue tells of the workers, not of a client, and stays.
    """
    health = services.ledger.health(now)
    if person.technician.sees_all:
        return health
    mails = services.ledger.mails(everyone(services, person), since=now - _BACK)
    waiting = [mail.created_at for mail in mails if mail.state not in _SENT]
    oldest = (now - min(waiting)).total_seconds() if waiting else None
    return replace(health, unsent_mails=len(waiting), oldest_unsent_s=oldest, overdue_leases=0)
