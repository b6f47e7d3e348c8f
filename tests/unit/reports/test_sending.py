"""The morning report: its period, its material, one message for each reader, never twice and never in silence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest

from ronde.model.check import Check
from ronde.model.inventory import Client
from ronde.model.plan import JobPlan, Order, Step, Target, TargetKind, Trigger
from ronde.model.records import JobOutcome, Scope
from ronde.model.run import JobState
from ronde.model.verdict import Level, Severity, Verdict
from ronde.ports import Claim
from ronde.reports.sending import gather, next_revision, night_period, night_readers, night_report, preview
from ronde.reports.view import Ending
from tests.doubles.ledger import MemoryLedger
from tests.doubles.night import NEWEST, NOW, PERIOD, PROVIDER, client
from tests.doubles.work import plan

NIGHT = datetime(2027, 1, 13, 1, 0, tzinfo=UTC)


@dataclass
class Still:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


def contact(name: str, email: str, **more: object) -> dict[str, object]:
    return {"name": name, "email": email, "receives": ["night"]} | more


def examine(ledger: MemoryLedger, host: str, checks: Sequence[Check], *, of: str = "commune-exemple") -> None:
    """A job on a host that ran in the night and recorded these checks."""
    plan = JobPlan(Target(of, TargetKind.HOST, host), "backup/check", (Step("backups", "backups"),))
    run = ledger.create_run(Order("backup/check", "d" * 64, (plan,), Trigger.SCHEDULE, "schedule night"), NIGHT)
    hint = next(iter(ledger.to_send(NIGHT, resend_after=60, run=run)))
    claim = ledger.claim(hint, "worker", NIGHT, 60)
    assert isinstance(claim, Claim)
    assert ledger.record(claim, JobOutcome(JobState.SUCCEEDED, tuple(checks)), NIGHT + timedelta(minutes=1))
    ledger.advance(run, NIGHT + timedelta(minutes=1))


def found(host: str, subject: str, kind: str) -> Check:
    return Check(subject, kind, host, (), Level.PRESENT, NIGHT, {"newest": NEWEST.isoformat()})


def good_night() -> MemoryLedger:
    ledger = MemoryLedger()
    examine(ledger, "srv-fichiers", [found("srv-fichiers", "documents", "restic")])
    examine(ledger, "srv-compta", [found("srv-compta", "mairie-db", "dump")])
    return ledger


def sent(ledger: MemoryLedger) -> dict[str, str]:
    """Recipient → plain text of what stands in the outbox."""
    leased = ledger.lease_mail(NOW, lease=60, limit=100)
    messages = {posted.recipient: message_from_bytes(posted.raw, policy=default) for posted in leased}
    return {to: message.get_body(("plain",)).get_content() for to, message in messages.items()}  # type: ignore[union-attr]  # it has one


def test_each_reader_gets_one_message_in_their_language() -> None:
    ledger = good_night()
    readers = [
        contact("Mairie", "mairie@commune.example"),
        contact("Clerk", "clerk@commune.example", language="en"),
        contact("Trésor", "tresor@commune.example", receives=["month"]),
        contact("Mairie bis", "MAIRIE@commune.example"),
    ]
    outcome = night_report(ledger, PROVIDER, client(contacts=readers), PERIOD, Still())
    assert (outcome.posted, outcome.known, outcome.verdict, outcome.findings) == (2, 0, Verdict.OK, ())
    assert outcome.subject.startswith("● Commune d'Exemple")
    texts = sent(ledger)
    assert set(texts) == {"mairie@commune.example", "clerk@commune.example"}
    assert "Tout est en ordre." in texts["mairie@commune.example"]
    assert "Everything is in order." in texts["clerk@commune.example"]


def test_a_second_attempt_queues_nothing_twice_but_a_new_revision_does() -> None:
    ledger = good_night()
    one = client()
    first = night_report(ledger, PROVIDER, one, PERIOD, Still())
    second = night_report(ledger, PROVIDER, one, PERIOD, Still(NOW + timedelta(minutes=9)))
    assert (first.posted, first.known) == (1, 0)
    assert (second.posted, second.known) == (0, 1)
    revision = next_revision(ledger, one, PERIOD)
    third = night_report(ledger, PROVIDER, one, PERIOD, Still(), revision=revision)
    fourth = night_report(ledger, PROVIDER, one, PERIOD, Still(), revision=next_revision(ledger, one, PERIOD))
    assert (third.posted, fourth.posted) == (1, 1)


def test_a_client_without_a_reader_is_a_finding_and_not_a_silence() -> None:
    outcome = night_report(good_night(), PROVIDER, client(contacts=[]), PERIOD, Still())
    assert outcome.posted == 0
    assert [one.rule for one in outcome.findings] == ["report-no-reader"]
    check = outcome.check("commune-exemple", NOW)
    assert (check.verdict, check.kind, check.host) == (Verdict.WARNING, "report", "commune-exemple")


def test_an_unusable_address_keeps_nobody_else_from_their_report() -> None:
    ledger = good_night()
    readers = [contact("Mairie", "maire\u00e9@commune.example"), contact("Clerk", "clerk@commune.example")]
    outcome = night_report(ledger, PROVIDER, client(contacts=readers), PERIOD, Still())
    assert outcome.posted == 1
    assert [(one.rule, one.severity) for one in outcome.findings] == [("report-bad-address", Severity.CRITICAL)]
    assert set(sent(ledger)) == {"clerk@commune.example"}


def test_a_report_queued_for_everybody_is_a_check_in_order() -> None:
    check = night_report(good_night(), PROVIDER, client(), PERIOD, Still()).check("commune-exemple", NOW)
    assert check.verdict is Verdict.OK
    assert check.facts["night"] == "ok"
    assert check.facts["posted"] == 1


def test_nothing_of_another_client_is_read() -> None:
    class Watching(MemoryLedger):
        def __init__(self) -> None:
            super().__init__()
            self.scopes: set[Scope] = set()

        def latest_checks(self, scope, **span):  # type: ignore[no-untyped-def]  # as the port says
            self.scopes.add(scope)
            return super().latest_checks(scope, **span)

        def jobs(self, scope, **span):  # type: ignore[no-untyped-def]  # the same
            self.scopes.add(scope)
            return super().jobs(scope, **span)

        def occurrences(self, scope, **span):  # type: ignore[no-untyped-def]  # the same
            self.scopes.add(scope)
            return super().occurrences(scope, **span)

        def history(self, scope, host, kinds, **span):  # type: ignore[no-untyped-def]  # the same
            self.scopes.add(scope)
            return super().history(scope, host, kinds, **span)

    ledger = Watching()
    examine(ledger, "srv-compta", [found("srv-compta", "mairie-db", "dump")], of="menuiserie")
    view = preview(ledger, PROVIDER, client(), PERIOD, NOW)
    assert view.verdict is Verdict.UNKNOWN
    assert ledger.scopes == {Scope.of("commune-exemple")}


def test_a_job_from_before_the_period_still_vouches_for_its_check() -> None:
    ledger = MemoryLedger()
    examine(ledger, "srv-compta", [found("srv-compta", "mairie-db", "dump")])
    window = night_period(client(), NIGHT + timedelta(seconds=59))
    late = type(window)(NIGHT + timedelta(seconds=30), NOW, "k")
    material = gather(ledger, client(), late, NOW)
    assert [check.subject for check in material.checks] == ["mairie-db"]
    assert [job.id for job in material.jobs] == [check.job for check in material.checks]


def restart(ledger: MemoryLedger, ended: datetime, state: JobState, *clients: str) -> str:
    """A restart on `srv-web` of each client that came to this end."""
    plans = tuple(replace(plan(), target=Target(one, TargetKind.HOST, "srv-web")) for one in clients)
    run = ledger.create_run(Order("adhoc/restart-service", "d" * 64, plans, Trigger.PERSON, "ana", "fuite"), ended)
    for hint in ledger.to_send(ended, resend_after=60, run=run):
        claim = ledger.claim(hint, "worker", ended, 60)
        assert isinstance(claim, Claim)
        assert ledger.record(claim, JobOutcome(state), ended)
    ledger.advance(run, ended)
    return run


def test_the_material_holds_the_whole_runs_of_what_acted_and_nothing_of_other_clients() -> None:
    ledger = good_night()
    run = restart(ledger, NIGHT, JobState.SUCCEEDED, "commune-exemple", "ecole")
    [whole] = gather(ledger, client(), PERIOD, NOW).runs
    assert (whole.id, whole.requested_by, whole.reason) == (run, "ana", "fuite")
    assert [job.target.client for job in whole.jobs] == ["commune-exemple"]
    assert whole.request == {}


def test_work_that_a_person_has_to_look_at_is_kept_for_a_week_or_until_a_later_change_went_well() -> None:
    ledger = good_night()
    unclear = restart(ledger, NIGHT - timedelta(days=5), JobState.NEEDS_HUMAN, "commune-exemple")
    restart(ledger, NIGHT - timedelta(days=4), JobState.SUCCEEDED, "ecole")
    view = preview(ledger, PROVIDER, client(), PERIOD, NOW)
    assert [(line.run, line.verdict) for line in view.changes] == [(unclear, Verdict.FAILED)]
    restart(ledger, NIGHT - timedelta(days=3), JobState.SUCCEEDED, "commune-exemple")
    assert preview(ledger, PROVIDER, client(), PERIOD, NOW).changes == ()


def test_an_order_that_has_waited_for_days_is_still_told() -> None:
    ledger = good_night()
    days_ago = NIGHT - timedelta(days=4)
    ledger.create_run(Order("adhoc/restart-service", "d" * 64, (plan(),), Trigger.PERSON, "ana", "fuite"), days_ago)
    [line] = preview(ledger, PROVIDER, client(), PERIOD, NOW).changes
    assert (line.ending, line.verdict) == (Ending.WAITS, Verdict.WARNING)


def test_the_next_night_is_the_next_examining_schedule_in_local_time() -> None:
    assert gather(MemoryLedger(), client(), PERIOD, NOW).next_night == datetime(2027, 1, 14, 1, 0, tzinfo=UTC)


def paris(day: int, hour: int, minute: int = 0) -> datetime:
    """A winter instant, Paris time (UTC+1)."""
    return datetime(2027, 1, day, hour, minute, tzinfo=UTC) - timedelta(hours=1)


@pytest.mark.parametrize(
    ("now", "since", "key"),
    [
        (paris(13, 7), paris(12, 7), "2027-01-13T0700"),
        (paris(13, 7, 2), paris(12, 7), "2027-01-13T0700"),
        (paris(13, 15), paris(12, 7), "2027-01-13T0700"),
        (paris(18, 7), paris(15, 7), "2027-01-18T0700"),  # Monday: the whole weekend since Friday
        (paris(14, 0, 50), paris(12, 7), "2027-01-13T0700"),
        (paris(14, 6, 50), paris(13, 7), "2027-01-14T0650"),  # on demand, before the day's own report
        (paris(17, 12), paris(15, 7), "2027-01-17T1200"),  # on a Sunday
    ],
)
def test_the_period_runs_from_the_report_before(now: datetime, since: datetime, key: str) -> None:
    period = night_period(client(), now)
    assert (period.since, period.until, period.key) == (since, now, key)


def test_a_scheduled_report_that_is_late_is_still_that_mornings_report() -> None:
    period = night_period(client(), paris(14, 6), "morning-report")
    assert (period.since, period.key) == (paris(12, 7), "2027-01-13T0700")


def test_two_reports_a_day_have_each_their_own_period_and_key() -> None:
    twice: Client = client(schedules={"report": {"report": "night", "at": "0 7,19 * * *"}})
    morning, evening = night_period(twice, paris(13, 7)), night_period(twice, paris(13, 19))
    assert (morning.since, evening.since) == (paris(12, 19), paris(13, 7))
    assert morning.key != evening.key


def test_without_a_report_schedule_it_is_the_last_24_hours() -> None:
    period = night_period(client(schedules={}), NOW)
    assert (period.since, period.until) == (NOW - timedelta(hours=24), NOW)


def test_the_night_the_clocks_change_is_as_long_as_it_is() -> None:
    spring = datetime(2027, 3, 29, 5, 0, tzinfo=UTC)  # Monday 07:00 summer time
    daily = client(schedules={"report": {"report": "night", "at": "0 7 * * *"}})
    assert night_period(daily, spring - timedelta(days=1)).since == datetime(2027, 3, 27, 6, 0, tzinfo=UTC)
    assert spring - timedelta(days=1) - night_period(daily, spring - timedelta(days=1)).since == timedelta(hours=23)


def test_each_address_is_written_to_once() -> None:
    one = client(contacts=[contact("A", "a@b.example"), contact("B", "A@b.example")])
    assert [reader.name for reader in night_readers(one)] == ["A"]
