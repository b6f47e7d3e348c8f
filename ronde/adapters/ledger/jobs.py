"""The life of a job, put together from its parts."""

from ronde.adapters.ledger.claiming import Claiming
from ronde.adapters.ledger.reaping import Reaping
from ronde.adapters.ledger.sending import Sending
from ronde.adapters.ledger.stepping import Stepping


class SqlJobs(Sending, Claiming, Stepping, Reaping):
    """See `ronde.ports.Jobs`."""
