"""Every rule and every error has a sentence for the client, and no sentence says too much."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ronde.model.backup import thresholds as backup
from ronde.model.check import Finding
from ronde.model.errors import RondeError
from ronde.model.verdict import Severity
from ronde.model.vsphere.thresholds import DEFAULTS
from ronde.reports.meanings import UNREAD, Figure, Meaning, explain, neutral, read_figure
from ronde.reports.phrases import Bytes, Percent, Phrase
from ronde.reports.rules import MEANINGS, NOT_VERIFIED
from ronde.reports.troubles import TROUBLES
from ronde.reports.voice import catalog

ROOT = Path(__file__).resolve().parents[3]
FORBIDDEN = re.compile(
    r"conforme|certifi(?!cat)|garanti|100\s*% s[ûu]r|restaurable|compliant|guarantee|100\s*% safe|restorable",
    re.IGNORECASE,
)
SOURCES = [
    path
    for folder in ("ronde/model/backup", "ronde/model/vsphere", "ronde/facts", "ronde/engine")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
MAKERS = {"Finding", "finding", "critical", "warning", "unknown", "info", "graded", "unverified"}
RULE_ID = re.compile(r"[a-z]+(-[a-z]+)*")


def rules_in(path: Path) -> Iterator[str]:
    """Rule ids written as literals in calls that make findings."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if isinstance(node.func, ast.Attribute) and name != "graded":
            continue  # a method of something else, `log.info`
        place = 3 if name == "unverified" else 0
        if name in MAKERS and len(node.args) > place and isinstance(node.args[place], ast.Constant):
            value = node.args[place].value  # type: ignore[attr-defined]  # just checked to be a constant
            if isinstance(value, str) and RULE_ID.fullmatch(value):
                yield value


def errors(kind: type[RondeError] = RondeError) -> Iterator[type[RondeError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from errors(child)


def texts() -> Iterator[str]:
    """Everything that can be printed, in both languages."""
    for path in sorted((ROOT / "ronde/reports/templates").iterdir()):
        yield path.read_text()
    for entry in catalog("fr"):
        for side in (entry.id, entry.string):
            yield from side if isinstance(side, tuple | list) else (str(side),)


def test_every_backup_rule_of_the_table_has_a_sentence() -> None:
    assert {rule.id for rule in backup.RULES} - set(MEANINGS) == set()


def test_every_vsphere_rule_with_a_threshold_has_a_sentence() -> None:
    assert {threshold.rule for threshold in DEFAULTS} - set(MEANINGS) == set()


def test_every_rule_that_the_code_names_has_a_sentence() -> None:
    found = {rule for path in SOURCES for rule in rules_in(path)}
    assert len(found) > 30, "the search itself must find the rules"
    assert found - set(MEANINGS) == set()


def test_every_error_has_a_sentence_both_for_a_job_and_for_what_the_job_left_unexamined() -> None:
    codes = {error.code for error in errors()}
    assert codes - set(TROUBLES) == set()
    assert {NOT_VERIFIED + code for code in codes} - set(MEANINGS) == set()


def test_every_figure_of_a_sentence_has_a_place_in_it_and_the_reverse() -> None:
    for rule, meaning in MEANINGS.items():
        places = set(re.findall(r"{(\w+)}", meaning.detail))
        assert places == set(meaning.figures), rule


@pytest.mark.parametrize("text", sorted({text for text in texts() if FORBIDDEN.search(text)}) or [""])
def test_no_sentence_promises_what_nobody_can_keep(text: str) -> None:
    assert not FORBIDDEN.search(text)


def test_the_lint_finds_the_forbidden_words() -> None:
    for word in ("conforme à BP-100", "Garantie", "copie restaurable", "100 % sûr", "certifiée"):
        assert FORBIDDEN.search(word)


def test_figures_are_filled_in_when_all_are_there() -> None:
    meaning = Meaning("plain", "{a} of {b}", {"a": ("x", Figure.COUNT), "b": ("y", Figure.BYTES)})
    assert meaning.sentence({"x": 3, "y": 10}) == Phrase("{a} of {b}", {"a": 3, "b": Bytes(10)})
    assert meaning.sentence({"x": 3}) == Phrase("plain")
    assert meaning.sentence({"x": True, "y": 10}) == Phrase("plain")


def test_a_rule_that_could_not_be_judged_claims_nothing() -> None:
    for rule in ("snap-size", "consolidation-needed", "tools", "backup-stale", "ds-free", "coverage-gap"):
        assert explain(Finding(rule, Severity.UNKNOWN, "not told"), MEANINGS) == Phrase(UNREAD)
        assert explain(Finding(rule, Severity.WARNING, "told"), MEANINGS) != Phrase(UNREAD)


@pytest.mark.parametrize("severity", list(Severity))
def test_an_unknown_rule_gets_the_neutral_sentence_of_its_weight(severity: Severity) -> None:
    assert explain(Finding("never-heard-of", severity, "secret words"), MEANINGS) == neutral(severity)


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        (90, Figure.SECONDS, timedelta(seconds=90)),
        (1.5, Figure.HOURS, timedelta(minutes=90)),
        (2, Figure.DAYS, timedelta(days=2)),
        (-1, Figure.SECONDS, None),
        (1e300, Figure.SECONDS, None),
        (float("nan"), Figure.COUNT, None),
        (float("inf"), Figure.BYTES, None),
        ("12", Figure.COUNT, None),
        (None, Figure.COUNT, None),
        (True, Figure.COUNT, None),
        (1_000, Figure.BYTES, Bytes(1_000)),
        (38, Figure.GIGABYTES, Bytes(38_000_000_000)),
        (12.5, Figure.PERCENT, Percent(0.125)),
        (0.5, Figure.SHARE, Percent(0.5)),
        ("x", Figure.TEXT, "x"),
        (" ", Figure.TEXT, None),
        ("2027-06-30", Figure.DAY, date(2027, 6, 30)),
        ("soon", Figure.DAY, None),
        ("2027-01-10T01:14:00+00:00", Figure.INSTANT, datetime(2027, 1, 10, 1, 14, tzinfo=UTC)),
        ("2027-01-10T01:14:00", Figure.INSTANT, None),
        ("yesterday", Figure.INSTANT, None),
        (0, Figure.INSTANT, datetime(1970, 1, 1, tzinfo=UTC)),
        (1e14, Figure.INSTANT, None),
    ],
)
def test_a_figure_is_read_only_when_it_is_one(value: str | float | None, kind: Figure, read: object) -> None:
    assert read_figure(value, kind) == read
