"""Celery on Redis or Valkey: how messages travel, and how beat and workers are configured."""

from ronde.adapters.queue.app import CONTROL, WORK, make_app
from ronde.adapters.queue.sender import CeleryQueue

__all__ = ["CONTROL", "WORK", "CeleryQueue", "make_app"]
