"""A virtual machine under QEMU, all in software: for what no namespace can show.

It boots a kernel of its own, loses its page cache with its power, and has a disk that a snapshot takes back. It is
slow: half a minute from power to ssh. A `lab.machines.Machine` shows everything else, in a second.

- `image` has mmdebstrap make the disk and the kernel, once; `customize.sh` makes them the lab's.
- `seed` is what makes one machine that very one.
- `hypervisor` is QEMU: power, and snapshots of the disk. The lab's vCenter reaches it too (`VCenterServer.couple`), so
  that a snapshot taken and gone back to over the vSphere API is one of a real disk.
- `wire` talks with QEMU's monitor and with the agent in the guest.
- `machine` is the handle that tests hold.
"""

from lab.vm.machine import VirtualMachine

__all__ = ["VirtualMachine"]
