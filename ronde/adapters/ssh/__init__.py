"""Hosts reached by SSH: pinned keys, jump hosts, and no wait without an end."""

from ronde.adapters.ssh.connector import Connector
from ronde.adapters.ssh.limits import SshLimits
from ronde.adapters.ssh.scan import scan_host_keys
from ronde.adapters.ssh.shell import SshShell, SshShells

__all__ = ["Connector", "SshLimits", "SshShell", "SshShells", "scan_host_keys"]
