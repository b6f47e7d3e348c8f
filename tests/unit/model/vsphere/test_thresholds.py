import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.errors import InputError
from ronde.model.verdict import Severity
from ronde.model.vsphere.thresholds import DEFAULTS, Overrides, problems, read_thresholds


def test_the_defaults_stand_without_an_inventory() -> None:
    thresholds = read_thresholds({})
    assert thresholds["snap-age"].objective() == {"warning": 86400.0, "critical": 259200.0}
    assert set(thresholds.objective()) == {threshold.rule for threshold in DEFAULTS}


def test_every_default_has_a_source() -> None:
    assert all(threshold.source for threshold in DEFAULTS)
    assert len({threshold.rule for threshold in DEFAULTS}) == len(DEFAULTS)


@pytest.mark.parametrize(
    ("overrides", "rule", "warning", "critical"),
    [
        ({"snap-age": {"warning": "48h", "critical": "7d"}}, "snap-age", 172800.0, 604800.0),
        ({"snap-age": {"critical": "7d"}}, "snap-age", 86400.0, 604800.0),
        ({"snap-size": {"warning": "5GB", "critical": 10**11}}, "snap-size", 5e9, 1e11),
        ({"snap-count": {"warning": 1, "critical": "2"}}, "snap-count", 1.0, 2.0),
        ({"ds-free": {"warning": "20%", "critical": 5}}, "ds-free", 20.0, 5.0),
        ({"ds-free": {"warning": "off"}}, "ds-free", None, 10.0),
    ],
)
def test_an_inventory_changes_what_it_names(
    overrides: Overrides, rule: str, warning: float | None, critical: float | None
) -> None:
    thresholds = read_thresholds(overrides)
    assert (thresholds[rule].warning, thresholds[rule].critical) == (warning, critical)
    unchanged = {each.rule: each for each in DEFAULTS if each.rule not in overrides}
    assert {name: thresholds[name] for name in unchanged} == unchanged


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"snap-aeg": {"warning": "48h"}}, 'did you mean "snap-age"?'),
        ({"elephant": {"warning": "48h"}}, "known are snap-age"),
        ({"snap-age": {"warnign": "48h"}}, 'did you mean "warning"?'),
        ({"snap-age": {"warning": 48}}, "write it like 48h"),
        ({"snap-age": {"warning": "two days"}}, "is not a duration"),
        ({"snap-size": {"warning": "big"}}, "is not a size"),
        ({"snap-count": {"warning": "many"}}, "is not a number"),
        ({"snap-count": {"warning": -1}}, "from zero on"),
        ({"snap-age": {"warning": "7d", "critical": "48h"}}, "warning (7d) must be at most critical (2d)"),
        ({"snap-age": {"warning": "7d"}}, "must be at most critical (3d)"),
        ({"ds-free": {"warning": 5}}, "warning (5%) must be at least critical (10%)"),
    ],
)
def test_what_is_wrong_is_said_with_the_nearest_word(overrides: Overrides, said: str) -> None:
    assert len(problems(overrides)) == 1
    with pytest.raises(InputError) as caught:
        read_thresholds(overrides)
    assert said in str(caught.value)


def test_all_problems_are_said_at_once() -> None:
    found = problems({"snap-aeg": {}, "snap-age": {"warning": 1, "critical": "x"}, "snap-count": {"w": 1}})
    assert len(found) == 4


@given(st.sampled_from(DEFAULTS), st.floats(0, 1e13))
def test_a_worse_figure_is_never_judged_milder(threshold: object, figure: float) -> None:
    each = next(known for known in DEFAULTS if known is threshold)
    worse = figure / 2 if each.below else figure * 2 + 1
    assert _rank(each.severity(worse)) >= _rank(each.severity(figure))


def _rank(severity: Severity | None) -> int:
    return 0 if severity is None else severity.verdict.rank
