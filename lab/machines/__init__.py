"""Lab machines: Debian with systemd, in Linux namespaces, for what an sshd alone cannot show.

`Machine` is one of them, `MachinePark` several. How one comes about, from below:

- `base` has mmdebstrap make the system, once; `customize.sh` makes it the lab's.
- `disk` is what one machine wrote on top of it; `snapshots` are what was on it earlier, and `hypervisor` switches it.
- `boot.sh` mounts both in fresh namespaces and becomes systemd.
- `watcher` boots it, and boots it again when it reboots; it is the process that a sweep ends.
- `machine` is the handle that tests and the lab hold.
- `packages` are repositories with updates to install, and with the ways in which updates go wrong.
"""

from lab.machines.machine import Machine
from lab.machines.park import MachinePark

__all__ = ["Machine", "MachinePark"]
