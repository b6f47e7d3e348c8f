"""How a run looks while it is followed: one line a line, each with its host before it."""

from collections.abc import Iterator, Mapping

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console

from ronde.cli.out import SHAPES, one_line
from ronde.model.feed import Stream
from ronde.model.plan import Target
from ronde.model.records import JobRecord
from ronde.model.redaction import sanitise_terminal
from ronde.model.run import JOB_OPEN, JobState
from ronde.model.verdict import Verdict

MARKS = {Stream.OUT: "│", Stream.ERR: "!", Stream.NOTE: "──"}
_WIDEST = 24  # columns of a host's name; a longer one is cut
_NARROWEST = 20  # columns that a line gets, whatever the terminal
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


def labels(targets: Mapping[str, Target]) -> dict[str, str]:
    """The name before each job's lines, all of one width: the host's, and its client's when there are several."""
    several = len({target.client for target in targets.values()}) > 1
    names = {
        job: one_line(f"{target.client}/{target.name}" if several else target.name) for job, target in targets.items()
    }
    width = min(_WIDEST, max(map(cell_len, names.values()), default=0))
    return {job: _fitted(name, width) for job, name in names.items()}


def _fitted(name: str, width: int) -> str:
    return set_cell_size(name, width) if cell_len(name) <= width else set_cell_size(name, width - 1) + "…"


def standing(job: JobRecord) -> str:
    """Where a job stands, in words and shape."""
    words = "waiting" if job.state is JobState.QUEUED else job.state.value.replace("_", " ")
    if job.state not in JOB_OPEN:
        verdict = job.verdict or Verdict.UNKNOWN
        words += f" · {SHAPES[verdict]} {verdict}"
    if job.attempt > 1:
        words += f" · try {job.attempt}"
    return words + (f" · {one_line(str(job.trouble))}" if job.trouble else "")


def harmless(text: bytes) -> list[str]:
    """What a target wrote as one line, as lines that a terminal only prints: a carriage return begins another."""
    words = text.removesuffix(b"\r").decode("utf-8", "replace")
    return [words] if words.isprintable() else sanitise_terminal(words).split("\n")


class Page:
    """Writes lines; folded to the width of a terminal, and as they are where there is none.

    Folding is done here, each part with its mark before it, so that no target can make a line that reads as another's.
    """

    def __init__(self, out: Console) -> None:
        self._file = out.file
        self._width = out.width if out.is_terminal else None
        self._dims = out.color_system is not None and not out.no_color
        self._lines: list[str] = []

    def say(self, label: str, stream: Stream, text: bytes) -> None:
        """One line of a target, or of ours about it."""
        for words in harmless(text):
            self.put(label, MARKS[stream], words, dim=stream is Stream.ERR)

    def put(self, label: str, mark: str, words: str, *, dim: bool = False) -> None:
        """A label, a mark and words that are harmless already."""
        for number, part in enumerate(self._folded(words, cell_len(label) + len(mark) + 2)):
            before = label if number == 0 else " " * cell_len(label)
            line = f"{before} {mark} {part}".rstrip()
            self._lines.append(f"{_DIM}{line}{_PLAIN}" if dim and self._dims else line)

    def flush(self) -> None:
        """Write what was said since the last time, at once.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        if self._lines:
            self._file.write("\n".join(self._lines) + "\n")
            self._lines.clear()
            self._file.flush()

    def _folded(self, words: str, used: int) -> Iterator[str]:
        if self._width is None:
            yield words
            return
        room = max(_NARROWEST, self._width - used)
        words = words.expandtabs()
        yield from chop_cells(words, room) if cell_len(words) > room else [words]

    def fits(self, words: str) -> bool:
        """Whether words of ours stand on one line."""
        return self._width is None or cell_len(words) <= self._width
