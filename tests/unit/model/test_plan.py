"""A plan is frozen: what was stored is what runs, and its digest says so."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ronde.model.pace import Pace, Place, pace_from_json, pace_json
from ronde.model.plan import (
    JobPlan,
    Lane,
    Occurrence,
    Order,
    Retry,
    Step,
    Target,
    TargetKind,
    Trigger,
    canonical,
    digest,
    job_digest,
    job_from_json,
    job_json,
    plan_json,
)
from ronde.model.run import Policy

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=4,
)
spans = st.timedeltas(timedelta(0), timedelta(days=9))
instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
steps = st.builds(Step, names, names, st.dictionaries(names, json_values, max_size=3))
plans = st.builds(
    JobPlan,
    target=st.builds(Target, names, st.sampled_from(TargetKind), names),
    playbook=names,
    steps=st.lists(steps, max_size=3).map(tuple),
    lanes=st.dictionaries(names, st.integers(1, 99), max_size=3).map(
        lambda lanes: tuple(Lane(name, places) for name, places in sorted(lanes.items()))  # a set; written sorted
    ),
    policy=st.sampled_from(Policy),
    retry=st.builds(Retry, st.integers(1, 9), st.lists(spans, max_size=3).map(tuple)),
    limit=spans,
    not_before=st.none() | instants,
    not_after=st.none() | instants,
    place=st.none() | st.builds(Place, st.integers(0, 9), st.lists(names, max_size=2).map(tuple)),
)


@given(plans)
def test_a_plan_survives_its_writing(plan: JobPlan) -> None:
    assert job_from_json(job_json(plan)) == plan
    assert job_from_json(json.loads(canonical(job_json(plan)))) == plan


@given(plans, plans)
def test_plans_differ_exactly_when_their_digests_do(one: JobPlan, other: JobPlan) -> None:
    assert (digest(job_json(one)) == digest(job_json(other))) == (
        canonical(job_json(one)) == canonical(job_json(other))
    )


@given(json_values)
def test_the_canonical_writing_is_valid_json_of_the_same_value(value: Any) -> None:
    written = canonical(value)
    assert json.loads(written) == value
    assert canonical(json.loads(written)) == written


@given(st.dictionaries(names, json_values, min_size=2, max_size=5), st.randoms())
def test_the_canonical_writing_does_not_know_the_order_of_keys(value: dict[str, Any], random: Random) -> None:
    shuffled = list(value.items())
    random.shuffle(shuffled)
    assert canonical(dict(shuffled)) == canonical(value)
    assert canonical(MappingProxyType(value)) == canonical(value)


def test_the_canonical_writing_is_this_one() -> None:
    """Hashes that were published may not change with a library: the bytes themselves."""
    value: Any = {"é": 1, "a": [1.5, None, True, "x\n"], "b": {}}
    assert canonical(value) == '{"a":[1.5,null,true,"x\\n"],"b":{},"é":1}'.encode()
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_waiting_grows_as_listed_and_then_stays() -> None:
    retry = Retry(5, (timedelta(minutes=2), timedelta(minutes=10)))
    assert [retry.delay(attempt) for attempt in (1, 2, 3, 4)] == [timedelta(minutes=m) for m in (2, 10, 10, 10)]
    assert Retry(3, ()).delay(1) == timedelta(0)


def test_an_end_set_later_leaves_the_rest_of_a_plan() -> None:
    plan = JobPlan(Target("acme", TargetKind.HOST, "srv"), "backup/check", (), (Lane("l", 1),))
    end = datetime(2027, 1, 13, tzinfo=UTC)
    assert plan.until(end) == JobPlan(plan.target, plan.playbook, (), plan.lanes, not_after=end)
    assert plan.not_after is None


def test_an_order_writes_all_its_jobs_and_its_version() -> None:
    plan = JobPlan(Target("acme", TargetKind.HOST, "srv"), "backup/check", (Step("look", "backups"),))
    occurrence = Occurrence("acme", "night", datetime(2027, 1, 13, tzinfo=UTC))
    order = Order("backup/check", "abc", (plan, plan), Trigger.SCHEDULE, "schedule night", "", occurrence)
    written = plan_json(order)
    assert written == {"playbook": "backup/check", "digest": "abc", "jobs": [job_json(plan)] * 2}
    assert json.loads(canonical(written)) == written


@given(st.builds(Pace, st.integers(1, 99), spans, st.integers(0, 100), st.none() | st.integers(0, 9)))
def test_the_pace_survives_its_writing(pace: Pace) -> None:
    assert pace_from_json(json.loads(canonical(pace_json(pace)))) == pace


def test_the_digest_of_a_plan_holds_its_rings_and_that_of_one_target_does_not() -> None:
    plan = JobPlan(Target("acme", TargetKind.HOST, "srv"), "patch/linux", ())
    first, second = replace(plan, place=Place(0)), replace(plan, place=Place(1))
    pace = Pace(3, timedelta(minutes=30), 10)
    orders = [
        Order("patch/linux", "abc", (one,), Trigger.PERSON, "alice", pace=how)
        for one, how in ((plan, None), (first, pace), (second, pace), (first, replace(pace, at_most=4)))
    ]
    assert len({order.plan for order in orders}) == 4
    assert len({job_digest(one) for one in (plan, first, second)}) == 1
