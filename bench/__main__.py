"""`python -m bench`: measure, print a table (or JSON), say what was not reached and where the time goes."""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import control, live, patches, schedules, ssh, technician, transaction, vsphere
from bench.figures import Figure, show, to_json
from bench.measuring import machine
from bench.scale import FULL, QUICK, Scale
from lab.process import end, marked
from ronde.adapters.logs import configure_logs

ROWS: Mapping[str, Callable[[Path, Scale], Sequence[Figure]]] = {
    "ssh": ssh.measure,
    "patches": patches.measure,
    "transaction": transaction.measure,
    "vsphere": vsphere.measure,
    "schedules": schedules.measure,
    "control": control.measure,
    "live": live.measure,
    "technician": technician.measure,
}


def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for; 0 even when a goal is missed: a figure is not a failure of the program."""
    asked = _parsed(arguments)
    configure_logs("warning", "console")  # on standard error: standard output is for the figures
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # everything that was started is ended on the way out
    where = machine()
    figures: list[Figure] = []
    for name in asked.only or list(ROWS):
        print(f"measuring: {name}", file=sys.stderr)
        directory = Path(tempfile.mkdtemp(prefix=f"ronde-bench-{name}-")).resolve()
        try:
            figures += ROWS[name](directory, QUICK if asked.quick else FULL)
        finally:
            end(marked(directory), ask=False)
            shutil.rmtree(directory, ignore_errors=True)
    if asked.json:
        print(to_json(figures))
    else:
        show(figures, where)
    return 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), metavar="NAME", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="few hosts, one round: whether it works, not how fast")
    parser.add_argument("--json", action="store_true", help="a list of figures instead of the table")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
