"""The Debian system that every lab machine starts from.

Made once by mmdebstrap, kept in the lab's cache under a digest of its recipe, and only read from then on: a machine
writes to a disk of its own on top of it (`lab.machines.disk`). There is no Python in it, because a client's server need
not have one; borg brings it along where backups are.
"""

import fcntl
import hashlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from lab.process import end, marked
from lab.tools import Tool

PLAIN = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "cron",
    "procps",
    "iproute2",
    "sudo",
    "logrotate",
    "openssl",
)
"""What every machine has, beside what Debian calls required (dpkg, util-linux, tzdata, …) and apt."""

BACKUP_TOOLS = ("restic", "borgbackup", "zstd", "xz-utils", "unzip", "postgresql-client")
"""What Ronde asks a host with backups to run; for machines in the place of the lab's hosts."""

_SUITE = "bookworm"
_NAME = "machine-base-"
_CUSTOMIZE = Path(__file__).with_name("customize.sh")
_BUILD_SECONDS = 900.0  # 80 s here, nearly all of it download and dpkg; a slow mirror is no reason to fail
_UNUSED_SECONDS = 7 * 86_400.0  # a machine that has been up for longer than that is not foreseen


def prepare(cache: Path, packages: Sequence[str] = ()) -> Path:
    """The base system with `packages` beyond the plain ones; made by whoever comes first, while the others wait.

    Raises:
        LabError: mmdebstrap is missing or failed; nothing half made is ever returned, or left mounted.
    """
    wanted = sorted({*PLAIN, *packages})
    base = cache / f"{_NAME}{_digest(wanted)}"
    cache.mkdir(parents=True, exist_ok=True)
    with base.with_name(base.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not base.exists():
            _forget_unused(cache)
            _build(base, wanted)
        _stamp(base).touch()
    return base


def _digest(packages: Sequence[str]) -> str:
    recipe = "\n".join([_SUITE, *packages, _CUSTOMIZE.read_text(encoding="utf-8")])
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def _build(base: Path, packages: Sequence[str]) -> None:
    unfinished = base.with_name(base.name + ".new")
    end(marked(unfinished))  # of a command that was killed while it built
    shutil.rmtree(unfinished, ignore_errors=True)
    # mmdebstrap mounts /proc and the like: in namespaces of its own, so that nothing stays mounted when it is killed.
    apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
    mmdebstrap = ("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--customize-hook={_CUSTOMIZE}")
    Tool((*apart, *mmdebstrap), unfinished, seconds=_BUILD_SECONDS).run(
        f"--include={','.join(packages)}", _SUITE, str(unfinished)
    )
    unfinished.rename(base)


def _stamp(base: Path) -> Path:
    """When it was last given to a machine; outside of it, since it is not written to."""
    return base.with_name(base.name + ".used")


def _forget_unused(cache: Path) -> None:
    """Remove bases that no machine has been given for a week: those of older versions of the lab."""
    for stamp in cache.glob(f"{_NAME}*.used"):
        if time.time() - stamp.stat().st_mtime > _UNUSED_SECONDS:
            shutil.rmtree(stamp.with_suffix(""), ignore_errors=True)
            stamp.unlink()
