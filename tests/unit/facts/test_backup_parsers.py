"""Whatever a host answers, a parser hands back a fact or a finding; it never crashes and never invents good news."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.facts import borg, clock, dump, host, restic
from ronde.model.backup.evidence import Locks, Point
from ronde.model.check import Finding
from ronde.model.command import Answer, Command

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
OLD, NEW = (0, 14, 0), (0, 18, 0)
POINT = Point("a1", "a1", AT)
PARSERS: dict[str, Callable[[Answer], object]] = {
    "restic-version": restic.parse_version,
    "restic-config": partial(restic.parse_config, version=OLD),
    "restic-snapshots": partial(restic.parse_snapshots, version=NEW),
    "restic-stats": partial(restic.parse_stats, version=OLD, point=POINT),
    "restic-diff": partial(restic.parse_diff, version=OLD),
    "restic-locks": partial(restic.parse_lock_list, version=OLD),
    "restic-lock": partial(restic.parse_lock, version=OLD),
    "restic-check": partial(restic.parse_check, version=OLD, part=(1, 4)),
    "restic-check-json": partial(restic.parse_check, version=NEW, part=(1, 4)),
    "borg-version": borg.parse_version,
    "borg-archives": partial(borg.parse_archives, version=(1, 2, 4)),
    "borg-profile": partial(borg.parse_profile, version=(1, 2, 4)),
    "borg-diff": partial(borg.parse_diff, version=(1, 2, 4)),
    "borg-locks": borg.parse_locks,
    "borg-files": borg.parse_files,
    "borg-hints": partial(borg.parse_hints, version=(1, 2, 4), present=frozenset({1})),
    "borg-check-archive": partial(borg.parse_check_archive, version=(1, 4, 0)),
    "borg-check-segments": partial(borg.parse_check_segments, version=(1, 4, 0), part=(1, 4)),
    "dump-listing": dump.parse_listing,
    "dump-ends": dump.parse_ends,
    "dump-content": partial(dump.parse_content, compression="gzip"),
    "dump-reader": partial(dump.parse_reader, form="tar"),
    "dump-alike": dump.parse_alike,
    "clock": clock.parse_clock,
    "living": host.parse_living,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "time",
                    "start",
                    "end",
                    "paths",
                    "tags",
                    "hostname",
                    "summary",
                    "num_errors",
                    "broken_packs",
                    "added",
                    "removed",
                    "changed_files",
                    "files",
                    "archives",
                    "repository",
                    "encryption",
                    "mode",
                    "segments",
                    "shared",
                    "message_type",
                    "message",
                    "levelname",
                    "msgid",
                    "pid",
                    "total_size",
                    "total_file_count",
                    "data_added",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=14,
)
OUTPUT = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: b"r 1.0 " + json.dumps(value).encode())
    | st.from_regex(r"\A([xr] [0-9.e]{1,20} .{0,20}\n){0,3}\Z").map(str.encode)
    | st.from_regex(r"\A(([0-9.]{1,16}\t[0-9]{0,9}\t.{0,5})?\0){0,5}\Z").map(str.encode)
)


def answer(status: int | None, output: bytes, errors: bytes = b"", *, truncated: bool = False) -> Answer:
    return Answer(Command(("tool",)), status, output, errors, AT, AT + timedelta(seconds=1), truncated=truncated)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60)
@given(
    status=st.none() | st.sampled_from([0, 1, 2, 3, 10, 11, 12, 64, 73, 90, 99, 124, 125, 127, 137, 255]),
    output=OUTPUT,
    errors=OUTPUT,
    truncated=st.booleans(),
)
def test_no_answer_crashes_a_parser(
    *, name: str, status: int | None, output: bytes, errors: bytes, truncated: bool
) -> None:
    fact = PARSERS[name](answer(status, output, errors, truncated=truncated))
    if isinstance(fact, Finding):
        assert fact.severity.verdict.rank >= 1, "a finding in place of a fact is never good news"
    elif fact is not None:
        assert status == 0, f"a fact from status {status}"
        assert not truncated or name in {"restic-version", "borg-version", "clock", "living"}


def test_deeply_nested_json_is_not_understood() -> None:
    fact = restic.parse_snapshots(answer(0, b"[" * 100_000), OLD)
    assert isinstance(fact, Finding)


@pytest.mark.parametrize(
    ("glob", "place"),
    [
        ("/var/db/*.sql.gz", dump.Place("/var/db", 1, "/var/db/*.sql.gz")),
        ("/var/*/db/?.sql", dump.Place("/var", 3, "/var/*/db/?.sql")),
        ("/var/db/only.sql", dump.Place("/var/db", 1, "/var/db/only.sql")),
        ("/*.sql", dump.Place("/", 1, "/*.sql")),
        ("/a[1]/b\\c/*.sql", dump.Place("/a[1]/b\\c", 1, "/a\\[1\\]/b\\\\c/*.sql")),
        ("/var//db/./*.sql", dump.Place("/var/db", 1, "/var/db/*.sql")),
    ],
)
def test_a_glob_becomes_a_place_for_find(glob: str, place: dump.Place) -> None:
    assert dump.place_of(glob) == place


@pytest.mark.parametrize(
    ("repository", "far"),
    [("/srv/borg", False), ("file:///srv/borg", False), ("ssh://u@h/./r", True), ("u@h:/r", True), ("/srv/a:b", False)],
)
def test_what_lies_behind_ssh(*, repository: str, far: bool) -> None:
    assert borg.is_far(repository) is far


def test_a_far_repository_is_read_without_a_view_and_without_its_lock() -> None:
    question = borg.Borg("ssh://u@h/./r", b"secret").archives()
    assert question.shown.startswith("borg --bypass-lock --info --log-json list --json")
    assert question.shown.endswith("ssh://u@h/./r")
    assert "cp -Rs" not in question.command.display


@pytest.mark.parametrize("question", [borg.Borg("/r", b"s3cret!").archives(), restic.Restic("/r", b"s3cret!").config()])
def test_a_question_shows_no_secret(question: object) -> None:
    assert "s3cret!" not in repr(question)
    assert question.command.stdin == b"s3cret!"  # type: ignore[attr-defined] # both are questions


@pytest.mark.parametrize("skew", [-400, -3, 0, 5, 3600])
def test_skew_is_measured_against_the_middle_of_the_exchange(skew: int) -> None:
    said = int(AT.timestamp()) + skew
    assert clock.parse_clock(answer(0, f"{said}\n".encode())) == timedelta(seconds=skew)


def test_locks_of_the_living_the_dead_and_of_others() -> None:
    listing = b"x 1763600000.5 srv@2829.42-0\nx 1763600000.5 srv@2829.43-0\nx 1763600000.5 other@1.42-0\n"
    held = borg.parse_locks(answer(0, listing + b'r 1763600000.5 {"shared": [["srv@2829", 42, 0]]}\n'))
    assert isinstance(held, list)
    living = host.parse_living(answer(0, b"srv.example.org\n42\n"))
    locks = Locks(tuple(lock.judged(living) for lock in held))
    assert [lock.alive for lock in locks.all] == [True, False, None, True]
    assert [lock.exclusive for lock in locks.all] == [True, True, True, False]
