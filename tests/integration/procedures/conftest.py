"""An installation of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with Office(tmp_path) as made:
        yield made
