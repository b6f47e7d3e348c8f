"""The disk that every virtual machine of the lab starts from, and the kernel that boots it.

It is the system of lab machines (`lab.machines.base`) with Debian's kernel for clouds and QEMU's guest agent, changed
by `customize.sh`, as one file system. The kernel comes from that system: the machine that the lab runs on installs
none. Made once, kept in the lab's cache under a digest of its recipe; each machine writes to a disk of its own on top.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.kept import digest_of, kept
from lab.machines import base
from lab.tools import Tool

_PACKAGES = (*base.PLAIN, "linux-image-cloud-amd64", "udev", "qemu-guest-agent")
_HOOKS = (base.CUSTOMIZE, Path(__file__).with_name("customize.sh"))
_INITRD = Path(__file__).with_name("initrd.sh")
_OPTIONS = ("--architectures=amd64", "--dpkgopt=path-exclude=/usr/share/doc/*")
_SIZE = "2G"  # as the machine sees it; the file has holes where nothing is


@dataclass(frozen=True, slots=True)
class Image:
    """The files of one image, in `directory`."""

    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "disk.img"

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd.img"


def prepare(cache: Path) -> Image:
    """The image; made by whoever comes first, while the others wait.

    Raises:
        LabError: mmdebstrap or mke2fs is missing or failed; nothing half made is ever returned, or left mounted.
    """
    scripts = [script.read_text(encoding="utf-8") for script in (_INITRD, *_HOOKS)]
    digest = digest_of(base.SUITE, *_PACKAGES, *_OPTIONS, _SIZE, *scripts)
    return Image(kept(cache, "vm-image", digest, _build))


def _build(directory: Path) -> None:
    image, root = Image(directory), directory / "root"
    directory.mkdir()
    base.install(root, _PACKAGES, _HOOKS, *_OPTIONS, f"--essential-hook={_INITRD}", mark=directory)
    for path in (image.kernel, image.initrd):
        (root / "lab-boot" / path.name).rename(path)
    (root / "lab-boot").rmdir()
    Tool(("mke2fs",), directory).run("-q", "-t", "ext4", "-L", "lab", "-d", str(root), str(image.disk), _SIZE)
    shutil.rmtree(root)
