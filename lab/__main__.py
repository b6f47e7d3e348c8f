"""`script/lab`: the lab from the command line."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from lab.errors import LabError
from lab.faults import FAULTS
from lab.site import USUAL_MACHINES
from lab.world import Lab

_DEFAULT_DIRECTORY = Path(__file__).resolve().parents[1] / "var/lab"


def main() -> int:
    """Run one command; the exit status is 0 when it did what it was asked, 1 when not, 2 for a wrong question."""
    chosen = _parser().parse_args()
    signal.signal(signal.SIGTERM, _end)
    try:
        lab = Lab(chosen.dir, chosen.network)
        return int(_COMMANDS[chosen.command](lab, chosen))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: stopped; nothing is left running", file=sys.stderr)
        return 130


def _end(_number: int, _frame: FrameType | None) -> None:
    """Being asked to end is Ctrl-C: clean up, then go."""
    raise KeyboardInterrupt


def _up(lab: Lab, chosen: argparse.Namespace) -> int:
    began = time.monotonic()
    lab.up(chosen.only, machines=_machines(chosen.only, chosen.machines))
    took = time.monotonic() - began
    print(f"up in {took:.1f} s: {len(lab.status())} servers, inventory in {lab.inventory}")
    print(f"look after it: RONDE_ENV_FILE={lab.directory}/ronde.env .venv/bin/ronde status")
    return 0


def _machines(only: Sequence[str], named: Sequence[str] | None) -> Sequence[str]:
    """The hosts to be machines; the option without names means the usual ones among what is brought up."""
    if named is None or named:
        return named or ()
    return [name for name in USUAL_MACHINES if not only or name in only]


def _down(lab: Lab, _chosen: argparse.Namespace) -> int:
    lab.down()
    print("down")
    return 0


def _status(lab: Lab, _chosen: argparse.Namespace) -> int:
    for part in lab.status():
        print(f"{'up  ' if part.running else 'down'}  {part.name:14} {part.address}:{part.port}")
    for fault, since in lab.faults().items():
        print(f"broken: {fault}, since {since:%Y-%m-%d %H:%M:%S} UTC")
    return 0


def _break(lab: Lab, chosen: argparse.Namespace) -> int:
    lab.break_(chosen.name, chosen.on)
    print(f"broken: {chosen.name} on {chosen.on or FAULTS[chosen.name].default}: {FAULTS[chosen.name].summary}")
    return 0


def _mend(lab: Lab, chosen: argparse.Namespace) -> int:
    lab.mend(chosen.name, chosen.on)
    print(f"mended: {chosen.name} on {chosen.on or FAULTS[chosen.name].default}")
    return 0


_COMMANDS = {"up": _up, "down": _down, "status": _status, "break": _break, "mend": _mend}


def _parser() -> argparse.ArgumentParser:
    usual = ", ".join(USUAL_MACHINES)
    faults = "\n".join(f"  {fault.name:24} {fault.summary} ({fault.default})" for fault in FAULTS.values())
    parser = argparse.ArgumentParser(
        prog="script/lab",
        description="Real servers on this one machine, with faults by name.",
        epilog=f"faults, and what they are put on unless told otherwise:\n{faults}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(dir=_DEFAULT_DIRECTORY, network=None)
    shared = argparse.ArgumentParser(add_help=False)
    for one in (parser, shared):  # before the command or after it
        suppressed = argparse.SUPPRESS  # so that the command's own default does not undo what stood before it
        one.add_argument("--dir", type=Path, default=suppressed, help="the lab's directory (default: var/lab)")
        one.add_argument("--network", default=suppressed, help="first three numbers of its addresses (127.77.0)")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", parents=[shared], help="bring it up, whole and healthy")
    up.add_argument("--only", nargs="+", default=[], metavar="PART", help="hosts, vc1, mail, broker (default: all)")
    up.add_argument(
        "--machines",
        nargs="*",
        metavar="HOST",
        help=f"hosts that are whole machines with systemd and apt; needs root (without names: {usual})",
    )
    commands.add_parser("down", parents=[shared], help="end all that up started")
    commands.add_parser("status", parents=[shared], help="what runs, and what is broken")
    for name, what in (("break", "put a fault in"), ("mend", "take a fault out")):
        command = commands.add_parser(name, parents=[shared], help=what)
        command.add_argument("name", choices=list(FAULTS), metavar="NAME")
        command.add_argument("--on", metavar="TARGET", help="another backup, host or machine than the usual one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
