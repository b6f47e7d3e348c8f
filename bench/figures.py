"""What was measured: ratios with their spread, against a goal, for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

Profile = dict[str, float]
"""CPU seconds by part."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be: at most, or at least, so much."""

    value: float
    at_least: bool = False

    def met(self, figure: float) -> bool:
        return figure >= self.value if self.at_least else figure <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        values: one for each round; the figure is their median.
        unit: `times` for a ratio.
        against: what it was measured against, in the same rounds.
        goal: None for what is only stated.
        note: absolute numbers behind it.
        profile: where the time goes; taken when the goal was not reached.
    """

    name: str
    values: Sequence[float]
    unit: str
    against: str
    goal: Goal | None = None
    note: str = ""
    profile: Profile = field(default_factory=dict)

    @property
    def figure(self) -> float:
        return median(self.values)

    @property
    def reached(self) -> bool | None:
        """None when there is no goal."""
        return None if self.goal is None else self.goal.met(self.figure)

    @property
    def spread(self) -> str:
        if len(self.values) == 1:
            return ""
        return f"{_short(min(self.values))} to {_short(max(self.values))}"

    def explained(self, profile: Profile) -> "Figure":
        return replace(self, profile=profile)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "figure": float(f"{self.figure:.4g}"),
            "unit": self.unit,
            "against": self.against,
            "goal": None if self.goal is None else str(self.goal),
            "reached": self.reached,
        }


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Round by round, so that what the machine did meanwhile weighs on both sides alike."""
    return [one / other for one, other in zip(above, below, strict=True)]


def seconds(values: Sequence[float]) -> str:
    return f"{median(values):.2f} s"


def to_json(figures: Sequence[Figure]) -> str:
    return json.dumps([figure.as_json() for figure in figures], indent=2, ensure_ascii=False)


def show(figures: Sequence[Figure], machine: str) -> None:
    """Print the table, then where the time goes for everything that was not reached."""
    table = Table(title=machine, title_justify="left")
    for heading in ("figure", "measured", "spread", "goal", "", "against", "behind it"):
        table.add_column(heading, overflow="fold")
    for one in figures:
        measured = f"{_short(one.figure)} {one.unit}".strip()
        verdict = {True: "reached", False: "NOT REACHED", None: "stated"}[one.reached]
        table.add_row(one.name, measured, one.spread, str(one.goal or ""), verdict, one.against, one.note)
    console = Console(width=None if Console().is_terminal else 180)
    console.print(table)
    for one in figures:
        if one.profile:
            console.print(f"{one.name}: where the CPU time goes", markup=False, highlight=False)
            for line in profile_lines(one.profile):
                console.print(f"  {line}", markup=False, highlight=False)


def profile_lines(profile: Profile) -> list[str]:
    """One line a part, the largest first."""
    whole = sum(profile.values()) or 1.0
    parts = sorted(profile.items(), key=lambda part: -part[1])
    return [f"{spent:7.2f} s  {spent / whole:4.0%}  {name}" for name, spent in parts if spent >= whole / 200]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
