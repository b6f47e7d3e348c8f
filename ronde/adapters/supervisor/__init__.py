"""One machine's processes under one foreground command."""

from ronde.adapters.supervisor.broker import broker_command
from ronde.adapters.supervisor.children import Child, Supervisor

__all__ = ["Child", "Supervisor", "broker_command"]
