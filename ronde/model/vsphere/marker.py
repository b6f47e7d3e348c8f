"""The marker in the description of each snapshot of ours: signed, so that a copied or edited text is not believed.

`ronde/1 run=… step=… vm=… created=… expires=… consistency=… sig=…` is one line of the description. A name can be given
to any snapshot by anybody; the marker alone says that a snapshot is ours, and its signature that it says the truth.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ronde.model.errors import InputError

LONGEST_NAME = 80  # the API's limit for a snapshot's name
_SIGNATURE = 16  # hexadecimal digits of the HMAC-SHA256 that are kept
_CLAIM = re.compile(r"\bronde/\d+ ")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PURPOSE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SHORTEST_KEY = 16  # bytes
_LINE = re.compile(
    r"^(?P<text>ronde/1 run=(?P<run>\S+) step=(?P<step>\S+) vm=(?P<vm>\S+) created=(?P<created>\S+)"
    r" expires=(?P<expires>\S+) consistency=(?P<consistency>[a-z]+)) sig=(?P<sig>[0-9a-f]{16})\r?$",
    re.MULTILINE,
)


class Consistency(StrEnum):
    """What a snapshot's content is worth, never rounded up."""

    APPLICATION = "application"  # applications were told to write everything down
    FILESYSTEM = "filesystem"  # file systems were told
    CRASH = "crash"  # as after a power failure
    OFF = "off"  # the machine was off: nothing was in flight


@dataclass(frozen=True, slots=True)
class Marker:
    """What a snapshot of ours says about itself.

    Attributes:
        run, step: what took it; the step's id is unique, and one step takes one snapshot.
        vm: instanceUuid of the machine.
        created, expires: aware, whole seconds; `created` is when it was ordered, by the vCenter's clock.
        consistency: what it was taken to be.
    """

    run: str
    step: str
    vm: str
    created: datetime
    expires: datetime
    consistency: Consistency

    def __post_init__(self) -> None:
        for word in (self.run, self.step, self.vm):
            if not _WORD.fullmatch(word):
                raise InputError(f'"{word}" cannot stand in a snapshot\'s marker: it must be one word.')
        if self.created.tzinfo is None or self.expires.tzinfo is None:
            raise InputError("The times in a snapshot's marker need a time zone.")

    @property
    def quiesced(self) -> bool:
        """Whether the guest was to be made quiet first."""
        return self.consistency in (Consistency.APPLICATION, Consistency.FILESYSTEM)


def snapshot_name(run: str, purpose: str) -> str:
    """`ronde-<first 8 characters of the run>-<purpose>`.

    Raises:
        InputError: the purpose is not made of lower-case letters, digits and dashes, or the name becomes too long.
    """
    name = f"ronde-{run[:8]}-{purpose}"
    if not _PURPOSE.fullmatch(purpose) or len(name) > LONGEST_NAME:
        raise InputError(f'"{purpose}" cannot be a snapshot\'s purpose: use a few lower-case letters, digits, dashes.')
    return name


def _signature(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:_SIGNATURE]


def written(marker: Marker, key: bytes) -> str:
    """The signed line.

    Raises:
        InputError: the key is shorter than 16 bytes.
    """
    if len(key) < _SHORTEST_KEY:
        raise InputError(f"The key that signs snapshots must have {_SHORTEST_KEY} bytes or more.")
    text = (
        f"ronde/1 run={marker.run} step={marker.step} vm={marker.vm} created={_stamp(marker.created)}"
        f" expires={_stamp(marker.expires)} consistency={marker.consistency}"
    )
    return f"{text} sig={_signature(text, key)}"


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).replace(microsecond=0).isoformat()


def claims_to_be_ours(description: str) -> bool:
    """Whether a description holds anything like our marker, believed or not."""
    return _CLAIM.search(description) is not None


def read(description: str, key: bytes | None, vm: str | None) -> Marker | None:
    """The marker in a description; None when there is none that can be believed.

    Not believed is what is signed by another key or edited, what belongs to another machine, what appears more than
    once, and everything when we hold no key, or one that is too short to sign with.

    Args:
        description: the snapshot's.
        key: the one that signs; None = not known here.
        vm: instanceUuid of the machine that the snapshot belongs to.
    """
    lines = list(_LINE.finditer(description))
    if key is None or len(key) < _SHORTEST_KEY or len(lines) != 1 or len(_CLAIM.findall(description)) != 1:
        return None
    line = lines[0]
    if not hmac.compare_digest(_signature(line["text"], key), line["sig"]) or line["vm"] != vm:
        return None
    try:
        return Marker(
            run=line["run"],
            step=line["step"],
            vm=line["vm"],
            created=datetime.fromisoformat(line["created"]),
            expires=datetime.fromisoformat(line["expires"]),
            consistency=Consistency(line["consistency"]),
        )
    except (ValueError, InputError):  # signed by a version of ours that wrote something else
        return None
