"""`reboot`: asked once, and believed only when the host names another boot id."""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from ronde.engine.carrying import Pace
from ronde.engine.procedure.programs import carry, launch_of
from ronde.engine.procedure.result import Result, done, failed, unclear
from ronde.engine.procedure.showing import reboot_command
from ronde.engine.procedure.stage import Stage
from ronde.facts.boot import Boot, boot_question, parse_boot
from ronde.facts.reading import Unreadable
from ronde.facts.units import failed_question, parse_failed
from ronde.model.check import Json
from ronde.model.detached import Carried, Launch, Standing
from ronde.model.errors import Fenced, HostKeyChanged, HostKeyMissing, RemoteError
from ronde.model.units import format_duration, parse_duration

_EVERY: Final = 2.0  # seconds between two looks at a host that is away
ORDER: Final = 60  # seconds that ordering it may take; it returns within one
_LOOKED_FOR: Final = timedelta(seconds=60)  # a host that does not answer the order, and one that is still starting
# Where there is no need, nothing is done; a host that cannot tell is not believed to need none.
_NEEDED: Final = (
    "for f in /run/reboot-required /var/run/reboot-required; do "
    '[ -e "$f" ] && { cat "$f" "$f.pkgs" 2>/dev/null; exit 10; }; '
    "done; if command -v needs-restarting >/dev/null; then said=$(needs-restarting -r 2>&1); r=$?; "
    """printf '%s\\n' "$said"; [ $r -eq 1 ] && exit 10; fi; exit 0"""
)


def reboot(stage: Stage) -> Result:
    """Reboot the host and wait for it.

    Raises:
        RemoteError: it could not be asked in the first place; another attempt takes it up.
    """
    before = stage.record.journal.get("boot_before")
    if before is None:
        if stage.content["when_needed"] and (why := _no_need(stage)) is not None:
            return done(why)
        boot = parse_boot(stage.answer(boot_question().command))
        before = boot.id
        stage.keep(boot_before=boot.id, failed_before=list(_failed_units(stage)), kernel_before=boot.kernel)
    return _away_and_back(stage, str(before))


def _no_need(stage: Stage) -> str | None:
    answer = stage.ask(("sh", "-c", _NEEDED))
    return None if answer.exit_status == 10 else "nothing on the host asks for a reboot"


def _failed_units(stage: Stage) -> list[str]:
    try:
        return list(parse_failed(stage.answer(failed_question().command)))
    except Unreadable:
        return []


def _away_and_back(stage: Stage, before: str) -> Result:
    within = parse_duration(stage.content["within"])
    passage = away_and_back(stage, before, within, launch_of(stage, reboot_command(become=stage.terms.become)))
    match passage.end:
        case Arrival.BACK if passage.boot is not None:
            return _back(stage, before, passage.boot)
        case Arrival.UNTOLD:
            return unclear(passage.words, {"boot_before": before})
        case Arrival.REFUSED:
            return failed(passage.words)
        case Arrival.ANOTHER:
            return failed(passage.words, changed=True)
        case _:
            return failed(passage.words, {"back": False, "boot_before": before}, changed=True)


class Arrival(StrEnum):
    """How a reboot ended."""

    BACK = "back"  # in another boot, and up
    REFUSED = "refused"  # the host did not take the order
    AWAY = "away"  # ordered, and not back in time
    ANOTHER = "another"  # it came back with another key: perhaps another host
    UNTOLD = "untold"  # nobody knows whether it was ordered


@dataclass(frozen=True, slots=True)
class Passage:
    """What became of a reboot; `boot` is the one the host is in now, when it is back."""

    end: Arrival
    words: str
    boot: Boot | None = None


def away_and_back(stage: Stage, before: str, within: timedelta, order: Launch) -> Passage:
    """Order a reboot, once, then look until the host is in another boot than `before` and has finished starting.

    A later attempt comes here with the same values, and finds the order on the host or the host in another boot.

    Raises:
        Fenced, Cancelled, CommandTimeout: as `Signal.check`. CannotDetach: it was not ordered.
    """
    engine = stage.job.engine
    began = engine.clock.now()
    stage.say("rebooting")
    found = _ordered(stage, order, min(within, _LOOKED_FOR))
    if found.standing is Standing.FENCED:
        raise Fenced(found.why)
    if found.standing is Standing.ENDED and found.exit_status not in (0, None) and not found.timed_out:
        said = found.stderr.decode("utf-8", "replace").strip()[-200:]
        return Passage(Arrival.REFUSED, f"the host refused to reboot: {said}")
    spare = timedelta(0) if found.standing is Standing.ENDED else min(within, _LOOKED_FOR)
    ends = max(began + within, engine.clock.now() + spare)
    seen = found.why or "it has not been seen since"
    while True:
        boot = _look(stage)
        if isinstance(boot, Passage):
            return boot
        if isinstance(boot, Boot) and boot.id != before and boot.is_up:
            return Passage(Arrival.BACK, f"boot {before[:8]} before, {boot.id[:8]} now", boot)
        seen = boot if isinstance(boot, str) else f"it is {boot.state or 'there'}, in boot {boot.id[:8]}"
        if engine.clock.now() >= ends:
            break
        stage.job.signal.check()
        engine.pause(_EVERY)
    if found.standing is Standing.ABSENT:
        return Passage(Arrival.UNTOLD, f"whether the reboot was ordered is not known: {seen}")
    return Passage(Arrival.AWAY, f"it did not come back within {format_duration(within)}: {seen}")


def _ordered(stage: Stage, order: Launch, patience: timedelta) -> Carried:
    """What became of the order. It takes the link with it, so that its end is seldom seen and not waited for long.

    The limit of one by sudo stands in sudoers, and is not ours to shorten.
    """
    seconds = patience.total_seconds()
    limit = ORDER if order.sudo else max(1, int(min(ORDER, seconds)))
    return carry(stage, replace(order, limit=limit), Pace(grace=seconds, last_words=seconds))


def _look(stage: Stage) -> Boot | Passage | str:
    """The boot the host is in; what stands in the way otherwise, as words or, when it is for good, as the end."""
    try:
        return parse_boot(stage.job.reopen(stage.job.signal).run(boot_question().command))
    except (HostKeyChanged, HostKeyMissing) as error:
        return Passage(Arrival.ANOTHER, f"it came back as another: {error}")
    except (RemoteError, Unreadable) as error:
        return str(error)


def _back(stage: Stage, before: str, boot: Boot) -> Result:
    known = stage.record.journal.get("failed_before")
    new = [unit for unit in _failed_units(stage) if not isinstance(known, list) or unit not in known]
    facts: dict[str, Json] = {
        "back": True,
        "boot_before": before,
        "boot_now": boot.id,
        "state": boot.state,
        "kernel": boot.kernel,
        "newly_failed": list(new),
    }
    words = f"boot {before[:8]} before, {boot.id[:8]} now"
    if new:
        return failed(f"it is back ({words}), and {', '.join(new)} failed", facts, changed=True)
    return done(words, changed=True, facts=facts)
