"""The promise behind every report: no evidence may be taken away and leave a better verdict behind."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.model.plan import TargetKind
from ronde.model.records import CheckRecord, JobRecord
from ronde.model.run import JobState
from ronde.model.verdict import Level, Severity, Verdict
from ronde.reports.night import night_view
from ronde.reports.view import NightView
from tests.doubles.night import AT, NOW, PROVIDER, VCENTER, check, client, dump, host, job, material, problem, restic

CLIENT = client(
    hosts={"srv-a": host(restic("documents"), restic("photos")), "srv-b": host(dump("base"))},
    vcenters={"vc1": VCENTER},
)
SUBJECTS = [
    ("srv-a", "documents", "restic"),
    ("srv-a", "photos", "restic"),
    ("srv-b", "base", "dump"),
    ("vc1", "vc1", "vcenter"),
    ("vc1", "GED", "vm"),
    ("vc1", "web", "vm"),
    ("srv-a", "clock", "clock"),
]
EXPECTED = SUBJECTS[:6]
RULES = ["backup-too-old", "backup-corrupt", "backup-gap", "snap-age", "vm-uncovered", "never-heard-of"]

findings = st.lists(
    st.builds(problem, st.sampled_from(RULES), st.sampled_from([Severity.INFO, Severity.WARNING, Severity.CRITICAL])),
    max_size=2,
)
slow = settings(max_examples=60)


@st.composite
def nights(draw: st.DrawFn) -> tuple[list[CheckRecord], list[JobRecord]]:
    """A night in which everything was examined, with whatever was found."""
    checks = []
    for where, subject, kind in SUBJECTS:
        level = draw(st.sampled_from([Level.REACHABLE, Level.PRESENT, Level.SAMPLED, Level.INTACT]))
        facts = {"machines": 2} if kind == "vcenter" else None
        checks.append(check(where, subject, kind, *draw(findings), level=level, facts=facts))
    jobs = [job("srv-a"), job("srv-b"), job("vc1", kind=TargetKind.VCENTER)]
    return checks, jobs


def view(checks: list[CheckRecord], jobs: list[JobRecord]) -> NightView:
    return night_view(CLIENT, PROVIDER, material(checks, jobs), NOW)


def no_better(after: NightView, before: NightView) -> bool:
    """Not better than before, or at best `unknown`: a failure whose evidence is gone is not known any more."""
    return after.verdict.rank >= min(before.verdict.rank, Verdict.UNKNOWN.rank)


@slow
@given(night=nights(), kept=st.sets(st.integers(0, len(SUBJECTS) - 1)))
def test_taking_checks_away_never_makes_a_night_better(
    night: tuple[list[CheckRecord], list[JobRecord]], kept: set[int]
) -> None:
    checks, jobs = night
    after = view([checks[number] for number in sorted(kept)], jobs)
    assert no_better(after, view(checks, jobs))
    missing = set(range(len(EXPECTED))) - kept
    if missing:
        assert after.verdict.rank >= Verdict.UNKNOWN.rank
        assert after.gaps


@slow
@given(night=nights(), kept=st.sets(st.integers(0, 2), max_size=2))
def test_taking_job_records_away_never_makes_a_night_better(
    night: tuple[list[CheckRecord], list[JobRecord]], kept: set[int]
) -> None:
    checks, jobs = night
    after = view(checks, [jobs[number] for number in sorted(kept)])
    assert no_better(after, view(checks, jobs))
    assert after.verdict.rank >= Verdict.UNKNOWN.rank


@slow
@given(
    night=nights(),
    number=st.integers(0, len(EXPECTED) - 1),
    spoilt=st.sampled_from(
        [{"level": None}, {"evidence_at": None}, {"evidence_at": AT - timedelta(days=3)}, {"job": "unheard-of"}]
    ),
)
def test_weakening_one_proof_never_makes_a_night_better(
    night: tuple[list[CheckRecord], list[JobRecord]], number: int, spoilt: dict[str, object]
) -> None:
    checks, jobs = night
    weaker = [replace(one, **spoilt) if place == number else one for place, one in enumerate(checks)]  # type: ignore[arg-type]  # fields of CheckRecord
    after = view(weaker, jobs)
    assert no_better(after, view(checks, jobs))
    if checks[number].verdict in {Verdict.OK, Verdict.WARNING}:
        assert after.verdict.rank >= Verdict.UNKNOWN.rank


@slow
@given(night=nights(), state=st.sampled_from([state for state in JobState if state is not JobState.SUCCEEDED]))
def test_a_job_that_did_not_succeed_never_makes_a_night_better(
    night: tuple[list[CheckRecord], list[JobRecord]], state: JobState
) -> None:
    checks, jobs = night
    after = view(checks, [replace(jobs[0], state=state), *jobs[1:]])
    assert no_better(after, view(checks, jobs))
    assert after.verdict.rank >= Verdict.UNKNOWN.rank


@slow
@given(night=nights())
def test_in_order_means_that_everything_expected_was_examined_and_found_good(
    night: tuple[list[CheckRecord], list[JobRecord]],
) -> None:
    seen = view(*night)
    assert (seen.verdict is Verdict.OK) == all(one.verdict is Verdict.OK for one in night[0])
    assert seen.gaps == ()


@slow
@given(night=nights())
def test_a_gap_is_told_exactly_when_something_is_unknown(night: tuple[list[CheckRecord], list[JobRecord]]) -> None:
    checks, jobs = night
    for dropped in range(len(EXPECTED)):
        after = view([one for place, one in enumerate(checks) if place != dropped], jobs)
        where, subject, kind = SUBJECTS[dropped]
        told = [gap for gap in after.gaps if gap.where == where]
        assert told
        if kind not in {"vm", "vcenter"}:
            assert any(subject in gap.subjects for gap in told)
