"""What the lab's vCenter runs to have something done to a virtual machine that is coupled to one of its own.

python -m lab.vm DIRECTORY on | off | take TAG | revert TAG | remove TAG
"""

import sys
from pathlib import Path

from lab.hypervisor import obey
from lab.vm.hypervisor import Hypervisor

if __name__ == "__main__":
    obey(Hypervisor(Path(sys.argv[1])), *sys.argv[2:])
