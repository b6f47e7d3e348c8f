EMPTY = "bench.empty"
"""The task that does nothing."""

PROFILE = "RONDEBENCH_PROFILE"
"""The variable that names the file for the CPU seconds by part; not `RONDE_…`, which are settings."""
