"""What the lab's vCenter runs to have something done to a machine that is coupled to one of its own.

python -m lab.vm DIRECTORY on | off | take TAG | revert TAG | remove TAG
"""

import sys
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError
from lab.vm.hypervisor import Hypervisor


def main(directory: str, verb: str, *tags: str) -> None:
    """Do what the vCenter asks, or say why not."""
    machine = Hypervisor(Path(directory))
    acts: dict[str, Callable[..., None]] = {
        "on": machine.on,
        "off": machine.off,
        "take": machine.take,
        "revert": machine.revert,
        "remove": machine.remove,
    }
    try:
        acts[verb](*tags)
    except LabError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main(*sys.argv[1:])
