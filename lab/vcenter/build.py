"""Building the vCenter's front from Debian's govmomi sources, once for each version of its own source."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from lab.errors import LabError

_SOURCES = Path(__file__).with_name("front")
_GOPATH = "/usr/share/gocode"  # where Debian's golang-*-dev packages put their sources
_GOVMOMI = Path(_GOPATH) / "src/github.com/vmware/govmomi"
_BUILD_SECONDS = 300
_DEFAULT_CACHE = Path(__file__).resolve().parents[2] / "var/lab/cache"


def cache_directory() -> Path:
    """Where built programs are kept: `RONDELAB_CACHE`, or `var/lab/cache` of this checkout."""
    return Path(os.environ.get("RONDELAB_CACHE", "") or _DEFAULT_CACHE)


def front(cache: Path | None = None) -> Path:
    """The front's program, built when its source or the simulator's package has changed since.

    Raises:
        LabError: Go or the simulator's package is missing, or the source does not compile.
    """
    cache = cache or cache_directory()
    program = cache / f"vcenter-front-{_digest()}"
    if program.exists():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    # Several tests start at once on a fresh checkout: one builds, the others wait for it.
    with (cache / "vcenter-front.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(program, cache)
    return program


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_SOURCES.glob("*.go")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for path in (_GOVMOMI / "simulator/simulator.go", _GOVMOMI / "vim25/types/types.go"):
        if not path.exists():
            raise LabError(f"{path} is missing: install golang-github-vmware-govmomi-dev (script/bootstrap does)")
        digest.update(str(path.stat().st_mtime_ns).encode())
    return digest.hexdigest()[:16]


def _build(program: Path, cache: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise LabError("Go is not installed: install golang-go (script/bootstrap does)")
    unfinished = program.with_suffix(".new")
    settings = {"GO111MODULE": "off", "GOPATH": _GOPATH, "GOFLAGS": "", "GOCACHE": str(cache / "go-build")}
    done = subprocess.run(
        [go, "build", "-o", str(unfinished), *(str(path) for path in sorted(_SOURCES.glob("*.go")))],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"the vCenter's front does not compile:\n{done.stderr}")
    unfinished.replace(program)
