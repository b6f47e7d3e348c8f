"""A journal in memory, which holds what JSON can hold and outlives the attempt that wrote it."""

import json
from collections.abc import Mapping
from typing import Any

from ronde.model.check import Json


class MemoryJournal:
    """Fulfils `ronde.ports.Journal`."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def stored(self) -> Mapping[str, Json]:
        return dict(self.values)

    def keep(self, values: Mapping[str, Json]) -> None:
        self.values.update(json.loads(json.dumps(values)))
