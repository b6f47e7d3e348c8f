"""What an attempt came to, stored in one transaction: checks, evidence, state and event, or nothing."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, null, select, update

from ronde.adapters.ledger.endings import COLUMNS, REQUEUED, earlier_verdicts, end
from ronde.adapters.ledger.locking import release_locks
from ronde.adapters.ledger.part import Part, among, event, new_id, tell
from ronde.adapters.ledger.prepared import Prepared
from ronde.adapters.ledger.rows import findings_json, trouble_json
from ronde.adapters.ledger.tables import checks, evidence, jobs, outputs
from ronde.model.check import Check, Exchange, Json
from ronde.model.records import JobOutcome, evidence_digest
from ronde.model.run import JobEvent, JobState, Policy, change_job, job_sources, job_verdict
from ronde.ports import Claim

_LEVEL = 3  # of zlib: half the time of level 6, for 5 % (restic's JSON) to 28 % (file listings) more bytes
_SMALL = 128  # bytes; shorter texts are kept as they are
_PLAIN, _ZLIB = b"\0", b"\1"  # the first byte of what is kept

_WHOSE = (
    jobs.c.id == bindparam("job"),
    jobs.c.token == bindparam("fence"),
    jobs.c.attempt == bindparam("nth"),
)
_FINISH = {
    what: Prepared(
        update(jobs)
        .where(*_WHOSE, among(jobs.c.state, job_sources(what)))
        .values(state=change_job(JobState.RUNNING, what).value, verdict=bindparam("worst"), finished_at=bindparam("at"))
        .values(token=None, lease_until=None, trouble=bindparam("why"))
    )
    for what in (
        *(JobEvent.SUCCEED, JobEvent.FAIL, JobEvent.SKIP, JobEvent.CRASH),
        *(JobEvent.CANCEL, JobEvent.ESCALATE),
    )
}
_DEFER = Prepared(
    update(jobs)
    .where(*_WHOSE, among(jobs.c.state, job_sources(JobEvent.DEFER)))
    .values(REQUEUED)
    .values(wake_at=bindparam("start"), not_before=bindparam("start"), trouble=bindparam("why"))
)
# A job whose target could not be reached yet: nothing was begun, so how long it is useful still holds.
_WAIT = Prepared(
    update(jobs)
    .where(*_WHOSE, among(jobs.c.state, job_sources(JobEvent.DEFER)))
    .values({column: value for column, value in REQUEUED.items() if column is not jobs.c.not_after})
    .values(wake_at=bindparam("start"), not_before=bindparam("start"), trouble=bindparam("why"))
    .values(not_after=bindparam("end"), attempts_most=jobs.c.attempts_most + 1)  # waiting is no try
)
_ASKED_TO_STOP = select(*COLUMNS).where(
    jobs.c.id == bindparam("job"),
    jobs.c.cancel_by.is_not(null()),
    among(jobs.c.state, job_sources(JobEvent.CANCEL)),
)
_ADD_CHECKS = insert(checks)
_ADD_EVIDENCE = insert(evidence)


def pack(content: bytes) -> bytes:
    """What is kept of an output: compressed where that pays."""
    if len(content) < _SMALL:
        return _PLAIN + content
    return _ZLIB + zlib.compress(content, _LEVEL)


def unpack(kept: bytes) -> bytes:
    """The inverse of `pack`."""
    return zlib.decompress(kept[1:]) if kept[:1] == _ZLIB else kept[1:]


@dataclass(slots=True)
class Rows:
    """What one outcome adds, prepared before the transaction begins: compressing holds no lock."""

    checks: list[dict[str, Any]] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, claim: Claim, position: int, check: Check, now: datetime, cap: int) -> None:
        name = new_id()
        self.checks.append(_check_row(claim, name, position, check, now))
        for place, exchange in enumerate(check.exchanges):
            self.evidence.append(self._evidence_row(claim, name, place, exchange, cap))

    def _evidence_row(self, claim: Claim, check: str, place: int, exchange: Exchange, cap: int) -> dict[str, Any]:
        output, errors = exchange.output[:cap], exchange.errors[:cap]
        digest = evidence_digest(output, errors)
        if digest not in self.outputs:  # one answer behind many checks (a vCenter's machines) is kept once
            kept = {"output": pack(output), "errors": pack(errors)}
            self.outputs[digest] = {"job_id": claim.job, "digest": digest, **kept}
        cut = len(exchange.output) > cap or len(exchange.errors) > cap
        return {
            "check_id": check,
            "position": place,
            "job_id": claim.job,
            "client": claim.plan.target.client,
            "question": exchange.question,
            "tool": exchange.tool,
            "started": exchange.started,
            "ended": exchange.ended,
            "exit_status": exchange.exit_status,
            "truncated": exchange.truncated or cut,
            "digest": digest,
        }


def _check_row(claim: Claim, name: str, position: int, check: Check, now: datetime) -> dict[str, Any]:
    return {
        "id": name,
        "run_id": claim.run,
        "job_id": claim.job,
        "attempt": claim.attempt,
        "position": position,
        "client": claim.plan.target.client,
        "host": check.host,
        "subject": check.subject,
        "kind": check.kind,
        "verdict": check.verdict.value,
        "level": None if check.level is None else int(check.level),
        "evidence_at": check.evidence_at,
        "recorded_at": now,
        "findings": findings_json(check.findings),
        "facts": check.facts,
        "objective": check.objective,
    }


class Recording(Part):
    """The recording part of `ronde.ports.Jobs`."""

    _output_cap: int

    def record(self, claim: Claim, outcome: JobOutcome, now: datetime) -> bool:
        what = outcome.event
        rows = self.rows_of(claim, enumerate(outcome.checks), now)
        with self._db.write(durable=claim.plan.policy is Policy.AT_MOST_ONCE) as connection:
            if what is JobEvent.DEFER:
                stored = _defer(connection, claim, outcome, now)
            else:
                stored = _finish(connection, claim, outcome, now)
            if not stored:
                return False
            tell(connection, _line(claim, outcome, now))
            self.add_rows(connection, rows)
            if what is JobEvent.DEFER:
                _stop_if_asked(connection, claim, now)
        return True

    def rows_of(self, claim: Claim, found: Iterable[tuple[int, Check]], now: datetime) -> Rows:
        """The rows that checks, with their places, will add; made before the transaction begins."""
        rows = Rows()
        for position, check in found:
            rows.add(claim, position, check, now, self._output_cap)
        return rows

    def add_rows(self, connection: Connection, rows: Rows) -> None:
        """Add them, in a transaction that has made sure that the job is still ours."""
        if rows.checks:
            connection.execute(_ADD_CHECKS, rows.checks)
        if rows.outputs:  # an earlier attempt may have met the same answer
            add = self._db.insert(outputs).on_conflict_do_nothing()
            connection.execute(add, list(rows.outputs.values()))
        if rows.evidence:
            connection.execute(_ADD_EVIDENCE, rows.evidence)


def _finish(connection: Connection, claim: Claim, outcome: JobOutcome, now: datetime) -> bool:
    earlier = claim.attempt > 1 or claim.plan.procedure is not None  # whose steps are recorded as they end
    seen = dict(earlier_verdicts(connection, [claim.job])[claim.job]) if earlier else {}
    for check in outcome.checks:
        seen[check.host, check.kind, check.subject] = check.verdict
    state = change_job(JobState.RUNNING, outcome.event)
    asked = {"worst": job_verdict(state, tuple(seen.values())).value, "at": now}
    stored = _FINISH[outcome.event].change(connection, {**asked, **_fence(claim, outcome)}) == 1
    if stored and claim.plan.is_change:
        release_locks(connection, [claim.job], state, now)
    return stored


def _defer(connection: Connection, claim: Claim, outcome: JobOutcome, now: datetime) -> bool:
    start = {"start": outcome.not_before or now}
    if outcome.waits and claim.plan.procedure is not None:
        end = {"end": claim.plan.procedure.wait_until}
        return _WAIT.change(connection, {**start, **end, **_fence(claim, outcome)}) == 1
    return _DEFER.change(connection, {**start, **_fence(claim, outcome)}) == 1


def _stop_if_asked(connection: Connection, claim: Claim, now: datetime) -> None:
    """A job that was asked to stop while it ran does not wait in the queue for another try."""
    asked = connection.execute(_ASKED_TO_STOP, {"job": claim.job}).all()
    if asked:
        end(connection, asked, JobEvent.CANCEL, now, asked[0].cancel_by)


def _fence(claim: Claim, outcome: JobOutcome) -> dict[str, Any]:
    return {"job": claim.job, "fence": claim.token, "nth": claim.attempt, "why": trouble_json(outcome.trouble)}


def _line(claim: Claim, outcome: JobOutcome, now: datetime) -> dict[str, Any]:
    data: dict[str, Json] = {"attempt": claim.attempt, "checks": len(outcome.checks)}
    if outcome.trouble is not None:
        data["trouble"] = outcome.trouble.code
    client = claim.plan.target.client
    return event(now, client, f"job.{outcome.event}", claim.job, actor=claim.worker, run=claim.run, data=data)
