"""Sizes and chains on layouts built by hand, one for each way in which disks and snapshots come together."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.vsphere.layout import Branch, Layout, Occupation, folder_of, occupation
from tests.doubles.machines import DISK, HOME, chain, layout

SECOND = DISK + 1
PARENT = "[ds1] template/"
S1, S2, S3 = Branch("S1", None), Branch("S2", "S1"), Branch("S3", "S2")


@dataclass(frozen=True)
class Case:
    """A layout, its tree, and what must come out: the total, and the surplus units by disk."""

    layout: Layout
    tree: tuple[Branch, ...]
    current: str | None
    total: int
    surplus: dict[int, int]
    since: dict[str, int]


DELTA = 101  # what a unit of layout() has: 100 bytes of extent, 1 of descriptor
DATA = 10  # what a snapshot's own file has

CASES = {
    "no snapshot": Case(layout({DISK: chain(1)}), (), None, 0, {}, {}),
    "one snapshot": Case(
        layout({DISK: chain(1, 2)}, {"S1": {DISK: chain(1)}}), (S1,), "S1", DELTA + DATA, {}, {"S1": DELTA + DATA}
    ),
    "three deep": Case(
        layout(
            {DISK: chain(1, 2, 3, 4)},
            {"S1": {DISK: chain(1)}, "S2": {DISK: chain(1, 2)}, "S3": {DISK: chain(1, 2, 3)}},
        ),
        (S1, S2, S3), "S3", 3 * (DELTA + DATA), {}, {"S1": DELTA + DATA, "S2": DELTA + DATA, "S3": DELTA + DATA},
    ),
    "a branch": Case(
        layout({DISK: chain(1, 3, 4)}, {"S1": {DISK: chain(1)}, "S2": {DISK: chain(1, 2)}, "S3": {DISK: chain(1, 3)}}),
        (S1, S2, Branch("S3", "S1")), "S3", 3 * DELTA + 3 * DATA, {},
        {"S1": 2 * DELTA + DATA, "S2": DATA, "S3": DELTA + DATA},
    ),
    "running beside a branch": Case(
        layout({DISK: chain(1, 3)}, {"S1": {DISK: chain(1)}, "S2": {DISK: chain(1, 2)}}),
        (S1, S2), "S1", 2 * DELTA + 2 * DATA, {}, {"S1": 2 * DELTA + DATA, "S2": DATA},
    ),
    "root removed with two children": Case(
        # 2 stands between the former root and both children; nothing merges it while both need it.
        layout({DISK: chain(1, 2, 4, 5)}, {"S2": {DISK: chain(1, 2, 3)}, "S3": {DISK: chain(1, 2, 4)}}),
        (Branch("S2", None), Branch("S3", None)), "S3", 3 * DELTA + 2 * DATA, {}, {"S2": DATA, "S3": DELTA + DATA},
    ),
    "middle removed under two branches": Case(
        layout(
            {DISK: chain(1, 2, 4, 5)},
            {"S1": {DISK: chain(1)}, "S2": {DISK: chain(1, 2, 3)}, "S3": {DISK: chain(1, 2, 4)}},
        ),
        (S1, S2, Branch("S3", "S1")), "S3", 4 * DELTA + 3 * DATA, {},
        {"S1": 3 * DELTA + DATA, "S2": DATA, "S3": DELTA + DATA},
    ),
    "linked clone": Case(layout({DISK: chain(1, 2)}, folders={1: PARENT}), (), None, 0, {}, {}),
    "linked clone with a snapshot": Case(
        layout({DISK: chain(1, 2, 3)}, {"S1": {DISK: chain(1, 2)}}, folders={1: PARENT}),
        (S1,), "S1", DELTA + DATA, {}, {"S1": DELTA + DATA},
    ),
    "several disks, one independent": Case(
        layout({DISK: chain(1, 2), SECOND: chain(5)}, {"S1": {DISK: chain(1)}}),
        (S1,), "S1", DELTA + DATA, {}, {"S1": DELTA + DATA},
    ),
    "disk added after the snapshot": Case(
        layout({DISK: chain(1, 2), SECOND: chain(5)}, {"S1": {DISK: chain(1)}}, sizes={5: 10_000}),
        (S1,), "S1", DELTA + DATA, {}, {"S1": DELTA + DATA},
    ),
    "disk added between two snapshots": Case(
        layout(
            {DISK: chain(1, 2, 3), SECOND: chain(5, 6)},
            {"S1": {DISK: chain(1)}, "S2": {DISK: chain(1, 2), SECOND: chain(5)}}, sizes={5: 10_000},
        ),
        (S1, S2), "S2", 3 * DELTA + 2 * DATA, {}, {"S1": DELTA + DATA, "S2": 2 * DELTA + DATA},
    ),
    "disk removed after the snapshot": Case(
        layout({DISK: chain(1, 2)}, {"S1": {DISK: chain(1), SECOND: chain(5)}}, sizes={5: 10_000}),
        (S1,), "S1", DELTA + DATA, {}, {"S1": DELTA + DATA},
    ),
    "disk on another datastore": Case(
        layout({DISK: chain(1, 2)}, {"S1": {DISK: chain(1)}}, folders={1: "[ds2] web/", 2: "[ds2] web/"}),
        (S1,), "S1", DELTA + DATA, {}, {"S1": DELTA + DATA},
    ),
    "deltas in a working directory of their own": Case(
        layout({DISK: chain(1, 2)}, {"S1": {DISK: chain(1)}}, folders={2: "[ssd] swap/"}),
        (S1,), "S1", DELTA + DATA, {}, {"S1": DELTA + DATA},
    ),
    "with memory": Case(
        layout({DISK: chain(1, 2)}, {"S1": {DISK: chain(1)}}, memory={"S1": 4000}),
        (S1,), "S1", DELTA + DATA + 4000, {}, {"S1": DELTA + DATA + 4000},
    ),
    "orphan without any snapshot": Case(layout({DISK: chain(1, 2)}), (), None, DELTA, {DISK: 1}, {}),
    "orphan above a snapshot": Case(
        layout({DISK: chain(1, 2, 3)}, {"S1": {DISK: chain(1)}}),
        (S1,), "S1", 2 * DELTA + DATA, {DISK: 1}, {"S1": 2 * DELTA + DATA},
    ),
    "orphan below a snapshot": Case(
        layout({DISK: chain(1, 2, 3)}, {"S1": {DISK: chain(1, 2)}}),
        (S1,), "S1", DELTA + DATA, {DISK: 1}, {"S1": DELTA + DATA},
    ),
    "orphan between two snapshots": Case(
        layout({DISK: chain(1, 2, 3, 4)}, {"S1": {DISK: chain(1)}, "S2": {DISK: chain(1, 2, 3)}}),
        (S1, S2), "S2", 3 * DELTA + 2 * DATA, {DISK: 1}, {"S1": 2 * DELTA + DATA, "S2": DELTA + DATA},
    ),
    "orphans on one of two disks": Case(
        layout({DISK: chain(1, 2, 3, 4), SECOND: chain(5, 6)}, {"S1": {DISK: chain(1), SECOND: chain(5)}}),
        (S1,), "S1", 4 * DELTA + DATA, {DISK: 2}, {"S1": 4 * DELTA + DATA},
    ),
    "orphan above a linked clone": Case(
        layout({DISK: chain(1, 2, 3)}, folders={1: PARENT}), (), None, DELTA, {DISK: 1}, {}
    ),
    "snapshots kept elsewhere (vVol)": Case(
        layout({DISK: chain(1)}, {"S1": {DISK: chain(1)}}), (S1,), "S1", DATA, {}, {"S1": DATA}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_snapshots_occupy(name: str) -> None:
    case = CASES[name]
    found = occupation(case.layout, case.tree, case.current, HOME)
    assert (found.total, dict(found.surplus), dict(found.since)) == (case.total, case.surplus, case.since)
    assert not found.unlisted
    assert not found.unlaid


def test_the_datastores_that_hold_deltas_are_named() -> None:
    files = layout({DISK: chain(1, 2)}, {"S1": {DISK: chain(1)}}, folders={2: "[ssd] swap/"})
    assert occupation(files, (S1,), "S1", HOME).datastores == {"ssd"}


def test_a_file_that_is_not_listed_is_told() -> None:
    files = layout({DISK: chain(1, 2)}, {"S1": {DISK: chain(1)}})
    shorter = replace(files, files={key: file for key, file in files.files.items() if key != 21})
    found = occupation(shorter, (S1,), "S1", HOME)
    assert found.unlisted == {21}


def test_a_snapshot_that_the_layout_does_not_know_is_told_and_nothing_is_guessed() -> None:
    found = occupation(layout({DISK: chain(1, 2)}), (S1,), "S1", HOME)
    assert found.unlaid == {"S1"}
    assert found.surplus == {}


def test_the_order_of_files_in_a_unit_does_not_matter() -> None:
    files = layout({DISK: chain(1, 2)}, folders={1: PARENT})
    turned = replace(files, chains={DISK: tuple((unit[1], unit[0]) for unit in files.chains[DISK])})
    assert occupation(turned, (), None, HOME) == occupation(files, (), None, HOME)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("[ds1] web/web.vmdk", "[ds1] web/"), ("[ds 1] a/b/c.vmdk", "[ds 1] a/b/"), ("[ds1] web.vmx", "[ds1] ")],
)
def test_the_folder_of_a_file(name: str, folder: str) -> None:
    assert folder_of(name) == folder


# --------------------------------------------------------------- properties


@dataclass
class Story:
    """A machine's life: snapshots taken, reverted to, removed only at the leaves, with all sizes known."""

    layout: Layout
    tree: tuple[Branch, ...]
    current: str | None
    deltas: int


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Random trees by random steps; the files are kept as a hypervisor keeps them."""
    disks = draw(st.integers(1, 3))
    number = disks
    running = {DISK + index: [index + 1] for index in range(disks)}
    frozen: dict[str, dict[int, list[int]]] = {}
    tree: list[Branch] = []
    current: str | None = None
    sizes: dict[int, int] = {index + 1: 10**9 for index in range(disks)}
    for step in range(draw(st.integers(0, 8))):
        back = draw(st.booleans())
        if tree and back:  # back to some snapshot: the running state begins anew upon it
            current = draw(st.sampled_from(tree)).id
            running = {key: list(value) for key, value in frozen[current].items()}
        else:  # a snapshot of the running state
            name = f"S{step}"
            frozen[name] = {key: list(value) for key, value in running.items()}
            tree.append(Branch(name, current))
            current = name
        for held in running.values():
            number += 1
            held.append(number)
            sizes[number] = draw(st.integers(0, 10**6))
    used = {part for chains in (*frozen.values(), running) for held in chains.values() for part in held}
    files = layout(
        {key: chain(*held) for key, held in running.items()},
        {name: {key: chain(*held) for key, held in chains.items()} for name, chains in frozen.items()},
        sizes=sizes,
    )
    return Story(files, tuple(tree), current, sum(sizes[part] + 1 for part in used if part > disks))


def _of(story: Story) -> Occupation:
    return occupation(story.layout, story.tree, story.current, HOME)


@given(stories())
def test_the_total_is_the_sum_of_all_deltas_and_own_files(story: Story) -> None:
    assert _of(story).total == story.deltas + DATA * len(story.tree)


@given(stories())
def test_a_regular_life_leaves_no_orphan(story: Story) -> None:
    found = _of(story)
    assert found.surplus == {}
    assert not found.unlisted


@given(stories())
def test_what_each_snapshot_causes_covers_the_total(story: Story) -> None:
    """Every file has a cause; one that two branches share has two."""
    found = _of(story)
    assert found.total <= sum(found.since.values())


@given(stories(), st.integers(1, 3))
def test_every_orphan_under_the_running_state_is_counted(story: Story, extra: int) -> None:
    new = range(1000, 1000 + extra)
    chains = {key: (*value, *chain(*new)) if key == DISK else value for key, value in story.layout.chains.items()}
    frozen = {name: held.chains for name, held in story.layout.frozen.items()}
    files = layout(chains, frozen)
    assert occupation(files, story.tree, story.current, HOME).surplus == {DISK: extra}
