"""One logger for all tasks."""

import structlog

log = structlog.get_logger("ronde.tasks")
