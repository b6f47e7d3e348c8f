"""The journal of a change of a machine, kept on the record of the step that makes it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ronde.engine.procedure.stage import Stage
from ronde.model.check import Json


@dataclass(frozen=True, slots=True)
class StepJournal:
    """Fulfils `ronde.ports.Journal`.

    Attributes:
        stage: the step.
        page: where on its record it stands, for a step that makes several changes; empty for the whole of it.
    """

    stage: Stage
    page: str = ""

    def stored(self) -> Mapping[str, Json]:
        kept = self.stage.record.journal
        if not self.page:
            return kept
        own = kept.get(self.page)
        return own if isinstance(own, Mapping) else {}

    def keep(self, values: Mapping[str, Json]) -> None:
        if self.page:
            self.stage.keep(**{self.page: {**self.stored(), **values}})
        else:
            self.stage.keep(**values)
