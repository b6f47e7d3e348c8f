"""A short name for exactly this inventory."""

import hashlib
import json

from ronde.model.inventory.clients import Inventory


def inventory_digest(inventory: Inventory) -> str:
    """SHA-256 (hex) of what the inventory means: comments, order of keys and formatting do not change it."""
    content = json.dumps(inventory.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()
