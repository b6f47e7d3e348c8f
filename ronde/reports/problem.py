"""One thing on the morning's board that needs somebody."""

from dataclasses import dataclass

from ronde.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that needs somebody: where, what with the figures, and what to do next, mostly a command to type."""

    client: str
    verdict: Verdict
    where: str
    words: tuple[str, ...]
    actions: tuple[str, ...]
