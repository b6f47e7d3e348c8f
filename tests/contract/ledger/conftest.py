from collections.abc import Callable

import pytest

from ronde.adapters.ledger import SqlLedger
from ronde.ports import Ledger
from tests.doubles.ledger import MemoryLedger
from tests.servers.ledgers import fresh_ledger, fresh_url, postgres, sqlite_template

__all__ = ["fresh_ledger", "fresh_url", "postgres", "sqlite_template"]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, fresh_ledger: Callable[[str], SqlLedger]) -> Ledger:
    """The same questions to every ledger there is."""
    return MemoryLedger() if request.param == "memory" else fresh_ledger(request.param)
