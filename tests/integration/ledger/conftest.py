import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ronde.adapters.ledger import SqlLedger
from tests.servers.ledgers import fresh_ledger, fresh_url, postgres, sqlite_template

__all__ = ["fresh_ledger", "fresh_url", "postgres", "sqlite_template"]


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ledger(engine: str, fresh_ledger: Callable[[str], SqlLedger]) -> SqlLedger:
    return fresh_ledger(engine)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of four megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "ronde-test", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
