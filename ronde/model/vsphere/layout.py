"""What the snapshots of a machine occupy, and which files of its disks belong to no snapshot.

`layoutEx` lists a machine's files, the chain of each disk now, and the chain of each disk as it was when each snapshot
was taken, always from the base to the leaf. A chain is made of units: a descriptor with its extents. Summing the files
of type `snapshotData`, or those whose name ends in six digits, misses deltas and counts renamed disks; comparing chains
does not depend on names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

Unit = tuple[int, ...]
Chain = tuple[Unit, ...]
NO_MEMORY = -1  # memoryKey of a snapshot without memory


@dataclass(frozen=True, slots=True)
class File:
    """One file: its key in the layout, `[datastore] folder/name`, the API's type of it, and its bytes on disk."""

    key: int
    name: str
    kind: str
    size: int

    @property
    def folder(self) -> str:
        return folder_of(self.name)

    @property
    def datastore(self) -> str:
        """The datastore's name."""
        return self.name[1:].partition("]")[0] if self.name.startswith("[") else ""


@dataclass(frozen=True, slots=True)
class Frozen:
    """The layout at the instant a snapshot was taken: chains by disk key, and the keys of its own files."""

    chains: Mapping[int, Chain]
    data: int
    memory: int = NO_MEMORY


@dataclass(frozen=True, slots=True)
class Layout:
    """A machine's `layoutEx`.

    Attributes:
        files: by key; chains: the current one of each disk; frozen: by moId of the snapshot.
        updated: when the server last looked at the files.
    """

    files: Mapping[int, File]
    chains: Mapping[int, Chain]
    frozen: Mapping[str, Frozen]
    updated: datetime | None


@dataclass(frozen=True, slots=True)
class Branch:
    """A state of the machine that its disks know: a snapshot's moId and its parent's, None for a root."""

    id: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class Occupation:
    """What snapshots occupy.

    Attributes:
        total: bytes of deltas, snapshot data and memory, each file once.
        since: bytes that each snapshot is the reason for, by moId: its own files, and what was written until the next
            state began. A delta that two branches share counts for one snapshot only.
        surplus: delta units under the running state that belong to no snapshot, by disk key; only disks that have some.
        datastores: names of the datastores that hold deltas.
        unlisted: keys that chains name and the list of files does not hold; the total lacks them.
        unlaid: moIds of snapshots that the layout does not know; the figures lack them.
    """

    total: int
    since: Mapping[str, int]
    surplus: Mapping[int, int]
    datastores: frozenset[str]
    unlisted: frozenset[int]
    unlaid: frozenset[str]


_RUNNING = ""  # the id of the running state among the snapshots


def folder_of(name: str) -> str:
    """`[datastore] folder/` of `[datastore] folder/file`."""
    return name[: name.rindex("/") + 1] if "/" in name else name.partition("] ")[0] + "] "


def occupation(layout: Layout, tree: Sequence[Branch], current: str | None, home: str) -> Occupation:
    """What the snapshots of one machine occupy.

    Args:
        layout: its files and chains.
        tree: its snapshots.
        current: moId of the snapshot that the running state stands upon.
        home: the folder of its configuration file.
    """
    states = _States(layout, tree, current, home)
    base = {key for disk in states.disks for unit in states.base(disk) for key in unit}
    deltas = {key for chain in states.all_chains() for unit in chain for key in unit} - base
    own = {branch.id: _own_files(layout.frozen[branch.id]) for branch in tree if branch.id in layout.frozen}
    counted = deltas.union(*own.values())
    return Occupation(
        total=_bytes(layout, counted),
        since={
            snapshot: _bytes(layout, files | (states.written_after(snapshot) - base)) for snapshot, files in own.items()
        },
        surplus={disk: count for disk in layout.chains if (count := states.surplus(disk)) > 0},
        datastores=frozenset(layout.files[key].datastore for key in deltas if key in layout.files),
        unlisted=frozenset(counted - layout.files.keys()),
        unlaid=frozenset(branch.id for branch in tree) - layout.frozen.keys(),
    )


def _own_files(frozen: Frozen) -> set[int]:
    """Keys of the files a snapshot has for itself: its data and, when it was taken with memory, that."""
    return {key for key in (frozen.data, frozen.memory) if key != NO_MEMORY}


def _bytes(layout: Layout, keys: Iterable[int]) -> int:
    return sum(layout.files[key].size for key in keys if key in layout.files)


class _States:
    """The snapshots and the running state as one tree, each with the chains of its disks."""

    def __init__(self, layout: Layout, tree: Sequence[Branch], current: str | None, home: str) -> None:
        self._files = layout.files
        self._home = home
        self._parents: dict[str, str | None] = {branch.id: branch.parent for branch in tree} | {_RUNNING: current}
        self._chains: dict[str, Mapping[int, Chain]] = {
            branch.id: layout.frozen[branch.id].chains for branch in tree if branch.id in layout.frozen
        } | {_RUNNING: layout.chains}

    @property
    def disks(self) -> set[int]:
        return {disk for chains in self._chains.values() for disk in chains}

    def all_chains(self) -> Iterable[Chain]:
        return (chain for chains in self._chains.values() for chain in chains.values())

    def _children(self, parent: str | None) -> list[str]:
        return [state for state, above in self._parents.items() if above == parent and state in self._chains]

    def base(self, disk: int) -> Chain:
        """The units of a disk that would be there without any snapshot.

        It is what all root snapshots had in common when they were taken. A disk that no root knew was added later: its
        base is its first own unit with whatever that is a linked clone of.
        """
        roots = [root for root in self._children(None) if root != _RUNNING]
        known = [self._chains[root][disk] for root in roots if disk in self._chains[root]]
        if known:
            return _common(known)
        chain = min((chains[disk] for chains in self._chains.values() if disk in chains), key=len)
        return chain[: self._foreign(chain) + 1]

    def _foreign(self, chain: Chain) -> int:
        """How many units at the base belong to another machine: the parents of a linked clone.

        The machine's own are those beside its configuration file, and those beside the leaf, which is always its own:
        a disk may lie on another datastore than the configuration.
        """
        own = {self._home, self._folder(chain[-1])} if chain else set()
        return sum(1 for _ in takewhile(lambda unit: self._folder(unit) not in own, chain))

    def _folder(self, unit: Unit) -> str:
        files = [self._files[key] for key in unit if key in self._files]
        descriptor = next((file for file in files if file.kind == "diskDescriptor"), files[0] if files else None)
        return descriptor.folder if descriptor else ""

    def written_after(self, snapshot: str) -> set[int]:
        """Keys of the units that the states upon a snapshot have and it has not."""
        before = {key for chain in self._chains[snapshot].values() for unit in chain for key in unit}
        upon = [self._chains[state] for state in self._children(snapshot)]
        return {key for chains in upon for chain in chains.values() for unit in chain for key in unit} - before

    def surplus(self, disk: int) -> int:
        """Units under the running state that no snapshot accounts for.

        Each state adds one unit to those of the state below it. A unit that two states upon the same snapshot share is
        accounted for, too: it is what a snapshot between them left when it was removed. Fewer units than states is
        never wrong: vVols and vSAN keep snapshots in their own way.
        """
        count, state = 0, _RUNNING
        while state in self._chains:
            count += max(0, self._fresh(state, disk) - 1)
            below = self._parents[state]
            if below is None:
                break
            state = below
        return count

    def _fresh(self, state: str, disk: int) -> int:
        """How many of a state's units are neither from the state below nor shared with one beside it."""
        chain = self._chains[state].get(disk, ())
        below = self._parents[state]
        if below is not None and below not in self._chains:
            return 0  # the layout does not know the state below: nothing can be said
        inherited = self._chains[below].get(disk) if below is not None else None
        accounted = set(chain[: self._foreign(chain)] if inherited is None else inherited)
        for sibling in self._children(below):
            if sibling != state:
                accounted.update(self._chains[sibling].get(disk, ()))
        return sum(1 for unit in chain if unit not in accounted)


def _common(chains: Sequence[Chain]) -> Chain:
    """The longest beginning that all chains share."""
    columns = zip(*chains, strict=False)
    return tuple(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))
