"""What earlier audits of a host tell: since when something waits, and when the host was last seen through."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from ronde.model.check import Finding, Json
from ronde.model.patch.audit import Memory
from ronde.model.patch.conclusion import memory_json, recall
from ronde.model.patch.thresholds import SECURITY_FAILED, critical

Facts = Mapping[str, Json]


def memory_of(history: Sequence[Facts]) -> Memory:
    """The memory in the newest facts that hold one (`history` is newest first)."""
    return recall(next((facts for facts in history if "security_since" in facts), None))


def verified_at(history: Sequence[Facts]) -> datetime | None:
    """When it could last be told what waits; every check's facts carry it on."""
    told = next((facts["verified_at"] for facts in history if isinstance(facts.get("verified_at"), str)), None)
    return datetime.fromisoformat(told) if isinstance(told, str) else None


def unverified(since: datetime | None, now: datetime) -> Iterator[Finding]:
    """What it comes to when nobody could tell for so long that a security fix would be overdue by now."""
    if since is not None and now - since > SECURITY_FAILED:
        limit = int(SECURITY_FAILED.total_seconds())
        message = f"What waits could last be told on {since:%Y-%m-%d}."
        yield critical("patch-unverified", message, since=since.isoformat(), limit_s=limit)


def carried(history: Sequence[Facts]) -> dict[str, Json]:
    """The facts of a check that learnt nothing: what is remembered, as it was."""
    at = verified_at(history)
    return {**memory_json(memory_of(history)), "verified_at": at.isoformat() if at else None}
