"""One installation for each test; everything it started ends with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.installation import Installation


@pytest.fixture
def ronde(tmp_path: Path) -> Iterator[Installation]:
    """An installation with one host, its broker running, and no worker or beat yet."""
    with Installation(tmp_path) as installation:
        installation.add_host("srv-1")
        installation.broker.start()
        installation.write_inventory()
        assert installation.ledger.ping()
        yield installation
