"""What is asked of a vCenter before, during and after a change of a machine, and how the answers are read."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import unquote

from ronde.facts import vsphere as facts
from ronde.model.vsphere.changes.choosing import Candidate
from ronde.model.vsphere.changes.tasks import Fault, Stage, Task
from ronde.model.vsphere.objects import ManagedObject, Plain, Question

STATE_PATHS = (*facts.SLIM_PATHS, *facts.DETAIL_PATHS, "disabledMethod", "summary.runtime.bootTime")
TASK_PATHS = (
    "info.state", "info.descriptionId", "info.queueTime", "info.completeTime", "info.progress", "info.result",
    "info.error",
)  # fmt: skip

NAMES = Question(facts.MACHINE, ("name", "config.instanceUuid"))
"""What all machines are called."""


def state_of(moid: str) -> tuple[Question, ...]:
    """Everything a decision needs, of one machine, in one call."""
    return (Question(facts.MACHINE, STATE_PATHS, (moid,)), Question(facts.DATASTORE, facts.DATASTORE_PATHS))


def tasks(ids: Iterable[str]) -> Question:
    return Question(facts.TASK, TASK_PATHS, tuple(sorted(set(ids))))


def candidate(answer: ManagedObject) -> Candidate:
    name, identity = answer.properties.get("name"), answer.properties.get("config.instanceUuid")
    return Candidate(
        id=answer.id,
        name=unquote(name) if isinstance(name, str) and name else answer.id,
        instance_uuid=identity if isinstance(identity, str) and identity else None,
    )


def disabled(answer: ManagedObject) -> frozenset[str]:
    """Methods that are not offered for the machine now."""
    listed = answer.properties.get("disabledMethod")
    return frozenset(str(name) for name in listed) if isinstance(listed, Sequence) else frozenset()


def booted(answer: ManagedObject) -> datetime | None:
    return _instant(answer.properties.get("summary.runtime.bootTime"))


def task(answer: ManagedObject) -> Task:
    """A task; one whose state may not be read has none, which is never an end."""
    found = answer.properties
    progress, result, state = found.get("info.progress"), found.get("info.result"), found.get("info.state")
    return Task(
        id=answer.id,
        stage=Stage(str(state)) if state in set(Stage) else None,
        operation=str(found.get("info.descriptionId") or ""),
        queued=_instant(found.get("info.queueTime")),
        completed=_instant(found.get("info.completeTime")),
        progress=progress if isinstance(progress, int) else None,
        result=result if isinstance(result, str) and result else None,
        fault=_fault(found.get("info.error")),
    )


def _fault(value: Plain) -> Fault | None:
    if not isinstance(value, Mapping):
        return None
    inner = value.get("fault")
    name = inner.get("_type") if isinstance(inner, Mapping) else None
    return Fault(str(name or "unknown fault"), str(value.get("localizedMessage") or ""))


def _instant(value: Plain) -> datetime | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else None
