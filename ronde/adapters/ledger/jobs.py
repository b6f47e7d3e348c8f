"""The life of a job, put together from its parts."""

from ronde.adapters.ledger.claiming import Claiming
from ronde.adapters.ledger.placing import Placing
from ronde.adapters.ledger.reaping import Reaping
from ronde.adapters.ledger.sending import Sending
from ronde.adapters.ledger.stepping import Stepping


class SqlJobs(Sending, Claiming, Stepping, Placing, Reaping):
    """See `ronde.ports.Jobs`."""
