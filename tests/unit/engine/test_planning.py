"""From wishes to frozen plans."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ronde.adapters.files.playbooks import load_playbooks
from ronde.engine.planning import Planner, Wish, next_window, report_job
from ronde.model.errors import InputError
from ronde.model.inventory import Client
from ronde.model.plan import TargetKind, job_from_json, job_json
from ronde.model.units import DailyWindow

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = load_playbooks(ROOT / "playbooks")
AT_TWO = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # 02:00 in Paris
AT_FIVE = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def client() -> Client:
    restic = {"name": "documents", "tool": "restic", "repository": "/srv/r", "password": "file:///p"}
    dump = {"name": "db", "tool": "dump", "path": "/var/backups/*.sql", "format": "pg_dump"}
    host = {"address": "192.0.2.1", "user": "ronde", "key": "file:///k"}
    return Client.model_validate(
        {
            "client": "commune",
            "name": "Commune",
            "timezone": "Europe/Paris",
            "hosts": {
                "bastion": host,
                "srv-a": {
                    **host,
                    "via": "bastion",
                    "tags": ["files"],
                    "backups": [{**restic, "sample": "1/20", "check_window": "04:00-06:00"}, dump],
                },
                "srv-b": {**host, "backups": [dump]},
            },
            "vcenters": {"vc1": {"address": "vc", "user": "u", "password": "file:///p", "certificate": "c/vc1.pem"}},
            "limits": {"per_client": 7, "per_jump_host": 3},
        }
    )


def planner(now: datetime = AT_TWO) -> Planner:
    return Planner(PLAYBOOKS, (timedelta(minutes=2),), now)


def test_a_host_without_backups_is_no_target() -> None:
    jobs = planner().jobs(client(), Wish("backup/check"))
    assert [job.target.name for job in jobs] == ["srv-a", "srv-b"]


def test_the_objectives_are_frozen_in_the_plan() -> None:
    first = planner().jobs(client(), Wish("backup/check"))[0]
    step = next(step for step in first.steps if step.use == "backups")
    assert [backup["name"] for backup in step.parameters["backups"]] == ["documents", "db"]  # type: ignore[union-attr, index, call-overload]  # JSON
    assert step.parameters["backups"][0]["max_age"] == "1d2h"  # type: ignore[index, call-overload]  # JSON


def test_no_secret_but_references_in_the_plan() -> None:
    assert "file:///p" in str(job_json(planner().jobs(client(), Wish("backup/check"))[0]))


def test_a_sample_outside_its_window_waits_for_the_window() -> None:
    jobs = planner().jobs(client(), Wish("backup/check", wait_for_windows=True))
    now, later = [job for job in jobs if job.target.name == "srv-a"]
    assert now.not_before is None
    assert later.not_before == datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    assert later.not_after == datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
    assert next(step for step in later.steps if step.use == "backups").parameters["deep"] == ["documents"]


def test_a_sample_inside_its_window_is_read_at_once() -> None:
    jobs = planner(AT_FIVE).jobs(client(), Wish("backup/check", wait_for_windows=True))
    only = [job for job in jobs if job.target.name == "srv-a"]
    assert len(only) == 1
    assert next(step for step in only[0].steps if step.use == "backups").parameters["deep"] == ["documents"]


def test_a_technician_waits_for_no_window() -> None:
    jobs = planner().jobs(client(), Wish("backup/check", on=("srv-a",)))
    assert len(jobs) == 1
    assert next(step for step in jobs[0].steps if step.use == "backups").parameters["deep"] == []


def test_a_technician_may_ask_for_a_deep_check() -> None:
    jobs = planner().jobs(client(), Wish("backup/check", on=("srv-a",), parameters={"deep": "true"}))
    assert next(step for step in jobs[0].steps if step.use == "backups").parameters["deep"] == ["documents", "db"]


def test_jobs_take_a_place_at_their_client_and_on_each_jump_host() -> None:
    first = planner().jobs(client(), Wish("backup/check"))[0]
    assert {(lane.name, lane.places) for lane in first.lanes} == {("client:commune", 7), ("jump:commune/bastion", 3)}


def test_a_round_is_all_its_parts() -> None:
    kinds = [job.target.kind for job in planner().jobs(client(), Wish("round/night"))]
    assert kinds == [TargetKind.HOST, TargetKind.HOST, TargetKind.VCENTER]


def test_plans_survive_the_ledger() -> None:
    for job in planner().jobs(client(), Wish("round/night", wait_for_windows=True)):
        assert job_from_json(job_json(job)) == job


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish("backup/chek"), 'Did you mean "backup/check"'),
        (Wish("backup/check", on=("srv-aa",)), 'did you mean "srv-a"'),
        (Wish("backup/check", on=("tag:file",)), 'did you mean "files"'),
        (Wish("backup/check", parameters={"deap": "true"}), 'did you mean "deep"'),
        (Wish("backup/check", parameters={"deep": "maybe"}), "neither true nor false"),
    ],
)
def test_a_wrong_wish_names_the_nearest_right_one(wish: Wish, words: str) -> None:
    with pytest.raises(InputError, match=words):
        planner().jobs(client(), wish)


def test_selecting_by_tag_and_name_adds_up() -> None:
    jobs = planner().jobs(client(), Wish("backup/check", ("tag:files", "srv-b")))
    assert list(dict.fromkeys(job.target.name for job in jobs)) == ["srv-a", "srv-b"]


def test_a_window_over_midnight_ends_the_next_day() -> None:
    start, end = next_window(DailyWindow.parse("22:00-02:00"), ZoneInfo("Europe/Paris"), AT_TWO)
    assert start == datetime(2026, 11, 24, 21, 0, tzinfo=UTC)
    assert end == datetime(2026, 11, 25, 1, 0, tzinfo=UTC)


def test_the_digest_of_a_round_changes_with_its_parts() -> None:
    changed = dict(PLAYBOOKS)
    changed["backup/check"] = PLAYBOOKS["backup/check"].model_copy(update={"digest": "0" * 64})
    other = Planner(changed, (), AT_TWO)
    assert other.digest("round/night") != planner().digest("round/night")


def test_a_report_is_a_job_on_the_client() -> None:
    job = report_job(client(), "night", "morning", ())
    assert job.target.kind is TargetKind.CLIENT
    assert job.playbook == "report/night"


def test_a_patch_audit_has_one_job_on_each_linux_host_with_its_parameters_frozen() -> None:
    windows = client().model_dump(mode="json")
    windows["hosts"]["bastion"]["system"] = "windows"
    for night in (True, False):
        wish = Wish("patch/audit", parameters={"refresh": "false"}, wait_for_windows=night)
        jobs = planner().jobs(Client.model_validate(windows), wish)
        assert [job.target.name for job in jobs] == ["srv-a", "srv-b"]
        assert [(step.use, step.parameters) for step in jobs[0].steps] == [("patches", {"refresh": False})]
        assert jobs[0].procedure is None
