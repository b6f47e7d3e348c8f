"""Messages in memory; see `ronde.ports.Outbox`."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ronde.model.outbox import Mail, MailResult, Posted, after_silence
from ronde.model.records import MailRecord, Scope
from ronde.model.run import MailEvent, MailState, change_mail, mail_sources
from tests.doubles.memory_store import MailRow, Store


class MemoryOutbox(Store):
    def post(self, mails: Sequence[Mail], now: datetime) -> Sequence[str]:
        new = []
        with self._all_or_nothing():
            for mail in mails:
                if any(known.mail.key == mail.key for known in self._t.mails.values()):
                    continue
                name = secrets.token_hex(12)
                self._t.mails[name] = MailRow(name, mail, now)
                self._tell(now, mail.client, "mail.queue", name)
                new.append(name)
        return new

    def lease_mail(self, now: datetime, *, lease: float, limit: int = 20) -> Sequence[Posted]:
        with self._all_or_nothing():
            for row in list(self._t.mails.values()):
                if row.state is MailState.LEASED and row.lease_until is not None and row.lease_until <= now:
                    posted = row.posted()
                    self._settle(posted, after_silence(posted, answer="the sending process vanished", now=now), now)
            due = sorted((row for row in self._t.mails.values() if _due(row, now)), key=lambda row: row.created_at)
            return [self._lease(row, now, now + timedelta(seconds=lease)) for row in due[:limit]]

    def _lease(self, row: MailRow, now: datetime, until: datetime) -> Posted:
        taken = replace(
            row,
            state=change_mail(row.state, MailEvent.LEASE),
            attempts=row.attempts + 1,
            token=secrets.token_hex(16),
            lease_until=until,
            next_attempt_at=None,
        )
        self._t.mails[row.id] = taken
        self._tell(now, row.mail.client, "mail.lease", row.id)
        return taken.posted()

    def settle_mail(self, posted: Posted, result: MailResult, now: datetime) -> bool:
        with self._all_or_nothing():
            return self._settle(posted, result, now)

    def _settle(self, posted: Posted, result: MailResult, now: datetime) -> bool:
        row = self._t.mails.get(posted.id)
        if row is None or row.token != posted.token or row.state not in mail_sources(result.event):
            return False
        self._t.mails[row.id] = replace(
            row,
            state=change_mail(row.state, result.event),
            token=None,
            lease_until=None,
            answer=result.answer,
            next_attempt_at=result.next_attempt_at,
            accepted_at=now if result.event is MailEvent.ACCEPT else None,
            unknowns=row.unknowns + (result.event is MailEvent.LOSE_ANSWER),
        )
        self._tell(now, row.mail.client, f"mail.{result.event}", row.id)
        return True

    def requeue_mail(self, scope: Scope, mail: str, who: str, now: datetime) -> bool:
        with self._all_or_nothing():
            row = self._t.mails.get(mail)
            if row is None or not scope.holds(row.mail.client) or row.state not in mail_sources(MailEvent.REQUEUE):
                return False
            self._t.mails[mail] = replace(row, state=change_mail(row.state, MailEvent.REQUEUE), next_attempt_at=None)
            self._tell(now, row.mail.client, f"mail.{MailEvent.REQUEUE}", mail, actor=who)
            return True

    def mails(self, scope: Scope, *, since: datetime) -> Sequence[MailRecord]:
        with self._lock:
            found = [m for m in self._t.mails.values() if scope.holds(m.mail.client) and m.created_at >= since]
        return [
            MailRecord(
                row.id,
                row.mail.client,
                row.mail.kind,
                row.mail.recipient,
                row.mail.subject,
                row.state,
                row.attempts,
                row.created_at,
                row.next_attempt_at,
                row.accepted_at,
                row.answer,
            )
            for row in sorted(found, key=lambda row: (row.created_at, row.id), reverse=True)
        ]


def _due(row: MailRow, now: datetime) -> bool:
    if row.state is MailState.QUEUED:
        return True
    waited = row.next_attempt_at is not None and row.next_attempt_at <= now
    return row.state in mail_sources(MailEvent.LEASE) and waited
