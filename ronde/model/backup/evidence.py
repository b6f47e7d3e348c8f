"""What can be learnt about a repository, as values. Each piece is the fact, a finding (why it is not), or None.

A parser returns either its fact or the finding that stands in its place, so nothing that was not understood can be
mistaken for a fact. None means that the question was not asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ronde.model.check import Finding


@dataclass(frozen=True, slots=True, order=True)
class Tool:
    """A tool and its version, comparable: `Tool("restic", (0, 14, 0))`."""

    name: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"


@dataclass(frozen=True, slots=True)
class Repository:
    """Who the repository is.

    Attributes:
        id: the tool's own identifier of the repository.
        encryption: borg's mode word; restic always encrypts and says `restic`.
        location: where it was read.
        modified: the last change the repository itself vouches for (borg's manifest), if it does.
    """

    id: str
    encryption: str
    location: str
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One restore point.

    Attributes:
        id: the tool's identifier; `name` how the tool names it when asked about it.
        at: when it was begun (UTC).
        tree: identity of the whole content, if the list tells.
        took: how long making it lasted, if the list tells.
        size: bytes of all files, `files` their number, if the list tells.
        ratio: stored bytes ÷ original bytes of what this point added, if the list tells.
    """

    id: str
    name: str
    at: datetime
    host: str = ""
    paths: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tree: str = ""
    took: timedelta | None = None
    size: int | None = None
    files: int | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """All restore points listed, oldest first, and what the tool grumbled while listing (one line each)."""

    all: tuple[Point, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """What one point holds: bytes and files, its roots, a digest of its listing, stored ÷ original bytes."""

    size: int
    files: int
    digest: str = ""
    roots: tuple[str, ...] = ()
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Churn:
    """How many files differ between the newest point and the one before, and of how many files in all."""

    added: int
    removed: int
    changed: int


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock in the repository: since when, whose, and whether its process still lives (None: cannot be told)."""

    since: datetime
    holder: str
    exclusive: bool
    alive: bool | None = None


@dataclass(frozen=True, slots=True)
class Locks:
    all: tuple[Lock, ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """The metadata graph was walked and is consistent; what the tool said in passing."""

    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampled:
    """Part `part` of `of` of the stored bytes was read and is intact; `objects` packs or segments were read."""

    part: int
    of: int
    objects: int | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """Everything the index counts on is there; `objects` files were looked for."""

    objects: int


@dataclass(frozen=True, slots=True)
class RepositoryEvidence:
    """All that one check learnt about a restic or borg repository.

    Attributes:
        profiles: by point id; of a point that could not be profiled, the finding.
        whole: whether completeness can be asked of this tool (borg); restic's list of packs needs its check.
        structure, sampled: asked only when stored bytes may be read.
        attempted: the part, and of how many, that `sampled` is about; (0, 0) when none was due.
    """

    tool: Tool | Finding | None = None
    repository: Repository | Finding | None = None
    points: Points | Finding | None = None
    locks: Locks | Finding | None = None
    profiles: Mapping[str, Profile | Finding] = field(default_factory=dict)
    churn: Churn | Finding | None = None
    complete: Complete | Finding | None = None
    structure: Structure | Finding | None = None
    sampled: Sampled | Finding | None = None
    whole: bool = False
    attempted: tuple[int, int] = (0, 0)
