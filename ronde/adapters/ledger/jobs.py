"""The life of a job, put together from its parts."""

from ronde.adapters.ledger.claiming import Claiming
from ronde.adapters.ledger.reaping import Reaping
from ronde.adapters.ledger.recording import Recording
from ronde.adapters.ledger.sending import Sending


class SqlJobs(Sending, Claiming, Recording, Reaping):
    """See `ronde.ports.Jobs`."""
