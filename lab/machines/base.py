"""The Debian system that every lab machine starts from.

Made once by mmdebstrap, kept in the lab's cache under a digest of its recipe, and only read from then on: a machine
writes to a disk of its own on top of it (`lab.machines.disk`). There is no Python in it, because a client's server need
not have one; borg brings it along where backups are.
"""

from collections.abc import Sequence
from pathlib import Path

from lab.kept import digest_of, kept
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

SUITE = "bookworm"
CUSTOMIZE = Path(__file__).with_name("customize.sh")
_BUILD_SECONDS = 900.0  # 80 s here, nearly all of it download and dpkg; a slow mirror is no reason to fail


def prepare(cache: Path, packages: Sequence[str] = ()) -> Path:
    """The base system with `packages` beyond the plain ones; made by whoever comes first, while the others wait.

    Raises:
        LabError: mmdebstrap is missing or failed; nothing half made is ever returned, or left mounted.
    """
    wanted = sorted({*PLAIN, *packages})
    digest = digest_of(SUITE, *wanted, CUSTOMIZE.read_text(encoding="utf-8"))
    return kept(cache, "machine-base", digest, lambda root: install(root, wanted, [CUSTOMIZE], mark=root))


def install(root: Path, packages: Sequence[str], hooks: Sequence[Path], *options: str, mark: Path) -> None:
    """Make a Debian system at `root`, and have each of `hooks` change it; `options` are further ones of mmdebstrap.

    What runs meanwhile is marked with `mark`.

    Raises:
        LabError: mmdebstrap is missing or failed; nothing is left mounted.
    """
    # mmdebstrap mounts /proc and the like: in namespaces of its own, so that nothing stays mounted when it is killed.
    apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
    mmdebstrap = ("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", *options)
    Tool((*apart, *mmdebstrap), mark, seconds=_BUILD_SECONDS).run(
        *(f"--customize-hook={hook}" for hook in hooks), f"--include={','.join(packages)}", SUITE, str(root)
    )
