"""What a dry run says of a step that changes something: what it would do, and why it would or would not."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from ronde.engine.patching.foreseeing import foresee_patch
from ronde.engine.patching.janitor import foresee_sweep
from ronde.engine.procedure import machines, showing
from ronde.engine.procedure.keys import foretold
from ronde.engine.procedure.result import Result
from ronde.engine.procedure.services import look_at_unit, need_of
from ronde.engine.procedure.stage import Stage
from ronde.engine.procedure.uploads import content_of, missing
from ronde.engine.vmchanges import (
    Access,
    Foreseen,
    find_machine,
    foresee_power,
    foresee_removal,
    foresee_revert,
    foresee_snapshot,
)
from ronde.model.check import Json
from ronde.model.procedure import StepState

Foresee = Callable[[Stage], Result]


def would(stage: Stage, why: str = "") -> Result:
    """It would be done."""
    facts: dict[str, Json] = {"would": True}
    return Result(StepState.SKIPPED, f"would run: {stage.shown}" + (f" ({why})" if why else ""), facts=facts)


def would_not(why: str) -> Result:
    """Nothing would be done, and why."""
    return Result(StepState.SKIPPED, f"nothing to do: {why}", facts={"would": False})


def _service(stage: Stage) -> Result:
    unit = look_at_unit(stage)
    if isinstance(unit, Result):
        return unit
    need = need_of(unit, stage.content.get("state"), enabled=stage.content.get("enabled"))
    return would(stage, need.reason) if need.verbs else would_not(need.reason)


def _upload(stage: Stage) -> Result:
    why = missing(stage, showing.digest(content_of(stage)))
    if why == "other":
        return would(stage, "and fail: something that is no file stands in its place")
    return would(stage, why) if why is not None else would_not("it is already there")


def _rotate_key(stage: Stage) -> Result:
    acts, words = foretold(stage)
    return would(stage, words if acts else f"and fail: {words}")


def _create(stage: Stage) -> Result:
    request = machines.create_request(stage)
    return _on_vcenter(stage, lambda access: foresee_snapshot(access, request))


def _remove(stage: Stage) -> Result:
    vm, snapshot = stage.text("vm"), stage.text("snapshot")
    return _on_vcenter(stage, lambda access: foresee_removal(access, vm, snapshot))


def _revert(stage: Stage) -> Result:
    vm, snapshot, by = stage.text("vm"), stage.text("snapshot"), machines.answerable(stage)

    def look(access: Access) -> Foreseen:
        machines.spare(stage, find_machine(access, vm).name)
        return foresee_revert(access, vm, snapshot, by)

    return _on_vcenter(stage, look)


def _power(stage: Stage) -> Result:
    request = machines.power_request(stage)
    return _on_vcenter(stage, lambda access: foresee_power(access, request))


def _sweep(stage: Stage) -> Result:
    due = foresee_sweep(stage)
    return would(stage, ", ".join(due)) if due else would_not("no snapshot of ours has outlived its time")


def _on_vcenter(stage: Stage, look: Callable[[Access], Foreseen]) -> Result:
    with machines.access_to(stage, stage.job.target.name) as access:
        seen = look(access)
    told = " ".join(finding.message for finding in seen.obstacles)
    result = would_not(seen.needless) if seen.needless else would(stage, f"and be refused: {told}" if told else "")
    return replace(result, findings=seen.obstacles, exchanges=seen.exchanges)


_BY_ACTION: Mapping[str, Foresee] = {
    "service": _service,
    "upload": _upload,
    "rotate_key": _rotate_key,
    "patch": foresee_patch,
    "vsphere.snapshot_create": _create,
    "vsphere.snapshot_remove": _remove,
    "vsphere.snapshot_revert": _revert,
    "vsphere.power": _power,
    "vsphere.sweep": _sweep,
}


def foresee(stage: Stage) -> Result:
    """Look at what a step would meet, and change nothing."""
    return _BY_ACTION.get(stage.step.use, would)(stage)
