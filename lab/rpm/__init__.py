"""Machines with real dnf, dnf5 and zypper, and the packages that they are offered.

- `packages` says what there is to install, and in which ways an update goes wrong.
- `roots` makes the tools and the repositories once, and copies machines from them.
"""

from lab.rpm.roots import MANAGERS, Manager, RpmMachine, RpmRoots

__all__ = ["MANAGERS", "Manager", "RpmMachine", "RpmRoots"]
