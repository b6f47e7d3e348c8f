"""Celery accepts a misspelt task or queue in silence; these do not."""

import inspect
from typing import Any

import pytest
from celery import Celery

from beat_schedule import beat_schedule
from ronde.adapters.queue import app as queue_app
from ronde.adapters.queue.app import make_app
from ronde.model.inventory import Client, Inventory, Provider
from tasks import jobs, mail, schedules

NAMES = (queue_app.FIRE, queue_app.ROLL_CALL, queue_app.DO, queue_app.ADVANCE, queue_app.DELIVER)


@pytest.fixture(scope="module")
def app() -> Celery:
    assert {module.__name__ for module in (jobs, mail, schedules)} == {"tasks.jobs", "tasks.mail", "tasks.schedules"}
    made = make_app("memory://")
    made.finalize()
    return made


def inventory() -> Inventory:
    client = Client.model_validate(
        {
            "client": "commune",
            "name": "Commune",
            "schedules": {
                "night": {"playbook": "backup/check", "at": "0 2 * * *"},
                "off": {"playbook": "backup/check", "at": "0 3 * * *", "enabled": False},
                "morning": {"report": "night", "at": "0 7 * * 1-5"},
            },
        }
    )
    return Inventory(provider=Provider(name="P", sender="p@example.org"), clients={"commune": client})


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_is_sent_is_a_registered_task(app: Celery, name: str) -> None:
    assert name in app.tasks


def test_every_own_task_is_routed_to_a_declared_queue(app: Celery) -> None:
    declared = {queue.name for queue in app.conf.task_queues}
    ours = {name for name in app.tasks if name.startswith("ronde.")}
    assert ours == set(NAMES)
    assert {app.conf.task_routes[name]["queue"] for name in ours} <= declared


def test_an_unknown_queue_is_an_error(app: Celery) -> None:
    with pytest.raises(Exception, match="nowhere"):
        app.send_task(queue_app.FIRE, ["a", "b"], queue="nowhere")


def test_every_beat_entry_fits_its_task(app: Celery) -> None:
    entries: dict[str, dict[str, Any]] = beat_schedule(inventory(), 60)
    assert set(entries) == {"roll-call", "commune/night", "commune/morning"}
    for entry in entries.values():
        task = app.tasks[entry["task"]]
        inspect.signature(task.run).bind(*entry.get("args", ()))


def test_without_an_inventory_the_roll_call_is_left() -> None:
    assert set(beat_schedule(None, 60)) == {"roll-call"}


def test_messages_are_json_and_acknowledged_early(app: Celery) -> None:
    conf = app.conf
    assert conf.task_serializer == "json"
    assert conf.accept_content == ["json"]
    assert conf.result_backend is None
    assert not conf.task_acks_late
    assert conf.worker_disable_prefetch
    assert conf.broker_connection_max_retries is None
    assert conf.broker_transport_options["socket_timeout"] > conf.broker_transport_options["polling_interval"]
