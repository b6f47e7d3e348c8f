"""What is wrong with an inventory, and where."""

from collections.abc import Iterable
from dataclasses import dataclass

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about one place of one document; a warning leaves the inventory valid."""

    place: Place
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """A remark with its file and 1-based line, written `file:line: path.to.field: what is wrong`."""

    file: str
    line: int
    path: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


def path_text(place: Place) -> str:
    """`hosts.srv-fichiers.backups[1].tool`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def errors_of(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(problem for problem in problems if not problem.warning)


def warnings_of(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(problem for problem in problems if problem.warning)
