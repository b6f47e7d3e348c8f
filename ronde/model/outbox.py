"""Messages to people as frozen bytes, and when a refused one is tried again."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from ronde.model.run import MailEvent

# 4xx: 1, 5, 15 min, 1, 4, 12 h; RFC 5321 §4.5.4.1 asks for growing intervals and to give up only after days
RETRY_STEPS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
)
GIVE_UP_AFTER = timedelta(hours=48)
UNKNOWN_RESENDS = 1  # a report whose acceptance is not known is sent once more, under the same Message-ID


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one recipient, rendered once; what is retried, archived and hashed is these bytes.

    Attributes:
        key: idempotency key; a second message with the same key is never queued.
        kind: `report/night`, …; `period`: what it speaks of.
        raw: the complete message with headers, SMTP line endings.
    """

    key: str
    client: str
    kind: str
    period: str
    recipient: str
    sender: str
    subject: str
    message_id: str
    raw: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that this process may send until its lease ends."""

    id: str
    token: str
    sender: str
    recipient: str
    raw: bytes
    attempts: int
    unknowns: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MailResult:
    """What one try came to, and when the next one is due (with `DELAY` and `LOSE_ANSWER`)."""

    event: MailEvent
    answer: str = ""
    smtp_code: int | None = None
    next_attempt_at: datetime | None = None


def mail_key(client: str, kind: str, period: str, revision: int, recipient: str) -> str:
    """The idempotency key of a message."""
    return hashlib.sha256("|".join((client, kind, period, str(revision), recipient)).encode()).hexdigest()


def after_refusal(posted: Posted, *, permanent: bool, answer: str, code: int | None, now: datetime) -> MailResult:
    """A refusal for good ends it; a passing one is tried again in growing steps for 48 hours."""
    wait = RETRY_STEPS[min(posted.attempts, len(RETRY_STEPS)) - 1]
    if permanent or now + wait - posted.created_at > GIVE_UP_AFTER:
        return MailResult(MailEvent.GIVE_UP, answer, code)
    return MailResult(MailEvent.DELAY, answer, code, now + wait)


def after_silence(posted: Posted, *, answer: str, now: datetime) -> MailResult:
    """A lost answer: once more under the same Message-ID, then it stays `unknown` for a person to look at."""
    again = posted.unknowns < UNKNOWN_RESENDS
    return MailResult(MailEvent.LOSE_ANSWER, answer, None, now + RETRY_STEPS[0] if again else None)
