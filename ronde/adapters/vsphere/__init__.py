"""The vSphere API through pyVmomi: pinned, bounded in time, and always logged out."""

from ronde.adapters.vsphere.limits import VCenterLimits
from ronde.adapters.vsphere.pins import ShownCertificate, scan_certificate
from ronde.adapters.vsphere.vcenters import PyVmomiVCenters

__all__ = ["PyVmomiVCenters", "ShownCertificate", "VCenterLimits", "scan_certificate"]
