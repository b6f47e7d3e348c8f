"""Which function does which action."""

from collections.abc import Callable, Mapping

from ronde.engine.patching.janitor import sweep
from ronde.engine.patching.transaction import patch
from ronde.engine.procedure import machines
from ronde.engine.procedure.checks import make_check
from ronde.engine.procedure.keys import rotate_key
from ronde.engine.procedure.looking import fetch, hold_against, look_at_fact
from ronde.engine.procedure.programs import run_program
from ronde.engine.procedure.reboots import reboot
from ronde.engine.procedure.result import Result
from ronde.engine.procedure.services import bring_into_state
from ronde.engine.procedure.stage import Stage
from ronde.engine.procedure.uploads import put
from ronde.engine.procedure.waiting import wait_until
from ronde.engine.steps import STEPS

Perform = Callable[[Stage], Result]

ACTIONS: Mapping[str, Perform] = {
    "fact": look_at_fact,
    "run": run_program,
    "script": run_program,
    "upload": put,
    "service": bring_into_state,
    "reboot": reboot,
    "patch": patch,
    "wait_for": wait_until,
    "assert": hold_against,
    "fetch": fetch,
    "rotate_key": rotate_key,
    "vsphere.snapshot_create": machines.create,
    "vsphere.snapshot_remove": machines.remove,
    "vsphere.snapshot_revert": machines.revert,
    "vsphere.power": machines.power,
    "vsphere.sweep": sweep,
    **dict.fromkeys(STEPS, make_check),
}
