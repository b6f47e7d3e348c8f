"""What is asked of a vCenter, and what comes back: objects with plain property values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

Plain = None | bool | int | float | str | datetime | Sequence["Plain"] | Mapping[str, "Plain"]


@dataclass(frozen=True, slots=True)
class Question:
    """Which properties of which objects of a vCenter.

    Attributes:
        kind: managed object type, `VirtualMachine`.
        paths: property paths, `runtime.powerState`.
        ids: moIds of the objects; None = all of the kind below the root folder, and for `CustomFieldsManager`, of which
            there is one, that one.
    """

    kind: str
    paths: Sequence[str]
    ids: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class ManagedObject:
    """One object of a vCenter with the properties that were asked for.

    Attributes:
        kind: managed object type, `VirtualMachine`; `id` its moId, `vm-42`; unique only within one vCenter.
        properties: path → value; a path that is unset on the server is absent. Values are plain: a data object is a
            dictionary without its unset fields, a reference to a managed object is its moId, times are aware; devices,
            their backings and faults carry their type's name under `_type`.
        missing: path → fault name, for what we were not allowed or able to read.
    """

    kind: str
    id: str
    properties: Mapping[str, Plain]
    missing: Mapping[str, str]
