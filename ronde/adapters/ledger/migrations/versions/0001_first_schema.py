"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.String().with_variant(sa.String(collation="C"), "postgresql")
WORDS = sa.Text()
INSTANT = sa.BigInteger()  # microseconds since 1970, UTC
JSON = sa.Text()  # in the canonical writing
_OPEN_RUN = "state = 'pending_approval' OR state = 'queued' OR state = 'running'"
_OPEN_JOB = "state = 'held' OR state = 'queued' OR state = 'running' OR state = 'waiting'"


def upgrade() -> None:
    _runs()
    _occurrences()
    _schedules_seen()
    _jobs()
    _steps()
    _locks()
    _places()
    _approvals()
    _checks()
    _outputs()
    _evidence()
    _events()
    _outbox()
    _workers()
    _beats()
    _probe()
    _append_only()


def _only(condition: str) -> dict[str, Any]:
    """An index over the rows that meet a condition."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("playbook", WORDS, nullable=False),
        sa.Column("digest", WORDS, nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("verdict", KEY, nullable=True),
        sa.Column("trigger", KEY, nullable=False),
        sa.Column("requested_by", WORDS, nullable=False),
        sa.Column("reason", WORDS, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("schedule", WORDS, nullable=True),
        sa.Column("due", INSTANT, nullable=True),
        sa.Column("plan", KEY, nullable=False),
        sa.Column("request", JSON, nullable=False),
        sa.Column("pace", JSON, nullable=True),
        sa.Column("paused_by", WORDS, nullable=True),
        sa.CheckConstraint(
            "state IN ('cancelled', 'failed', 'pending_approval', 'queued', 'running', 'succeeded')",
            name=op.f("ck_runs_state"),
        ),
        sa.CheckConstraint("trigger IN ('person', 'schedule')", name=op.f("ck_runs_trigger")),
        sa.CheckConstraint("verdict IN ('failed', 'ok', 'unknown', 'warning')", name=op.f("ck_runs_verdict")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_created_at", "runs", ["created_at"])
    op.create_index("ix_runs_open", "runs", ["state"], **_only(_OPEN_RUN))


def _occurrences() -> None:
    op.create_table(
        "occurrences",
        sa.Column("client", KEY, nullable=False),
        sa.Column("schedule", KEY, nullable=False),
        sa.Column("due", INSTANT, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("run_id", KEY, nullable=True),
        sa.Column("reason", WORDS, nullable=False),
        sa.Column("instants", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
            name=op.f("fk_occurrences_run_id"),
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("client", "schedule", "due", name=op.f("pk_occurrences")),
    )
    op.create_index("ix_occurrences_client_due", "occurrences", ["client", "due"])
    op.create_index("ix_occurrences_run_id", "occurrences", ["run_id"])


def _schedules_seen() -> None:
    op.create_table(
        "schedules_seen",
        sa.Column("client", KEY, nullable=False),
        sa.Column("schedule", KEY, nullable=False),
        sa.Column("first_seen", INSTANT, nullable=False),
        sa.Column("definition", WORDS, nullable=False),
        sa.Column("decided_until", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("client", "schedule", name=op.f("pk_schedules_seen")),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("client", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("target", WORDS, nullable=False),
        sa.Column("playbook", WORDS, nullable=False),
        sa.Column("policy", KEY, nullable=False),
        sa.Column("attempts_most", sa.Integer(), nullable=False),
        sa.Column("plan", JSON, nullable=False),
        sa.Column("lanes", KEY, nullable=False),
        sa.Column("place", JSON, nullable=True),
        sa.Column("state", KEY, nullable=False),
        sa.Column("verdict", KEY, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("token", KEY, nullable=True),
        sa.Column("worker", WORDS, nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("wake_at", INSTANT, nullable=False),
        sa.Column("not_before", INSTANT, nullable=True),
        sa.Column("not_after", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("cancel_by", WORDS, nullable=True),
        sa.Column("cancel_now", sa.Boolean(), nullable=False),
        sa.Column("trouble", JSON, nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (token IS NOT NULL AND lease_until IS NOT NULL)", name=op.f("ck_jobs_lease")
        ),
        sa.CheckConstraint("kind IN ('client', 'host', 'vcenter')", name=op.f("ck_jobs_kind")),
        sa.CheckConstraint("policy IN ('at_most_once', 'retry_safe')", name=op.f("ck_jobs_policy")),
        sa.CheckConstraint(
            "state IN ('cancelled', 'crashed', 'expired', 'failed', 'held', 'lost', 'needs_human',"
            " 'queued', 'running', 'skipped', 'succeeded', 'waiting')",
            name=op.f("ck_jobs_state"),
        ),
        sa.CheckConstraint("verdict IN ('failed', 'ok', 'unknown', 'warning')", name=op.f("ck_jobs_verdict")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_jobs_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_client_created_at", "jobs", ["client", "created_at"])
    op.create_index(
        "ix_jobs_open",
        "jobs",
        ["state", "client", "lanes", "wake_at", "position", "sends", "not_after"],
        **_only(_OPEN_JOB),
    )
    op.create_index("ix_jobs_progress", "jobs", ["run_id", "state", "verdict"])
    op.create_index("ix_jobs_run_id_position", "jobs", ["run_id", "position"])


def _steps() -> None:
    op.create_table(
        "steps",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("step", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("section", KEY, nullable=False),
        sa.Column("client", KEY, nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.Column("reason", WORDS, nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("journal", JSON, nullable=False),
        sa.CheckConstraint("state IN ('begun', 'done', 'failed', 'skipped', 'unclear')", name=op.f("ck_steps_state")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_steps_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "step", name=op.f("pk_steps")),
    )


def _locks() -> None:
    op.create_table(
        "locks",
        sa.Column("resource", KEY, nullable=False),
        sa.Column("client", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("owner", WORDS, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_locks_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("resource", name=op.f("pk_locks")),
    )
    op.create_index("ix_locks_job_id", "locks", ["job_id"])


def _places() -> None:
    op.create_table(
        "places",
        sa.Column("lane", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("client", KEY, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_places_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("lane", "job_id", name=op.f("pk_places")),
    )
    op.create_index("ix_places_job_id", "places", ["job_id"])


def _approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("plan", KEY, nullable=False),
        sa.Column("why", WORDS, nullable=False),
        sa.Column("requested_by", WORDS, nullable=False),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("decided_by", WORDS, nullable=True),
        sa.Column("decided_at", INSTANT, nullable=True),
        sa.Column("reason", WORDS, nullable=False),
        sa.CheckConstraint(
            "state IN ('approved', 'expired', 'pending', 'refused', 'used')", name=op.f("ck_approvals_state")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_approvals_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_approvals")),
    )


def _checks() -> None:
    op.create_table(
        "checks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("client", KEY, nullable=False),
        sa.Column("host", WORDS, nullable=False),
        sa.Column("subject", WORDS, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("verdict", KEY, nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=True),
        sa.Column("evidence_at", INSTANT, nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("findings", JSON, nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("objective", JSON, nullable=False),
        sa.CheckConstraint("level IS NOT NULL OR verdict <> 'ok'", name=op.f("ck_checks_proof")),
        sa.CheckConstraint("verdict IN ('failed', 'ok', 'unknown', 'warning')", name=op.f("ck_checks_verdict")),
        sa.CheckConstraint("level BETWEEN 0 AND 6", name=op.f("ck_checks_level")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_checks_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
    )
    op.create_index("ix_checks_client_recorded_at", "checks", ["client", "recorded_at"])
    op.create_index(
        "ix_checks_history", "checks", ["client", "host", "kind", "subject", "recorded_at", "attempt", "id"]
    )
    op.create_index("ix_checks_job_id", "checks", ["job_id"])


def _outputs() -> None:
    op.create_table(
        "outputs",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("digest", KEY, nullable=False),
        sa.Column("output", sa.LargeBinary(), nullable=False),
        sa.Column("errors", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_outputs_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "digest", name=op.f("pk_outputs")),
    )


def _evidence() -> None:
    op.create_table(
        "evidence",
        sa.Column("check_id", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("client", KEY, nullable=False),
        sa.Column("question", WORDS, nullable=False),
        sa.Column("tool", WORDS, nullable=False),
        sa.Column("started", INSTANT, nullable=False),
        sa.Column("ended", INSTANT, nullable=False),
        sa.Column("exit_status", sa.BigInteger(), nullable=True),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("digest", KEY, nullable=False),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_evidence_check_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("check_id", "position", name=op.f("pk_evidence")),
    )
    op.create_index("ix_evidence_job_id", "evidence", ["job_id"])


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("client", KEY, nullable=False),
        sa.Column("run_id", KEY, nullable=True),
        sa.Column("actor", WORDS, nullable=False),
        sa.Column("action", KEY, nullable=False),
        sa.Column("subject", WORDS, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_run_id", "events", ["run_id"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("client", KEY, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("period", WORDS, nullable=False),
        sa.Column("recipient", WORDS, nullable=False),
        sa.Column("sender", WORDS, nullable=False),
        sa.Column("subject", WORDS, nullable=False),
        sa.Column("message_id", WORDS, nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("digest", KEY, nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("unknowns", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("next_attempt_at", INSTANT, nullable=True),
        sa.Column("token", KEY, nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("smtp_code", sa.Integer(), nullable=True),
        sa.Column("answer", WORDS, nullable=False),
        sa.Column("accepted_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "(state = 'leased') = (token IS NOT NULL AND lease_until IS NOT NULL)", name=op.f("ck_outbox_lease")
        ),
        sa.CheckConstraint(
            "state IN ('accepted', 'dead', 'leased', 'queued', 'retry', 'unknown')", name=op.f("ck_outbox_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    op.create_index("ix_outbox_client_created_at", "outbox", ["client", "created_at"])
    op.create_index(
        "ix_outbox_open",
        "outbox",
        ["state", "next_attempt_at"],
        **_only(" OR ".join(f"state = '{state}'" for state in ("leased", "queued", "retry", "unknown"))),
    )


def _workers() -> None:
    op.create_table(
        "workers",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("queues", JSON, nullable=False),
        sa.Column("version", WORDS, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )


def _beats() -> None:
    op.create_table(
        "beats",
        sa.Column("name", WORDS, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_beats")),
    )


def _probe() -> None:
    op.create_table(
        "probe",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probe")),
    )


def _append_only() -> None:
    """The record refuses changes from whoever they come, also by hand."""
    for statement in _SQLITE_GUARDS if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL_GUARDS:
        op.execute(statement)


_SQLITE_GUARDS = (
    """
    CREATE TRIGGER events_no_update BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'lines of the record are never changed'); END
    """,
    """
    CREATE TRIGGER events_no_delete BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'lines of the record are never removed'); END
    """,
    # INSERT OR REPLACE deletes without asking delete triggers
    """
    CREATE TRIGGER events_no_replace BEFORE INSERT ON events
    WHEN EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'lines of the record are never changed'); END
    """,
)
_POSTGRESQL_GUARDS = (
    """
    CREATE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'lines of the record are never changed or removed'; END $$
    """,
    """
    CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION events_refuse()
    """,
    """
    CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION events_refuse()
    """,
)
