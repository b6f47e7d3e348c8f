"""What a schedule says of a patch round is what `--param` would say, wherever it stands."""

from typing import Any

import pytest

from ronde.model.inventory import Schedule
from ronde.model.playbook import Parameter, parse_parameters

POLICY = {"policy": "all", "reboot": "never", "exclude": ["nginx*", "mariadb-*"], "bake": "1d12h"}


def schedule(**more: Any) -> Schedule:
    return Schedule.model_validate({"playbook": "patch/linux", "at": "0 22 * * *", **more})


def test_the_keys_of_a_patch_round_are_its_parameters() -> None:
    texts = {"policy": "all", "reboot": "never", "exclude": "nginx* mariadb-*", "bake": "1d12h"}
    assert schedule(**POLICY).given == texts
    assert schedule(parameters=texts).given == texts
    assert schedule(parameters={"revert": "never"}, bake="24h").given == {"revert": "never", "bake": "1d"}
    assert schedule().given == {}


def test_a_length_comes_through_as_it_was_meant() -> None:
    known = {"bake": Parameter(type="duration")}
    assert parse_parameters(known, schedule(bake="90m").given, "p") == {"bake": 5400}


def test_one_name_or_a_list_of_them() -> None:
    assert schedule(window="nights", exclude="nginx*").window == ("nights",)
    assert schedule(exclude="nginx*").given == {"exclude": "nginx*"}


@pytest.mark.parametrize("name", POLICY)
def test_nothing_is_said_in_two_places(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} stands here and among the parameters"):
        schedule(**{name: POLICY[name], "parameters": {name: "x"}})


@pytest.mark.parametrize("more", [{"policy": "all"}, {"window": "nights"}, {"parameters": {"a": 1}}, {"rings": {}}])
def test_a_report_takes_none_of_it(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"parameters are for a playbook|a report is of the whole client"):
        Schedule.model_validate({"report": "night", "at": "0 7 * * *", **more})
