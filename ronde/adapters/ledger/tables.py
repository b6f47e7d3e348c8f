"""The ledger's tables. The migrations build them; a test compares the two.

Lines of `events` refer to their subjects by name only: they outlive what retention removes.
"""

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    text,
)

from ronde.adapters.ledger.types import CanonicalJson, Instant, Key, Words
from ronde.model.approvals import ApprovalState
from ronde.model.plan import TargetKind, Trigger
from ronde.model.procedure import StepState
from ronde.model.run import JOB_OPEN, RUN_OPEN, JobState, MailState, Policy, RunState
from ronde.model.verdict import Verdict

REVISION = "0001"  # the schema this code speaks; a test holds it equal to the newest migration

MAIL_OPEN = frozenset(MailState) - {MailState.ACCEPTED, MailState.DEAD}

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _sql_list(values: Iterable[StrEnum]) -> str:
    return ", ".join(f"'{value.value}'" for value in sorted(values))


def _one_of(column: str, kinds: Iterable[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({_sql_list(kinds)})", name=column)


def _belongs(target: str) -> ForeignKey:
    return ForeignKey(target, ondelete="CASCADE")


def _is_one_of(states: Iterable[StrEnum]) -> str:
    """The condition of a partial index, as `among` writes it in queries."""
    return " OR ".join(f"state = '{state.value}'" for state in sorted(states))


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


runs = Table(
    "runs",
    metadata,
    Column("id", Key, primary_key=True),
    Column("playbook", Words, nullable=False),
    Column("digest", Words, nullable=False),
    Column("state", Key, nullable=False),
    Column("verdict", Key),
    Column("trigger", Key, nullable=False),
    Column("requested_by", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("schedule", Words),
    Column("due", Instant),
    Column("plan", Key, nullable=False),  # the plan's digest, as previews show it
    Column("request", CanonicalJson, nullable=False),  # what was asked for, to ask for it again
    Column("pace", CanonicalJson),  # of a change that goes in rings
    Column("paused_by", Words),
    _one_of("state", RunState),
    _one_of("verdict", Verdict),
    _one_of("trigger", Trigger),
    Index("ix_runs_created_at", "created_at"),
    _partial("ix_runs_open", "state", where=_is_one_of(RUN_OPEN)),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("client", Key, primary_key=True),
    Column("schedule", Key, primary_key=True),
    Column("due", Instant, primary_key=True),
    Column("decided_at", Instant, nullable=False),
    # Deferred: the instant is claimed first, and only its winner goes on to write the run.
    Column("run_id", Key, ForeignKey("runs.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")),
    Column("reason", Words, nullable=False),
    Column("instants", Integer, nullable=False),
    Index("ix_occurrences_client_due", "client", "due"),
    Index("ix_occurrences_run_id", "run_id"),
)

schedules_seen = Table(
    "schedules_seen",
    metadata,
    Column("client", Key, primary_key=True),
    Column("schedule", Key, primary_key=True),
    # When the schedule was first seen under this definition: another one, or one switched on again, starts anew.
    Column("first_seen", Instant, nullable=False),
    Column("definition", Words, nullable=False),
    # The newest decided due instant; kept here so that a roll call over thousands of schedules reads one row for each.
    Column("decided_until", Instant),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Key, primary_key=True),
    Column("run_id", Key, _belongs("runs.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("client", Key, nullable=False),
    Column("kind", Key, nullable=False),
    Column("target", Words, nullable=False),
    Column("playbook", Words, nullable=False),
    Column("policy", Key, nullable=False),
    Column("attempts_most", Integer, nullable=False),
    Column("plan", CanonicalJson, nullable=False),
    # The lanes of the plan once more, as canonical JSON text: jobs with equal text share one fate when lanes fill up,
    # so counting by it needs no second table whose rows could disagree with the state of the jobs.
    Column("lanes", Key, nullable=False),
    Column("place", CanonicalJson),  # in the rings of the run, once more as in the plan
    Column("state", Key, nullable=False),
    Column("verdict", Key),
    Column("attempt", Integer, nullable=False),
    Column("token", Key),
    Column("worker", Words, nullable=False),
    Column("sends", Integer, nullable=False),  # of this attempt
    Column("wake_at", Instant, nullable=False),  # from when a wake-up may be sent; sending one moves it into the future
    Column("not_before", Instant),
    Column("not_after", Instant),  # of the first start; void once the job was started
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("lease_until", Instant),
    Column("finished_at", Instant),
    Column("cancel_by", Words),
    Column("cancel_now", Boolean(create_constraint=False), nullable=False),  # end the step in hand as well
    Column("trouble", CanonicalJson),
    _one_of("state", JobState),
    _one_of("verdict", Verdict),
    _one_of("kind", TargetKind),
    _one_of("policy", Policy),
    # A fence and a lease belong to a running job, and to no other.
    CheckConstraint(
        f"(state = '{JobState.RUNNING.value}') = (token IS NOT NULL AND lease_until IS NOT NULL)", name="lease"
    ),
    Index("ix_jobs_run_id_position", "run_id", "position"),
    Index("ix_jobs_progress", "run_id", "state", "verdict"),
    Index("ix_jobs_client_created_at", "client", "created_at"),
    # covers the counting of lanes and of what waits, which runs after every job
    _partial(
        "ix_jobs_open",
        *("state", "client", "lanes", "wake_at", "position", "sends", "not_after"),
        where=_is_one_of(JOB_OPEN),
    ),
)

# How far each step of a procedure came: written before it acts, and when it has ended.
steps = Table(
    "steps",
    metadata,
    Column("job_id", Key, _belongs("jobs.id"), primary_key=True),
    Column("step", Key, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("section", Key, nullable=False),
    Column("client", Key, nullable=False),
    Column("state", Key, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("changed", Boolean(create_constraint=False), nullable=False),
    Column("reason", Words, nullable=False),
    Column("facts", CanonicalJson, nullable=False),
    Column("journal", CanonicalJson, nullable=False),
    _one_of("state", StepState),
)

# Who may change a target: one job at a time, also while that job waits for a worker to take it up again.
locks = Table(
    "locks",
    metadata,
    Column("resource", Key, primary_key=True),
    Column("client", Key, nullable=False),
    Column("job_id", Key, _belongs("jobs.id"), nullable=False),
    Column("run_id", Key, nullable=False),
    Column("owner", Words, nullable=False),
    Column("since", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_locks_job_id", "job_id"),
)

# Places that a running job takes besides those of its plan, for one change: on a vCenter, on a datastore.
places = Table(
    "places",
    metadata,
    Column("lane", Key, primary_key=True),
    Column("job_id", Key, _belongs("jobs.id"), primary_key=True),
    Column("client", Key, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_places_job_id", "job_id"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("run_id", Key, _belongs("runs.id"), primary_key=True),
    Column("plan", Key, nullable=False),
    Column("why", Words, nullable=False),
    Column("requested_by", Words, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("state", Key, nullable=False),
    Column("decided_by", Words),
    Column("decided_at", Instant),
    Column("reason", Words, nullable=False),
    _one_of("state", ApprovalState),
)

checks = Table(
    "checks",
    metadata,
    Column("id", Key, primary_key=True),
    Column("run_id", Key, nullable=False),
    Column("job_id", Key, _belongs("jobs.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("client", Key, nullable=False),
    Column("host", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("verdict", Key, nullable=False),
    Column("level", SmallInteger),
    Column("evidence_at", Instant),
    Column("recorded_at", Instant, nullable=False),
    Column("findings", CanonicalJson, nullable=False),
    Column("facts", CanonicalJson, nullable=False),
    Column("objective", CanonicalJson, nullable=False),
    _one_of("verdict", Verdict),
    CheckConstraint("level BETWEEN 0 AND 6", name="level"),
    CheckConstraint("level IS NOT NULL OR verdict <> 'ok'", name="proof"),  # nothing proven is never ok
    Index("ix_checks_job_id", "job_id"),
    Index("ix_checks_client_recorded_at", "client", "recorded_at"),
    Index("ix_checks_history", "client", "host", "kind", "subject", "recorded_at", "attempt", "id"),
)

outputs = Table(
    "outputs",
    metadata,
    Column("job_id", Key, _belongs("jobs.id"), primary_key=True),
    Column("digest", Key, primary_key=True),
    Column("output", LargeBinary, nullable=False),
    Column("errors", LargeBinary, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("check_id", Key, _belongs("checks.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("job_id", Key, nullable=False),
    Column("client", Key, nullable=False),
    Column("question", Words, nullable=False),
    Column("tool", Words, nullable=False),
    Column("started", Instant, nullable=False),
    Column("ended", Instant, nullable=False),
    Column("exit_status", BigInteger),
    Column("truncated", Boolean(create_constraint=False), nullable=False),
    Column("digest", Key, nullable=False),
    Index("ix_evidence_job_id", "job_id"),
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("client", Key, nullable=False),  # '' = the provider's own machinery
    Column("run_id", Key),
    Column("actor", Words, nullable=False),
    Column("action", Key, nullable=False),
    Column("subject", Words, nullable=False),
    Column("data", CanonicalJson, nullable=False),
    Index("ix_events_run_id", "run_id"),
    sqlite_autoincrement=True,  # a number is never given twice
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Key, primary_key=True),
    Column("key", Key, nullable=False, unique=True),
    Column("client", Key, nullable=False),
    Column("kind", Words, nullable=False),
    Column("period", Words, nullable=False),
    Column("recipient", Words, nullable=False),
    Column("sender", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("message_id", Words, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("digest", Key, nullable=False),
    Column("state", Key, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("unknowns", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("next_attempt_at", Instant),
    Column("token", Key),
    Column("lease_until", Instant),
    Column("smtp_code", Integer),
    Column("answer", Words, nullable=False),
    Column("accepted_at", Instant),
    _one_of("state", MailState),
    CheckConstraint(
        f"(state = '{MailState.LEASED.value}') = (token IS NOT NULL AND lease_until IS NOT NULL)", name="lease"
    ),
    Index("ix_outbox_client_created_at", "client", "created_at"),
    _partial(
        "ix_outbox_open",
        "state",
        "next_attempt_at",
        where=_is_one_of(MAIL_OPEN),
    ),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Words, primary_key=True),
    Column("queues", CanonicalJson, nullable=False),
    Column("version", Words, nullable=False),
    Column("seen_at", Instant, nullable=False),
)

beats = Table(
    "beats",
    metadata,
    Column("name", Words, primary_key=True),
    Column("seen_at", Instant, nullable=False),
)

# One row, rewritten to prove that the ledger can be written, or to make what was written before it durable.
probe = Table(
    "probe",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
)
