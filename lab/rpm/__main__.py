"""Make the tools and repositories ahead of time: `python -m lab.rpm`, or with `dnf5` for what the slow tests need."""

import sys

from lab.rpm.roots import MANAGERS, RpmRoots

for manager in MANAGERS:
    if manager in (sys.argv[1:] or ("dnf", "zypper")):
        RpmRoots().prepare(manager)
