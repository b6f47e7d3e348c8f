"""Captured answers of restic and borg against what the parsers make of them; add a case by adding a file."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ronde.facts import borg, restic
from ronde.model.backup.evidence import Churn, Point, Points, Repository, Sampled
from ronde.model.check import Finding
from ronde.model.command import Answer, Command

CASES = sorted((Path(__file__).parents[2] / "cases" / "backup").glob("*.yaml"))
AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
POINT = Point("a1", "a1", AT)
Parser = Callable[..., Any]


def load(path: Path) -> Mapping[str, Any]:
    return dict(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


def parser_of(case: Mapping[str, Any]) -> Parser:
    version = tuple(int(number) for number in case["version"].split("."))
    word, _, share = case["question"].partition(" ")
    number, _, of = share.partition("/")
    part = (int(number or 0), int(of or 0))
    known: Mapping[tuple[str, str], Parser] = {
        ("restic", "config"): restic.parse_config,
        ("restic", "snapshots"): restic.parse_snapshots,
        ("restic", "stats"): partial(restic.parse_stats, point=POINT),
        ("restic", "diff"): restic.parse_diff,
        ("restic", "check"): partial(restic.parse_check, part=part),
        ("borg", "archives"): borg.parse_archives,
        ("borg", "profile"): borg.parse_profile,
        ("borg", "diff"): borg.parse_diff,
        ("borg", "hints"): partial(borg.parse_hints, present=frozenset({2, 10, 12})),
        ("borg", "segments"): partial(borg.parse_check_segments, part=part),
    }
    return partial(known[case["tool"], word], version=version)


def summary(fact: object) -> dict[str, Any]:
    """What a fact says, in the words of the case files."""
    match fact:
        case (Repository(), Points() as points):
            said = _points(points)
        case (_, Sampled(part=part, of=of)) | Sampled(part=part, of=of):
            said = {"sampled": [part, of]}
        case Finding():
            said = {"rule": fact.rule, "severity": str(fact.severity), "says": fact.message}
        case Points():
            said = _points(fact)
        case Churn():
            said = {"churn": [fact.added, fact.removed, fact.changed]}
        case _:
            raise AssertionError(fact)
    return said


def _points(points: Points) -> dict[str, Any]:
    shape: dict[str, Any] = {"points": len(points.all), "remarks": len(points.remarks)}
    if not points.all:
        return shape
    newest = points.all[-1]
    took = newest.took.total_seconds() if newest.took else None
    figures = {"size": newest.size, "files": newest.files, "ratio": newest.ratio, "took_s": took}
    return shape | figures | {"newest": newest.at.isoformat()}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_an_answer_is_read_as_its_case_says(path: Path) -> None:
    case = load(path)
    answer = Answer(
        Command(("tool",)),
        case["exit_status"],
        case.get("stdout", "").encode(),
        case.get("stderr", "").encode(),
        AT,
        AT,
        truncated=case.get("truncated", False),
    )

    said = summary(parser_of(case)(answer))

    expected = dict(case["expect"])
    assert expected.pop("says", "") in said.get("says", "")
    assert {key: said.get(key) for key in expected} == expected


def test_there_are_cases() -> None:
    assert len(CASES) >= 40
