"""What clients read of our own work: each ending in words, by whom and why, and nothing better than its record."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.engine.procedure.guarding import GUARD_KIND
from ronde.engine.procedure.result import STEP_KIND
from ronde.model.guards import Guard
from ronde.model.inventory import Client, Provider
from ronde.model.plan import Procedure
from ronde.model.procedure import StepRecord, StepState
from ronde.model.records import JobRecord, OccurrenceRecord, RunRecord, Trouble
from ronde.model.run import JobState
from ronde.model.verdict import Level, Verdict
from ronde.reports.change_words import HELD_BACK, SET_ASIDE
from ronde.reports.night import night_view
from ronde.reports.night_json import night_json
from ronde.reports.page import MOST_CHANGES, night_page
from ronde.reports.render import render_night
from ronde.reports.rows import Row
from ronde.reports.view import Ending, NightView
from ronde.reports.voice import Language
from ronde.reports.work import GUARD, STEP
from tests.doubles.night import AT, NOW, PERIOD, PROVIDER, check, client, host, job, material, restic
from tests.doubles.work import BEGAN, BROKEN, DONE, NOTHING, RUN, acted, found, plan, ruling, run_of, step

ANA = {"name": "Ana Exemple", "email": "ana@msp.example", "roles": ["operate"], "clients": "all"}
HOUSE = Provider.model_validate({**PROVIDER.model_dump(mode="json"), "technicians": {"ana": ANA}})
ONE = client(
    hosts={"srv-web": host(restic("www"))},
    schedules={
        "night-backups": {"playbook": "backup/check", "at": "0 2 * * *"},
        "hebdo": {"playbook": "adhoc/restart-service", "at": "0 3 * * *"},
    },
)
UNREACHABLE = Trouble("unreachable", "srv-web: no route to host")
UNCLEAR = (step("at_first"), step("restart", StepState.UNCLEAR, changed=True))
slow = settings(max_examples=60)


def night(*runs: RunRecord, of: Client = ONE, listed: Sequence[JobRecord] | None = None, **more: object) -> NightView:
    """A night whose one backup is in order, and in which these runs acted."""
    jobs = [one for run in runs for one in run.jobs] if listed is None else listed
    bare = [replace(one, checks=(), steps=()) for one in jobs]  # as a list of jobs tells them
    latest = [one for run in runs for acting in run.jobs for one in acting.checks]
    found_there = [check("srv-web", "www"), *latest]
    return night_view(of, HOUSE, material(found_there, [job("srv-web"), *bare], runs=runs, **more), NOW)


def row(view: NightView, language: Language = "fr") -> Row:
    [one] = night_page(view, language).changes
    return one


def test_the_kinds_are_those_that_the_engine_records() -> None:
    assert (STEP, GUARD) == (STEP_KIND, GUARD_KIND)


def test_work_that_went_well_is_told_with_its_time_its_host_who_and_why() -> None:
    view = night(run_of(acted(steps=DONE)))
    assert view.verdict is Verdict.OK
    assert row(view) == Row(
        Verdict.OK,
        "●",
        "faite",
        "Redémarrer un service",
        "srv-web",
        ("Le 13/01\u00a0à\u00a002\u00a0h\u00a000, par Ana Exemple.", "Motif\u00a0: fuite de mémoire"),
    )
    assert row(view, "en").details == ("13\u00a0Jan at 02:00, by Ana Exemple.", "Reason: fuite de mémoire")


def test_who_is_not_declared_is_told_by_login_and_a_schedule_by_its_name() -> None:
    assert "par bob." in row(night(run_of(acted(steps=DONE), who="bob"))).details[0]
    by_schedule = run_of(acted(steps=DONE), who="schedule hebdo", schedule="hebdo", reason="")
    assert row(night(by_schedule)).details == (
        "Le 13/01\u00a0à\u00a002\u00a0h\u00a000, planification «\u00a0hebdo\u00a0».",
    )


ENDINGS = [
    (acted(steps=NOTHING), Ending.NOTHING, Verdict.OK, "● rien à faire"),
    (acted(state=JobState.FAILED, steps=BROKEN), Ending.FAILED, Verdict.FAILED, "l'étape «\u00a0restart\u00a0»"),
    (acted(state=JobState.FAILED, trouble=UNREACHABLE), Ending.FAILED, Verdict.FAILED, "Serveur injoignable."),
    (acted(state=JobState.CRASHED, trouble=Trouble("crashed", "x")), Ending.FAILED, Verdict.FAILED, "panne de notre"),
    (acted(state=JobState.NEEDS_HUMAN, steps=UNCLEAR), Ending.UNFINISHED, Verdict.FAILED, "doit la vérifier"),
    (
        acted(state=JobState.CANCELLED, steps=DONE[:2]),
        Ending.STOPPED,
        Verdict.WARNING,
        "Déjà fait à ce moment\u00a0: restart.",
    ),
    (acted(state=JobState.SKIPPED, trouble=Trouble("guard-backup", "x")), Ending.NOT_DONE, Verdict.WARNING, "récentes"),
    (acted(state=JobState.SKIPPED, trouble=Trouble("plan-changed", "x")), Ending.NOT_DONE, Verdict.WARNING, "changé"),
    (acted(state=JobState.EXPIRED, trouble=Trouble("not-approved", "x")), Ending.NOT_DONE, Verdict.WARNING, "accord"),
    (acted(state=JobState.HELD), Ending.WAITS, Verdict.WARNING, "second technicien"),
    (acted(state=JobState.QUEUED, trouble=UNREACHABLE), Ending.WAITS, Verdict.WARNING, "Serveur injoignable."),
    (
        acted(state=JobState.QUEUED, not_before=NOW + timedelta(hours=15)),
        Ending.WAITS,
        Verdict.WARNING,
        "22\u00a0h\u00a000",
    ),
    (acted(state=JobState.QUEUED), Ending.WAITS, Verdict.WARNING, "pas commencé"),
    (acted(state=JobState.RUNNING, steps=DONE[:1]), Ending.UNDER_WAY, Verdict.WARNING, "encore en cours"),
    (acted(steps=DONE[:1]), Ending.UNRECORDED, Verdict.UNKNOWN, "◇ non vérifiée"),
]


@pytest.mark.parametrize(("one", "ending", "verdict", "words"), ENDINGS, ids=lambda value: str(value)[:20])
def test_every_ending_has_its_weight_and_its_words(
    one: JobRecord, ending: Ending, verdict: Verdict, words: str
) -> None:
    view = night(run_of(one))
    [line] = view.changes
    assert (line.ending, line.verdict, view.verdict) == (ending, verdict, verdict)
    told = row(view)
    assert words in " ".join((told.shape, told.word, *told.details))


def test_what_is_not_finished_is_the_headline_and_no_check_is_blamed_for_it() -> None:
    view = night(run_of(acted(state=JobState.NEEDS_HUMAN, steps=UNCLEAR)))
    page = night_page(view, "fr")
    assert page.headline == "Une intervention n'est pas terminée sur «\u00a0srv-web\u00a0»."
    assert page.subject_parts[1] == "une intervention n'est pas terminée"
    [gap] = page.gaps
    assert (gap.name, gap.details[1]) == ("srv-web", "L'issue de l'étape «\u00a0restart\u00a0» n'est pas connue.")
    assert [line.verdict for line in view.backups] == [Verdict.OK]


def test_a_backup_that_failed_comes_first_and_the_work_is_told_in_addition() -> None:
    one = client(hosts={"srv-web": host(restic("www")), "srv-b": host(restic("autre"))})
    jobs = [job("srv-web"), job("srv-b")]
    broken = run_of(acted(state=JobState.FAILED, steps=BROKEN))
    bad = replace(check("srv-web", "www"), verdict=Verdict.FAILED)
    seen = material([bad, check("srv-b", "autre")], jobs, runs=[broken])
    page = night_page(night_view(one, HOUSE, seen, NOW), "fr")
    assert page.headline.startswith("Une sauvegarde est en échec")
    assert page.rest.startswith("De plus, une intervention n'est pas terminée.")


def test_several_are_counted() -> None:
    runs = [run_of(acted(state=JobState.FAILED, steps=BROKEN, run=f"{number}" * 16)) for number in "abc"]
    assert night_page(night(*runs), "fr").headline == "3 interventions ne sont pas terminées."


GUARDS: Mapping[str, str] = {
    "window": "Fenêtre de maintenance non respectée (motif\u00a0: site en panne).",
    "backup": "Commencée sans sauvegarde récente et vérifiée (motif\u00a0: site en panne).",
}


@pytest.mark.parametrize(("guard", "words"), GUARDS.items())
def test_a_guard_that_was_set_aside_is_told_with_its_reason(guard: str, words: str) -> None:
    overridden = plan(overrides={guard: "site en panne"})
    seen = acted(steps=DONE, rulings=[ruling(guard, override="site en panne")], of=overridden)
    view = night(run_of(seen, reason="site en panne."))
    assert view.verdict is Verdict.WARNING
    assert row(view).details[1:] == (words,), "the reason stands once"


def test_a_guard_that_passed_was_not_set_aside_whatever_was_ordered() -> None:
    overridden = plan(overrides={"window": "site en panne"})
    view = night(run_of(acted(steps=DONE, rulings=[ruling("window", passed=True)], of=overridden)))
    assert (view.verdict, view.changes[0].set_aside) == (Verdict.OK, ())


def test_an_override_whose_ruling_is_not_on_record_is_told_all_the_same() -> None:
    view = night(run_of(acted(steps=DONE, of=plan(overrides={"lock": "accord du maire"}))))
    assert view.verdict is Verdict.WARNING
    assert "accord du maire" in row(view).details[-1]


def test_nothing_that_was_not_begun_has_set_a_guard_aside() -> None:
    waiting = acted(state=JobState.HELD, of=plan(overrides={"window": "site en panne"}))
    assert night(run_of(waiting)).changes[0].set_aside == ()


def test_every_guard_has_both_sentences() -> None:
    assert set(SET_ASIDE) == {guard.value for guard in Guard}
    assert {f"guard-{guard}" for guard in Guard} <= set(HELD_BACK)


def test_an_order_withdrawn_by_a_person_before_it_began_is_nothing_that_we_did() -> None:
    withdrawn = acted(state=JobState.CANCELLED, started_at=None, trouble=Trouble("cancelled", "ana cancelled it"))
    assert night(run_of(withdrawn)).changes == ()
    scheduled = night(run_of(withdrawn, schedule="hebdo"))
    assert [line.ending for line in scheduled.changes] == [Ending.NOT_DONE]


def test_readings_and_dry_runs_are_no_business_of_the_clients() -> None:
    read = acted(steps=BROKEN, state=JobState.FAILED, of=plan(risk="read"))
    dry = acted(steps=DONE, run="d" * 16, of=plan(dry=True))
    view = night(run_of(read), run_of(dry))
    assert (view.verdict, view.changes, view.others) == (Verdict.OK, (), ())


def test_a_scheduled_reading_that_failed_is_not_verified() -> None:
    read = acted(state=JobState.FAILED, trouble=UNREACHABLE, of=plan(risk="read"))
    view = night(run_of(read, schedule="hebdo"))
    assert (view.verdict, view.changes) == (Verdict.UNKNOWN, ())
    [gap] = night_page(view, "fr").gaps
    assert gap.name == "srv-web"
    assert gap.details[0] == "Travail planifié «\u00a0Redémarrer un service\u00a0»."


def test_a_failed_reading_whose_run_is_not_on_record_may_have_been_scheduled() -> None:
    read = acted(state=JobState.FAILED, trouble=UNREACHABLE, of=plan(risk="read"))
    assert night(listed=[read]).verdict is Verdict.UNKNOWN


def missed(schedule: str, run: str | None = None) -> OccurrenceRecord:
    return OccurrenceRecord("commune-exemple", schedule, AT, AT, run, "no beat was alive")


def test_scheduled_work_that_did_not_begin_is_not_silent() -> None:
    view = night(occurrences=[missed("hebdo")])
    assert view.verdict is Verdict.UNKNOWN
    assert "n'a pas commencé à temps" in night_page(view, "fr").gaps[0].details[0]
    assert night(occurrences=[missed("night-backups")]).verdict is Verdict.OK, "the backups tell it themselves"


def test_scheduled_work_that_left_no_record_is_not_silent() -> None:
    assert night(occurrences=[missed("hebdo", "gone")]).verdict is Verdict.UNKNOWN
    scheduled = run_of(acted(steps=DONE), schedule="hebdo")
    assert night(scheduled, occurrences=[missed("hebdo", RUN)]).verdict is Verdict.OK


def test_work_of_another_night_is_not_told_again_unless_a_person_still_has_to_look() -> None:
    before = PERIOD.since - timedelta(hours=3)
    old: dict[str, Any] = {"created_at": before - timedelta(minutes=9), "started_at": before, "finished_at": before}
    assert night(run_of(acted(steps=DONE, **old))).changes == ()
    unclear = run_of(acted(state=JobState.NEEDS_HUMAN, steps=UNCLEAR, run="a" * 16, **old))
    assert [line.ending for line in night(unclear).changes] == [Ending.UNFINISHED]
    settled = night(unclear, run_of(acted(steps=DONE, created_at=BEGAN)))
    assert [line.ending for line in settled.changes] == [Ending.DONE]


def test_a_client_of_whom_nothing_was_examined_is_not_in_order_because_we_worked_there() -> None:
    bare = client(hosts={"srv-web": host()}, schedules={})
    view = night_view(bare, HOUSE, material([], [], runs=[run_of(acted(steps=DONE))]), NOW)
    assert view.verdict is Verdict.UNKNOWN
    assert view.changes[0].verdict is Verdict.OK


def test_a_step_that_bears_a_backups_name_is_no_check_of_it() -> None:
    named = [replace(found("www"), host="srv-web", kind=kind, job="job-srv-web") for kind in (STEP, GUARD)]
    view = night_view(ONE, HOUSE, material(named, [job("srv-web")]), NOW)
    assert view.verdict is Verdict.UNKNOWN
    assert [line.verdict for line in view.backups] == [Verdict.UNKNOWN]
    assert view.others == ()


def test_the_part_stays_short_and_counts_what_it_leaves_out() -> None:
    many = run_of(*(acted(f"srv-{number:02}", steps=DONE) for number in range(60)), reason="x" * 500)
    view = night(many)
    page = night_page(view, "fr")
    assert len(page.changes) == MOST_CHANGES
    assert page.more_changes == "Et 52 autres lignes\u00a0: ● 52 en ordre."
    rendered = render_night(page)
    assert len(rendered.html.encode()) < 60_000
    assert "x" * 240 not in rendered.text


@pytest.mark.parametrize("verdict", [None, *Verdict])
def test_work_is_never_told_better_than_the_verdict_on_record(verdict: Verdict | None) -> None:
    [line] = night(run_of(acted(steps=DONE, verdict=verdict))).changes
    assert line.verdict is (verdict or Verdict.UNKNOWN)
    assert (line.ending is Ending.DONE) == (line.verdict in {Verdict.OK, Verdict.WARNING})


def test_a_night_without_work_has_no_such_part() -> None:
    rendered = render_night(night_page(night(), "fr"))
    assert "sur vos serveurs" not in rendered.text.lower() + rendered.html.lower()


def test_other_programs_get_the_same() -> None:
    view = night(run_of(acted(state=JobState.FAILED, steps=BROKEN)))
    document = night_json(view, night_page(view, "fr"))
    assert document["changes"] == [
        {
            "at": BEGAN.isoformat(),
            "target": "srv-web",
            "title": "Redémarrer un service",
            "result": "failed",
            "verdict": "failed",
            "step": "restart",
            "reason": "fuite de mémoire",
            "run": RUN,
            "guards_set_aside": 0,
        }
    ]
    assert document["runs"] == [RUN, "8f2c1a7be0d24c55"]
    assert [one["name"] for one in document["done"]] == ["Redémarrer un service"]  # type: ignore[union-attr,index,call-overload]  # a list of objects


def test_the_record_is_of_what_we_did_as_well() -> None:
    done = run_of(acted(steps=DONE))
    [acting] = done.jobs
    less = replace(done, jobs=(replace(acting, checks=acting.checks[:1]),))
    plain = night_view(ONE, HOUSE, material([check("srv-web", "www")], [job("srv-web")]), NOW).digest
    assert len({night(done).digest, night(less).digest, plain}) == 3


@st.composite
def acting(draw: st.DrawFn) -> RunRecord:
    """A run with any end, and any record of its steps that such an end can have."""
    state = draw(st.sampled_from(list(JobState)))
    steps: Sequence[StepRecord] = draw(st.sampled_from([(), DONE[:1], DONE, NOTHING, BROKEN, UNCLEAR]))
    guards = [ruling(guard, override="parce que", passed=draw(st.booleans())) for guard in ("window", "backup")]
    own = plan(overrides=draw(st.sampled_from([{}, {"window": "parce que"}])))
    asked = draw(st.lists(st.sampled_from(guards), max_size=2, unique_by=lambda one: one.subject))
    one = acted(state=state, steps=steps, rulings=asked, of=own)
    return run_of(one, schedule=draw(st.sampled_from([None, "hebdo"])))


def weaker(run: RunRecord, kept_steps: set[int], kept_checks: set[int]) -> RunRecord:
    [one] = run.jobs
    less = replace(
        one,
        steps=tuple(step for number, step in enumerate(one.steps) if number in kept_steps),
        checks=tuple(seen for number, seen in enumerate(one.checks) if number in kept_checks),
    )
    return replace(run, jobs=(less,))


@slow
@given(run=acting(), steps=st.sets(st.integers(0, 3)), seen=st.sets(st.integers(0, 5)), gone=st.booleans())
def test_taking_evidence_of_our_work_away_never_makes_a_night_better(
    run: RunRecord, steps: set[int], seen: set[int], gone: object
) -> None:
    before = night(run)
    after = night(listed=run.jobs) if gone else night(weaker(run, steps, seen))
    assert after.verdict.rank >= min(before.verdict.rank, Verdict.UNKNOWN.rank)
    told = {Ending.DONE, Ending.NOTHING}
    if before.changes and before.changes[0].ending not in told:
        assert after.changes[0].ending not in told


@slow
@given(runs=st.lists(acting(), max_size=1), level=st.sampled_from([None, Level.PRESENT]))
def test_our_work_never_makes_a_night_better(runs: list[RunRecord], level: Level | None) -> None:
    own = check("srv-web", "www", level=level)
    jobs = [job("srv-web")]
    quiet = night_view(ONE, HOUSE, material([own], jobs), NOW)
    acted_there = [seen for run in runs for one in run.jobs for seen in one.checks]
    busy = night_view(ONE, HOUSE, material([own, *acted_there], jobs, runs=runs), NOW)
    assert busy.verdict.rank >= quiet.verdict.rank
    assert busy.backups == quiet.backups
    if busy.verdict is Verdict.OK:
        assert all(line.ending in {Ending.DONE, Ending.NOTHING} for line in busy.changes)


@slow
@given(
    title=st.text(max_size=200),
    reason=st.text(max_size=400),
    who=st.text(min_size=1, max_size=90),
    why=st.text(min_size=1, max_size=300),
)
def test_no_words_of_a_technician_can_break_the_mail(title: str, reason: str, who: str, why: str) -> None:
    own = plan(overrides={"window": why})
    procedure = own.procedure
    assert isinstance(procedure, Procedure)
    named = replace(own, procedure=replace(procedure, title={"fr": title, "en": title}))
    view = night(run_of(acted(steps=DONE, of=named), who=who, reason=reason))
    rendered = render_night(night_page(view, "fr"))
    assert "\x00" not in rendered.text
    assert "<script" not in rendered.html


def test_a_mail_of_another_language_has_the_title_that_there_is() -> None:
    own = plan()
    assert own.procedure is not None
    only_english = replace(own, procedure=replace(own.procedure, title={"en": "Restart"}))
    assert row(night(run_of(acted(steps=DONE, of=only_english)))).name == "Restart"


def test_the_year_is_told_when_a_report_is_read_long_after() -> None:
    late = replace(night(run_of(acted(steps=DONE))), now=datetime(2029, 1, 1, tzinfo=UTC))
    assert row(late).details[0].startswith("Le 13/01/2027")
