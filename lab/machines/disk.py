"""A machine's own disk: what it has written on top of the base system; kept over reboots, stops and power cuts."""

import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.identity import Identity
from lab.keys import host_keys

_SSHD = """\
Port {port}
ListenAddress {address}
AuthorizedKeysFile /etc/ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
MaxStartups 1000:30:2000
MaxSessions 100
"""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk in `directory`, above the read-only system at `base`.

    It is an overlay whose `upper` and `work` folders are here. Where the file system cannot carry one (it is itself an
    overlay, in a container), it is a whole `copy` of the base. `boot.sh` mounts it at `merged`, in the machine's own
    mount namespace: from outside, that folder stays empty.
    """

    directory: Path
    base: Path

    def prepare(self) -> None:
        """Make the disk, blank, where there is none yet."""
        for name in ("upper", "work", "merged"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        if not self._copy.exists() and not self._carries_an_overlay():
            unfinished = self.directory / "copy.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            subprocess.run(["cp", "--archive", "--reflink=auto", str(self.base), str(unfinished)], check=True)
            unfinished.rename(self._copy)

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        """Write a file (`path` is absolute on the machine) while the machine is off."""
        top = self._copy if self._copy.exists() else self.directory / "upper"
        target = top / path.lstrip("/")
        self._make_folders(target.parent.relative_to(top), top)
        target.touch(mode=0o600)
        target.write_text(content, encoding="utf-8")
        target.chmod(mode)

    @property
    def _copy(self) -> Path:
        return self.directory / "copy"

    def _make_folders(self, path: Path, top: Path) -> None:
        """Make folders that hide those of the base under the same owner and mode."""
        for folder in reversed([path, *path.parents][:-1]):
            if not (top / folder).exists():
                (top / folder).mkdir(mode=0o755)
                if (self.base / folder).exists():
                    shutil.copystat(self.base / folder, top / folder)

    def _carries_an_overlay(self) -> bool:
        options = f"lowerdir={self.base},upperdir={self.directory / 'upper'},workdir={self.directory / 'work'}"
        # The mount is seen by this one command alone, and goes with it.
        argv = [
            "unshare",
            "--mount",
            "mount",
            "-t",
            "overlay",
            "overlay",
            "-o",
            options,
            str(self.directory / "merged"),
        ]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0


class Writable(Protocol):
    """Files of a machine that is off; `path` is absolute on it."""

    def write(self, path: str, content: str, mode: int = 0o644) -> None: ...


def personalise(disk: Writable, host: Identity, sudoers: Sequence[str], listens: tuple[str, int] | None = None) -> None:
    """Write what makes a machine this very one: its name, id and keys, and who may log in and act as root.

    `listens` is the address and port of its sshd as the machine has them, where it is reached under others.
    """
    address, port = listens or (host.address, host.port)
    disk.write("/etc/hostname", f"{host.name}\n")
    disk.write("/etc/hosts", f"127.0.0.1 localhost\n{address} {host.name}\n")
    disk.write("/etc/machine-id", f"{machine_id(host)}\n")
    disk.write("/etc/ssh/authorized_keys", "".join(f"{line}\n" for line in host.authorized_keys))
    disk.write("/etc/sudoers.d/ronde", "".join(f"{line}\n" for line in sudoers), 0o440)
    shown = []
    for kind, path in host_keys(host.keys, host.host_key_types).items():
        disk.write(f"/etc/ssh/lab_host_{kind}_key", path.read_text(encoding="ascii"), 0o600)
        shown.append(f"HostKey /etc/ssh/lab_host_{kind}_key\n")
    first = "".join(f"{line}\n" for line in host.extra_config)
    own = _SSHD.format(port=port, address=address)
    disk.write("/etc/ssh/sshd_config.d/00-lab.conf", "".join([first, own, *shown]))


def machine_id(host: Identity) -> str:
    """The same for the same directory: 32 hexadecimal digits."""
    return uuid.uuid5(uuid.NAMESPACE_URL, host.directory.as_uri()).hex
