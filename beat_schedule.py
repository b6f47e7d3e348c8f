"""The schedules of the inventory as Celery beat entries: data only.

Beat is the first to notice that something is due; the roll call finds what beat lost, and what changed in the inventory
since beat read it. Firing twice is harmless, since each due instant is claimed once in the ledger.
"""

from datetime import timedelta
from typing import Any

from ronde.adapters.queue.app import FIRE, ROLL_CALL
from ronde.adapters.queue.cron import ZonedCron
from ronde.engine.firing import entries
from ronde.model.inventory import Inventory


def beat_schedule(inventory: Inventory | None, roll_call: float) -> dict[str, dict[str, Any]]:
    """Beat's entries: one for each enabled schedule, and the roll call every `roll_call` seconds.

    Without a valid inventory only the roll call is left; it fires everything as soon as the inventory is mended.
    """
    schedule: dict[str, dict[str, Any]] = {
        "roll-call": {
            "task": ROLL_CALL,
            "schedule": timedelta(seconds=roll_call),
            "options": {"expires": roll_call},  # a roll call that nobody took is overtaken by the next
        }
    }
    for client, name, entry in entries(inventory) if inventory else ():
        schedule[f"{client.client}/{name}"] = {
            "task": FIRE,
            "schedule": ZonedCron(entry.at, client.timezone),
            "args": (client.client, name),
        }
    return schedule
