"""What must be true before a snapshot is removed or a machine is taken back to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from ronde.model.check import Finding, Json
from ronde.model.errors import InputError
from ronde.model.verdict import Severity
from ronde.model.vsphere.changes.sight import Sight, marker_of
from ronde.model.vsphere.machine import SnapshotNode
from ronde.model.vsphere.rules.state import CONNECTED


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot as it was when we took it.

    Attributes:
        id: moId; number: the API's own count of it within the machine, if told.
    """

    id: str
    number: int | None
    name: str
    created: datetime
    step: str
    run: str

    def facts(self) -> dict[str, Json]:
        """As a step keeps it; `of` reads it back."""
        return {
            "snapshot": self.id, "number": self.number, "name": self.name, "created": self.created.isoformat(),
            "step": self.step, "run": self.run,
        }  # fmt: skip

    @classmethod
    def of(cls, facts: Mapping[str, Json]) -> "Taken":
        """From the facts that the creation of the snapshot returned.

        Raises:
            InputError: they are not those of a snapshot of ours.
        """
        number = facts.get("number")
        try:
            created = datetime.fromisoformat(str(facts["created"]))
            texts = {"id": str(facts["snapshot"]), **{key: str(facts[key]) for key in ("name", "step", "run")}}
        except (KeyError, ValueError) as error:
            raise InputError("These are not the facts of a snapshot that we took.") from error
        return cls(number=number if isinstance(number, int) else None, created=created, **texts)


@dataclass(frozen=True, slots=True)
class Revert:
    """What is to be taken back, and who answers for it.

    Attributes:
        confirmed_by: the person, or the two, who said so for this machine; empty = nobody.
        domain_controller: whether the machine is one; a revert rolls its USN back.
        allow_domain_controller: whether that was accepted, as it may be where the guest knows its GenerationID.
        clones: names of linked clones of ours that stand upon the snapshot.
    """

    taken: Taken
    confirmed_by: str
    domain_controller: bool = False
    allow_domain_controller: bool = False
    clones: tuple[str, ...] = ()


def refused(message: str, **evidence: Json) -> Finding:
    return Finding("change-refused", Severity.CRITICAL, message, evidence)


def removal_objections(sight: Sight, moid: str, step: str, key: bytes) -> tuple[Finding, ...]:
    """Why a snapshot must not be removed: it is not there, or not provably ours."""
    node = sight.node(moid)
    if node is None:
        return (refused("There is no such snapshot.", snapshot=moid),)
    return (*_reachable(sight), *_not_ours(sight, node, step, key))


def revert_objections(sight: Sight, revert: Revert, key: bytes) -> tuple[Finding, ...]:
    """Why the machine must not be taken back now; all reasons."""
    return (*_reachable(sight), *_the_one(sight, revert.taken, key), *_answered_for(revert))


def _reachable(sight: Sight) -> Iterator[Finding]:
    machine = sight.machine
    if machine.connection != CONNECTED:
        yield refused(f"The vCenter has no connection to the machine (state: {machine.connection or 'not told'}).")
    if machine.question is not None:
        yield refused(f"The machine waits for the answer to a question: {machine.question}")


def _not_ours(sight: Sight, node: SnapshotNode, step: str, key: bytes) -> Iterator[Finding]:
    marker = marker_of(node, sight.machine, key)
    if marker is None:
        text = f'Snapshot "{node.name}" does not carry a marker of ours that can be believed.'
        yield refused(text, snapshot=node.id, description=node.description)
    elif marker.step != step:
        text = f'Snapshot "{node.name}" is ours, and of another step.'
        yield refused(text, snapshot=node.id, step=marker.step, wanted=step)


def _the_one(sight: Sight, taken: Taken, key: bytes) -> Iterator[Finding]:
    """The snapshot is the one that was taken, in everything that is known of it, and nothing was taken since."""
    node = sight.node(taken.id)
    if node is None:
        yield refused(f'The snapshot "{taken.name}" is gone.', snapshot=taken.id)
        return
    yield from _not_ours(sight, node, taken.step, key)
    differences: dict[str, Json] = {
        name: [str(then), str(now)]
        for name, then, now in (
            ("name", taken.name, node.name),
            ("created", taken.created, node.created),
            ("number", taken.number, node.number),
        )
        if then != now
    }
    if differences:
        yield refused(f"The snapshot is not as we took it: its {', '.join(differences)} changed.", changed=differences)
    if node.powered_on:
        yield refused("The snapshot holds the machine's memory; we take none that does.", snapshot=node.id)
    if sight.machine.current != taken.id:
        text = "The machine no longer runs upon our snapshot: somebody has taken another, or gone back."
        yield refused(text, current=sight.machine.current, snapshot=taken.id)


def _answered_for(revert: Revert) -> Iterator[Finding]:
    if not revert.confirmed_by.strip():
        yield refused("Nobody has confirmed that this machine is to be taken back.")
    if revert.domain_controller and not revert.allow_domain_controller:
        yield refused("The machine is a domain controller: taking it back breaks its replication.")
    if revert.clones:
        yield refused(f"{', '.join(revert.clones)} stand upon this snapshot.", clones=list(revert.clones))
