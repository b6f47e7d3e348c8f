"""What an action is called where people read it: durations as they are written, whoever filled them in."""

from typing import Any

import pytest

from ronde.engine.procedure.showing import shown

PATCH: dict[str, Any] = {
    "policy": "all", "reboot": "never", "snapshot": "auto", "revert": "never", "bake": "{{ bake }}", "exclude": [],
    "approved": "",
}  # fmt: skip
CREATE: dict[str, Any] = {"vm": "web", "purpose": "patch", "keep": "{{ keep }}"}


@pytest.mark.parametrize(("given", "said"), [(86400, "1d"), ("36h", "36h"), (5400, "1h30m")])
def test_how_long_a_snapshot_is_kept_is_said_as_a_duration(given: int | str, said: str) -> None:
    assert f", kept {said}, revert never" in shown("patch", PATCH, {"bake": given})
    assert shown("vsphere.snapshot_create", CREATE, {"keep": given}).endswith(f"kept {said}")
