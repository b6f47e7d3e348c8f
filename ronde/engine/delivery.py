"""Sending what waits in the outbox, one message and one recipient at a time, and settling what the relay said."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import structlog

from ronde.model.errors import MailError, MailUncertain, RelayUnusable
from ronde.model.outbox import MailResult, Posted, after_refusal, after_silence
from ronde.model.run import MailEvent
from ronde.ports import Clock, Mailer, Outbox

log = structlog.get_logger(__name__)
LEASE_S = 300.0  # twice the longest a mailer may take with one message
MOST = 500  # messages in one round; the next roll call goes on
JITTER = 0.2  # so that messages refused together do not come back together


class Sent(StrEnum):
    """What one try came to."""

    ACCEPTED = "accepted"
    DELAYED = "delayed"
    DEAD = "dead"
    UNCERTAIN = "uncertain"
    UNSETTLED = "unsettled"  # the lease was lost meanwhile; whoever holds it now settles


@dataclass(frozen=True, slots=True)
class Delivered:
    """One round's count of messages, by what became of them.

    Attributes:
        stopped: why the round ended early, when the relay itself could not be used; what was not tried stays queued.
    """

    accepted: int = 0
    delayed: int = 0
    dead: int = 0
    uncertain: int = 0
    unsettled: int = 0
    stopped: str = ""

    def plus(self, sent: Sent) -> "Delivered":
        return replace(self, **{sent.value: getattr(self, sent.value) + 1})


def deliver_due(ledger: Outbox, mailer: Mailer, clock: Clock) -> Delivered:
    """Send every message that is due, each under a lease of its own.

    A relay that cannot be used ends the round after one try, so it is not hammered and one message at most has to wait
    longer for it.

    Raises:
        LedgerError: the ledger could not be asked or told; a message sent just before is then sent once more, under
            the same Message-ID.
    """
    done = Delivered()
    for _ in range(MOST):
        leased = ledger.lease_mail(clock.now(), lease=LEASE_S, limit=1)
        if not leased:
            break
        result, stopped = _try(mailer, leased[0], clock)
        kept = ledger.settle_mail(leased[0], result, clock.now())
        sent = _OUTCOMES[result.event] if kept else Sent.UNSETTLED
        done = done.plus(sent)
        log.info("mail", id=leased[0].id, outcome=sent.value, answer=result.answer, next=_iso(result.next_attempt_at))
        if stopped:
            return replace(done, stopped=stopped)
    return done


_OUTCOMES = {
    MailEvent.ACCEPT: Sent.ACCEPTED,
    MailEvent.DELAY: Sent.DELAYED,
    MailEvent.GIVE_UP: Sent.DEAD,
    MailEvent.LOSE_ANSWER: Sent.UNCERTAIN,
}


def _try(mailer: Mailer, posted: Posted, clock: Clock) -> tuple[MailResult, str]:
    """What one try came to, and why the round must end, if it must."""
    try:
        return MailResult(MailEvent.ACCEPT, mailer.send(posted), 250), ""
    except MailUncertain as error:
        now = clock.now()
        return spread(after_silence(posted, answer=str(error), now=now), posted, now), ""
    except RelayUnusable as error:
        return _refused(posted, error, clock, permanent=False), str(error)
    except MailError as error:
        return _refused(posted, error, clock, permanent=error.permanent), ""


def _refused(posted: Posted, error: MailError, clock: Clock, *, permanent: bool) -> MailResult:
    now = clock.now()
    result = after_refusal(posted, permanent=permanent, answer=str(error), code=error.smtp_code, now=now)
    return spread(result, posted, now)


def spread(result: MailResult, posted: Posted, now: datetime) -> MailResult:
    """The next try moved by up to a fifth of the wait, always the same for the same try at the same message."""
    if result.next_attempt_at is None:
        return result
    seed = hashlib.sha256(f"{posted.id}/{posted.attempts}".encode()).digest()
    share = int.from_bytes(seed[:4]) / 0xFFFFFFFF * 2 - 1
    return replace(result, next_attempt_at=now + (result.next_attempt_at - now) * (1 + JITTER * share))


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
