"""A vCenter for the lab: govmomi's simulator behind a front that can be slow, fail and fall silent."""

from lab.vcenter.server import VCenterServer

__all__ = ["VCenterServer"]
