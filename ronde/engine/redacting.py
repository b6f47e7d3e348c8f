"""Secrets are taken out of everything before it is stored."""

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

from ronde.model.check import Check, Exchange, Finding, Json
from ronde.model.procedure import StepRecord
from ronde.model.records import JobOutcome, Trouble
from ronde.model.redaction import Redactor
from ronde.ports import SecretStore


class KnownSecrets:
    """Hands secrets on and remembers them, so that whatever is stored later can be searched for all of them.

    One for the whole process: a secret of one client that turns up in the output of another is taken out as well.
    """

    def __init__(self, secrets: SecretStore) -> None:
        self._secrets = secrets
        self._values: set[bytes] = set()
        self._redactor: Redactor | None = None
        self._lock = threading.Lock()

    def read(self, reference: str) -> bytes:
        return self._learnt(self._secrets.read(reference))

    def require_writable(self, reference: str) -> None:
        self._secrets.require_writable(reference)

    def find(self, reference: str) -> bytes | None:
        value = self._secrets.find(reference)
        return None if value is None else self._learnt(value)

    def replace(self, reference: str, content: bytes) -> None:
        self._secrets.replace(reference, self._learnt(content))

    def remove(self, reference: str) -> None:
        """Remove a secret; it goes on being taken out of what is stored, since it may still be said somewhere."""
        self._secrets.remove(reference)

    def exclusively(self, reference: str) -> AbstractContextManager[None]:
        return self._secrets.exclusively(reference)

    def note(self, reference: str) -> bytes | None:
        """What is kept like a secret and is none, so that nothing need be taken out of anywhere; raises as `find`."""
        return self._secrets.find(reference)

    def keep_note(self, reference: str, content: bytes) -> None:
        """Keep it, as `replace` does."""
        self._secrets.replace(reference, content)

    def _learnt(self, value: bytes) -> bytes:
        with self._lock:
            if value not in self._values:
                self._values.add(value)
                self._redactor = None
        return value

    def redactor(self) -> Redactor:
        """A redactor for every secret read so far in this process."""
        with self._lock:
            if self._redactor is None:
                self._redactor = Redactor(self._values)
            return self._redactor


def redact_outcome(outcome: JobOutcome, redactor: Redactor) -> JobOutcome:
    """The outcome with every known secret, and everything that looks like one, taken out of every text in it."""
    trouble = outcome.trouble
    return replace(
        outcome,
        checks=tuple(redact_check(check, redactor) for check in outcome.checks),
        trouble=None if trouble is None else _trouble(trouble, redactor),
    )


def redact_check(check: Check, redactor: Redactor) -> Check:
    """One check without secrets."""
    return replace(
        check,
        findings=tuple(_finding(finding, redactor) for finding in check.findings),
        facts=_mapping(check.facts, redactor),
        exchanges=tuple(redact_exchange(exchange, redactor) for exchange in check.exchanges),
    )


def redact_exchange(exchange: Exchange, redactor: Redactor) -> Exchange:
    """One exchange without secrets."""
    return replace(
        exchange,
        question=_text(exchange.question, redactor),
        output=redactor.redact(exchange.output),
        errors=redactor.redact(exchange.errors),
    )


def redact_record(record: StepRecord, redactor: Redactor) -> StepRecord:
    """What is kept of one step, without secrets."""
    return replace(record, reason=_text(record.reason, redactor), facts=_mapping(record.facts, redactor))


def _finding(finding: Finding, redactor: Redactor) -> Finding:
    return replace(finding, message=_text(finding.message, redactor), evidence=_mapping(finding.evidence, redactor))


def _trouble(trouble: Trouble, redactor: Redactor) -> Trouble:
    return replace(trouble, message=_text(trouble.message, redactor), advice=_text(trouble.advice, redactor))


def _text(text: str, redactor: Redactor) -> str:
    return redactor.redact(text.encode()).decode("utf-8", "replace")


def _mapping(values: Mapping[str, Json], redactor: Redactor) -> dict[str, Json]:
    return {name: _json(value, redactor) for name, value in values.items()}


def _json(value: Json, redactor: Redactor) -> Json:
    if isinstance(value, str):
        return _text(value, redactor)
    if isinstance(value, Mapping):
        return _mapping(value, redactor)
    if isinstance(value, list | tuple):
        return [_json(item, redactor) for item in value]
    return value
