"""Big things that the lab makes once from a recipe, keeps in its cache, and only reads from then on."""

import fcntl
import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lab.process import end, marked

_UNUSED_SECONDS = 7 * 86_400.0  # a machine that has been up for longer than that is not foreseen


def digest_of(*recipe: str) -> str:
    """What a thing is kept under: another recipe, another thing."""
    return hashlib.sha256("\n".join(recipe).encode()).hexdigest()[:12]


def kept(cache: Path, kind: str, digest: str, make: Callable[[Path], None]) -> Path:
    """The folder `kind-digest` of the cache; made by whoever comes first, while the others wait.

    `make` is given a path that is not there, and makes a folder of it. What a command that was killed had half made
    is removed, with what still runs of it. Things of this kind that nobody has asked for in a week are forgotten.

    Raises:
        LabError: `make` raised it; nothing half made is ever returned.
    """
    thing = cache / f"{kind}-{digest}"
    cache.mkdir(parents=True, exist_ok=True)
    with thing.with_name(thing.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not thing.exists():
            _forget_unused(cache, kind)
            unfinished = thing.with_name(thing.name + ".new")
            end(marked(unfinished))
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(thing)
        _stamp(thing).touch()
    return thing


def _stamp(thing: Path) -> Path:
    """When it was last asked for; outside of it, since it is not written to."""
    return thing.with_name(thing.name + ".used")


def _forget_unused(cache: Path, kind: str) -> None:
    for stamp in cache.glob(f"{kind}-*.used"):
        if time.time() - stamp.stat().st_mtime > _UNUSED_SECONDS:
            shutil.rmtree(stamp.with_suffix(""), ignore_errors=True)
            stamp.unlink()
