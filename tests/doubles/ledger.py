"""The ledger in memory: the same port and the same decisions, for tests that need no database."""

from tests.doubles.memory_archive import MemoryArchive
from tests.doubles.memory_jobs import MemoryJobs
from tests.doubles.memory_orders import MemoryOrders
from tests.doubles.memory_outbox import MemoryOutbox


class MemoryLedger(MemoryOrders, MemoryJobs, MemoryArchive, MemoryOutbox):
    """Fulfils `ronde.ports.Ledger`; the contract tests hold it to what the real one does."""

    def __init__(self, *, output_cap: int = 5 * 1024 * 1024) -> None:
        super().__init__(output_cap)

    def close(self) -> None:
        """Nothing to give back."""
