"""The check of a host's clock: every freshness rule leans on it."""

from datetime import timedelta

from ronde.engine.backups.asking import Interview
from ronde.facts.clock import clock_question, parse_clock
from ronde.model.backup.thresholds import SKEW_FAILED, SKEW_WARNING, critical, unknown, warning
from ronde.model.check import Check, Finding, Json
from ronde.model.errors import RemoteError
from ronde.model.verdict import Level
from ronde.ports import Clock, Shell

_OBJECTIVE: dict[str, Json] = {
    "warning_s": int(SKEW_WARNING.total_seconds()),
    "failed_s": int(SKEW_FAILED.total_seconds()),
}


def check_clock(shell: Shell, host: str, clock: Clock) -> Check:
    """How far the host's clock is off: over 60 s a warning, over 300 s a failure; facts hold `skew_s`.

    Raises:
        Fenced, Cancelled: the work must stop.
    """
    interview = Interview(shell, clock)
    try:
        skew = parse_clock(interview.ask(clock_question()))
    except RemoteError as error:
        skew = unknown("backup-unreachable", error.message, code=error.code)
    exchanges = tuple(interview.exchanges)
    if isinstance(skew, Finding):
        return Check("clock", "clock", host, (skew,), objective=_OBJECTIVE, exchanges=exchanges)
    facts: dict[str, Json] = {"skew_s": int(skew.total_seconds())}
    return Check(
        "clock", "clock", host, _judge(skew), Level.REACHABLE, clock.now(), facts, _OBJECTIVE, exchanges=exchanges
    )


def skew_of(check: Check) -> timedelta:
    """The skew that freshness rules allow for; none when it could not be measured."""
    seconds = check.facts.get("skew_s")
    return timedelta(seconds=seconds) if isinstance(seconds, int) else timedelta(0)


def _judge(skew: timedelta) -> tuple[Finding, ...]:
    off = abs(skew)
    if off <= SKEW_WARNING:
        return ()
    weigh = critical if off > SKEW_FAILED else warning
    side = "ahead of" if skew > timedelta(0) else "behind"
    message = f"The host's clock is {off.total_seconds():.0f} s {side} ours."
    return (weigh("clock-skew", message, skew_s=int(skew.total_seconds()), **_OBJECTIVE),)
