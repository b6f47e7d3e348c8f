"""`service`: a unit brought into a state, acted upon only when it is not already so."""

from dataclasses import dataclass

from ronde.engine.procedure.programs import carried
from ronde.engine.procedure.result import Result, done, failed
from ronde.engine.procedure.showing import systemctl
from ronde.engine.procedure.stage import Stage
from ronde.facts.reading import Unreadable
from ronde.facts.units import Unit, parse_unit, unit_question
from ronde.model.check import Json
from ronde.model.procedure import StepState

_ENABLED = frozenset({"enabled", "enabled-runtime", "static", "alias", "indirect", "generated"})


@dataclass(frozen=True, slots=True)
class Need:
    """What a unit lacks of the wanted state: the systemctl words to say, or the reason why none."""

    verbs: tuple[str, ...]
    reason: str


def need_of(unit: Unit, state: str | None, *, enabled: bool | None) -> Need:
    """What has to be done about a unit, and why; a restart and a reload always act."""
    verbs: list[str] = []
    reasons: list[str] = []
    if enabled is not None:
        so = (unit.enabled in _ENABLED) == enabled
        verbs += [] if so else ["enable" if enabled else "disable"]
        reasons.append(f"it is {'already ' if so else ''}{unit.enabled or 'without an install section'}")
    since = f" since {unit.since}" if unit.since and unit.active == "active" else ""
    if state in ("restarted", "reloaded"):
        verbs.append(state.removesuffix("ed"))
        reasons.append(f"it is {unit.active}{since}")
    elif state is not None:
        so = (unit.active == "active") == (state == "started")
        verbs += [] if so else [{"started": "start", "stopped": "stop"}[state]]
        reasons.append(f"it is {'already ' if so else ''}{unit.active}{since}")
    return Need(tuple(verbs), "; ".join(reasons))


def look_at_unit(stage: Stage) -> Unit | Result:
    """The unit as it stands, or the result that it cannot be acted upon."""
    name = stage.text("name")
    try:
        unit = parse_unit(stage.answer(unit_question(name).command), name)
    except Unreadable as error:
        return failed(str(error))
    return unit if unit.exists else failed(f"there is no unit {name}")


def bring_into_state(stage: Stage) -> Result:
    """Do what is missing, once, and look again."""
    before = look_at_unit(stage)
    if isinstance(before, Result):
        return before
    need = need_of(before, stage.content.get("state"), enabled=stage.content.get("enabled"))
    if stage.resumed and "invocation" in stage.record.journal:
        need = Need(_wanted_verbs(stage), need.reason)  # what was begun is adopted, whatever the unit looks like now
    if not need.verbs:
        return done(need.reason, facts=_facts(before))
    if not stage.resumed:
        stage.keep(invocation=before.invocation, active=before.active, verbs=list(need.verbs))
    for command in systemctl(stage.content, stage.values, become=stage.terms.become):
        if command[1] in need.verbs:
            result = carried(stage, command, part=command[1])
            if result.state is not StepState.DONE:
                return result
    return _looked_again(stage, before, need)


def _wanted_verbs(stage: Stage) -> tuple[str, ...]:
    kept = stage.record.journal.get("verbs")
    return tuple(str(verb) for verb in kept) if isinstance(kept, list) else ()


def _looked_again(stage: Stage, before: Unit, need: Need) -> Result:
    after = look_at_unit(stage)
    if isinstance(after, Result):
        return after
    wanted = stage.content.get("state")
    facts = {**_facts(after), "restarted": after.invocation != before.invocation}
    # A unit that does its work and ends is inactive afterwards, and that is success as systemd counts it.
    ran_through = after.active == "inactive" and after.result == "success" and after.sub in ("dead", "exited")
    if wanted in ("started", "restarted", "reloaded") and not (after.active == "active" or ran_through):
        return failed(f"it is {after.active} ({after.result or after.sub}) afterwards", facts, changed=True)
    if wanted == "stopped" and after.active in ("active", "activating"):
        return failed(f"it is {after.active} afterwards", facts, changed=True)
    return done(f"{', '.join(need.verbs)}: {need.reason} before, {after.active} now", changed=True, facts=facts)


def _facts(unit: Unit) -> dict[str, Json]:
    return {"unit": unit.name, "active": unit.active, "sub": unit.sub, "enabled": unit.enabled, "since": unit.since}
