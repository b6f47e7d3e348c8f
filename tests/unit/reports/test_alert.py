"""What a technician is told at once: who, what, where to look; each job once, whatever asks again."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import Any

from ronde.model.inventory import Client, Inventory, Provider
from ronde.model.plan import Target, TargetKind
from ronde.model.records import JobRecord, Trouble
from ronde.model.run import JobState
from ronde.reports.alert import alerts_of

NOW = datetime(2027, 1, 13, 1, 30, tzinfo=UTC)


def job(**more: Any) -> JobRecord:
    trouble = Trouble("unreachable", "patch: it did not come back within 15m", "Look\r\nBcc: at its console")
    target = Target("commune", TargetKind.HOST, "srv-1")
    ended = JobRecord("j" * 32, "r" * 32, target, "patch/linux", JobState.FAILED, None, 1, NOW)
    return replace(ended, **{"finished_at": NOW, "trouble": trouble, **more})


def inventory(*alerts: str, **more: Any) -> Inventory:
    provider = {"name": "Infogérance", "sender": "ronde@infogerance.example", "alerts": alerts, **more}
    return Inventory(
        provider=Provider.model_validate(provider), clients={"commune": Client(client="commune", name="Commune")}
    )


def test_every_technician_is_told_who_what_and_where_to_look() -> None:
    mails, unusable = alerts_of([job()], inventory("a@msp.example", "b@msp.example", "a@msp.example"), NOW)
    assert [mail.recipient for mail in mails] == ["a@msp.example", "b@msp.example"]
    assert not unusable
    message = message_from_bytes(mails[0].raw, policy=default)
    assert message["Subject"] == mails[0].subject
    assert mails[0].subject.replace("\u00a0", " ") == "Commune : srv-1 a besoin de vous maintenant (patch/linux)"
    text = message.get_content()
    assert "le 13/01 à 02" in text.replace("\u00a0", " ")
    assert "did not come back within 15m. Look Bcc: at its console" in text
    assert "ronde show rrrrrrrr" in text
    assert (message["Auto-Submitted"], message["Bcc"]) == ("auto-generated", None)


def test_the_same_job_is_the_same_message_whenever_it_is_told() -> None:
    asked = inventory("a@msp.example", language="en")
    (first,), _ = alerts_of([job()], asked, NOW)
    (later,), _ = alerts_of([job()], asked, NOW.replace(hour=9))
    (other,), _ = alerts_of([job(id="k" * 32)], asked, NOW)
    assert (first.key, first.message_id) == (later.key, later.message_id)
    assert first.key != other.key
    assert first.subject == "Commune: srv-1 needs you now (patch/linux)"


def test_an_address_that_no_header_can_hold_keeps_nobody_else_from_theirs() -> None:
    mails, unusable = alerts_of([job(trouble=None)], inventory("été@msp.example", "b@msp.example"), NOW)
    assert [mail.recipient for mail in mails] == ["b@msp.example"]
    assert len(unusable) == 1
