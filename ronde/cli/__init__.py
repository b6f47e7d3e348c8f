"""The command line: it reads the ledger and asks the queue; only `--here` works by itself."""

from ronde.cli.main import app, main

__all__ = ["app", "main"]
