"""What is stored holds no secret that this process has read."""

from datetime import UTC, datetime

from ronde.engine.redacting import KnownSecrets, redact_outcome
from ronde.model.check import Check, Exchange, Finding
from ronde.model.records import JobOutcome, Trouble
from ronde.model.run import JobState
from ronde.model.verdict import Level, Severity
from tests.doubles.secrets import ScriptedSecrets

SECRET = "correct-horse-battery"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def known(*values: str) -> KnownSecrets:
    scripted = ScriptedSecrets()
    secrets = KnownSecrets(scripted)
    for value in values:
        scripted.values[f"file:///{value}"] = value.encode()
        assert secrets.read(f"file:///{value}") == value.encode()
    return secrets


def outcome() -> JobOutcome:
    """A secret in every place that holds text."""
    text = f"before {SECRET} after"
    exchange = Exchange(text, NOW, NOW, 0, text.encode(), text.encode(), "restic 0.14.0")
    check = Check(
        "documents",
        "restic",
        "srv",
        findings=(Finding("rule", Severity.CRITICAL, text, {"deep": {"list": [text, 7]}}),),
        level=Level.PRESENT,
        evidence_at=NOW,
        facts={"told": text, "nested": [{"more": text}], "count": 3},
        exchanges=(exchange,),
    )
    return JobOutcome(JobState.FAILED, (check,), Trouble("remote", text, text))


def test_a_known_secret_is_taken_out_of_every_text() -> None:
    clean = redact_outcome(outcome(), known(SECRET).redactor())
    assert SECRET not in repr(clean)
    (check,) = clean.checks
    (exchange,) = check.exchanges
    assert SECRET.encode() not in exchange.output + exchange.errors
    assert SECRET not in exchange.question


def test_what_is_no_secret_stays_as_it_was() -> None:
    before = outcome()
    clean = redact_outcome(before, known("another-one").redactor())
    assert clean == before


def test_figures_and_verdicts_stay() -> None:
    before, clean = outcome(), redact_outcome(outcome(), known(SECRET).redactor())
    assert [check.verdict for check in clean.checks] == [check.verdict for check in before.checks]
    assert clean.checks[0].facts["count"] == 3
    assert clean.checks[0].evidence_at == NOW
    assert (clean.state, clean.trouble and clean.trouble.code) == (JobState.FAILED, "remote")


def test_a_secret_read_later_is_known_from_then_on() -> None:
    scripted = ScriptedSecrets()
    secrets = KnownSecrets(scripted)
    early = secrets.redactor()
    scripted.values["file:///s"] = SECRET.encode()
    secrets.read("file:///s")
    assert SECRET in repr(redact_outcome(outcome(), early))
    assert SECRET not in repr(redact_outcome(outcome(), secrets.redactor()))
    assert secrets.redactor() is secrets.redactor()
