"""Messages to people: stored first, taken under a lease, settled by what the relay said."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, or_, select, update

from ronde.adapters.ledger.part import MACHINERY, AnyRow, Part, among, event, new_id, tell, within
from ronde.adapters.ledger.tables import MAIL_OPEN, outbox
from ronde.model.check import Json
from ronde.model.outbox import Mail, MailResult, Posted, after_silence
from ronde.model.records import Scope
from ronde.model.run import MailEvent, MailState, change_mail, mail_sources

_open = among(outbox.c.state, MAIL_OPEN)  # for the index
_now = bindparam("now", type_=outbox.c.lease_until.type)
_POSTED = (
    outbox.c.id,
    outbox.c.client,
    outbox.c.token,
    outbox.c.sender,
    outbox.c.recipient,
    outbox.c.raw,
    outbox.c.attempts,
    outbox.c.unknowns,
    outbox.c.created_at,
    outbox.c.state,
)
_ABANDONED = (
    select(*_POSTED)
    .where(_open, among(outbox.c.state, mail_sources(MailEvent.LOSE_ANSWER)), outbox.c.lease_until <= _now)
    .with_for_update(skip_locked=True)
)
# A message in doubt that is not to be sent again has no next attempt, and waits here for a person.
_due = and_(
    _open,
    among(outbox.c.state, mail_sources(MailEvent.LEASE)),
    or_(among(outbox.c.state, {MailState.QUEUED}), outbox.c.next_attempt_at <= _now),
)
_DUE = (
    select(*_POSTED)
    .where(_due)
    .order_by(outbox.c.created_at, outbox.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_LEASE = (
    update(outbox)
    .where(outbox.c.id == bindparam("mail"), among(outbox.c.state, mail_sources(MailEvent.LEASE)))
    .values(
        state=change_mail(MailState.QUEUED, MailEvent.LEASE).value,
        attempts=outbox.c.attempts + 1,
        token=bindparam("fence"),
        lease_until=bindparam("until"),
        next_attempt_at=None,
    )
)
_SETTLE = {
    what: update(outbox)
    .where(outbox.c.id == bindparam("mail"), outbox.c.token == bindparam("fence"))
    .where(among(outbox.c.state, mail_sources(what)))
    .values(
        state=change_mail(MailState.LEASED, what).value,
        token=None,
        lease_until=None,
        answer=bindparam("said"),
        smtp_code=bindparam("code"),
        next_attempt_at=bindparam("again"),
        accepted_at=bindparam("accepted"),
        unknowns=outbox.c.unknowns + (1 if what is MailEvent.LOSE_ANSWER else 0),
    )
    for what in (MailEvent.ACCEPT, MailEvent.DELAY, MailEvent.GIVE_UP, MailEvent.LOSE_ANSWER)
}
_REQUEUE = (
    update(outbox)
    .where(outbox.c.id == bindparam("mail"), among(outbox.c.state, mail_sources(MailEvent.REQUEUE)))
    .values(state=change_mail(MailState.DEAD, MailEvent.REQUEUE).value, next_attempt_at=None)
)
_CLIENT = select(outbox.c.client).where(outbox.c.id == bindparam("mail"))


class SqlOutbox(Part):
    """See `ronde.ports.Outbox`."""

    def post(self, mails: Sequence[Mail], now: datetime) -> Sequence[str]:
        new = []
        with self._db.write() as connection:
            for mail in mails:
                row = _mail_row(mail, now)
                if self._db.add_if_new(connection, outbox, row):
                    data: dict[str, Json] = {"kind": mail.kind, "period": mail.period, "digest": row["digest"]}
                    tell(connection, event(now, mail.client, "mail.queue", row["id"], data=data))
                    new.append(str(row["id"]))
        return new

    def lease_mail(self, now: datetime, *, lease: float, limit: int = 20) -> Sequence[Posted]:
        with self._db.read() as connection:
            if not any(connection.execute(look, {"now": now, "most": 1}).first() for look in (_ABANDONED, _DUE)):
                return ()
        until = now + timedelta(seconds=lease)
        with self._db.write() as connection:
            for row in connection.execute(_ABANDONED, {"now": now}).all():
                result = after_silence(_posted(row), answer="the sending process vanished", now=now)
                _settle(connection, row.client, _posted(row), result, now)
            found = connection.execute(_DUE, {"now": now, "most": limit}).all()
            return [_take(connection, row, now, until) for row in found]

    def settle_mail(self, posted: Posted, result: MailResult, now: datetime) -> bool:
        with self._db.write() as connection:
            client = connection.execute(_CLIENT, {"mail": posted.id}).scalar()
            return client is not None and _settle(connection, client, posted, result, now)

    def requeue_mail(self, scope: Scope, mail: str, who: str, now: datetime) -> bool:
        with self._db.write() as connection:
            client = connection.execute(_CLIENT.where(within(outbox.c.client, scope)), {"mail": mail}).scalar()
            if client is None or connection.execute(_REQUEUE, {"mail": mail}).rowcount != 1:
                return False
            tell(connection, event(now, client, f"mail.{MailEvent.REQUEUE}", mail, actor=who))
            return True


def _take(connection: Connection, row: AnyRow, now: datetime, until: datetime) -> Posted:
    token = secrets.token_hex(16)
    connection.execute(_LEASE, {"mail": row.id, "fence": token, "until": until})
    attempts = row.attempts + 1
    line = event(now, row.client, f"mail.{MailEvent.LEASE}", row.id, data={"attempt": attempts})
    tell(connection, line)
    return Posted(row.id, token, row.sender, row.recipient, row.raw, attempts, row.unknowns, row.created_at)


def _settle(connection: Connection, client: str, posted: Posted, result: MailResult, now: datetime) -> bool:
    settled = connection.execute(
        _SETTLE[result.event],
        {
            "mail": posted.id,
            "fence": posted.token,
            "said": result.answer,
            "code": result.smtp_code,
            "again": result.next_attempt_at,
            "accepted": now if result.event is MailEvent.ACCEPT else None,
        },
    )
    if settled.rowcount != 1:
        return False
    data: dict[str, Json] = {"attempt": posted.attempts, "answer": result.answer, "code": result.smtp_code}
    line = event(now, client, f"mail.{result.event}", posted.id, actor=MACHINERY, data=data)
    tell(connection, line)
    return True


def _posted(row: AnyRow) -> Posted:
    return Posted(row.id, row.token, row.sender, row.recipient, row.raw, row.attempts, row.unknowns, row.created_at)


def _mail_row(mail: Mail, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "key": mail.key,
        "client": mail.client,
        "kind": mail.kind,
        "period": mail.period,
        "recipient": mail.recipient,
        "sender": mail.sender,
        "subject": mail.subject,
        "message_id": mail.message_id,
        "raw": mail.raw,
        "digest": mail.digest,
        "state": MailState.QUEUED.value,
        "attempts": 0,
        "unknowns": 0,
        "created_at": now,
        "answer": "",
    }
