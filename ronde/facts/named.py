"""Facts that a playbook can ask for by name: each a question, the reader of its answer, and what makes a difference.

The facts themselves stand in `ronde.facts.host_facts`, one file a subsystem; this is what they have in common.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ronde.facts.question import Question
from ronde.model.check import Json
from ronde.model.command import Answer

Fields = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class NamedFact:
    """Something that can be asked of a host.

    Attributes:
        name: as playbooks call it.
        summary: one line for lists.
        takes: what can be given, by name, with its default; None = must be given.
        fields: what the answer holds, each with a line that tells its shape and unit.
        ask: the question, from what is given (every name of `takes` is present, as text).
        read: the answer's fields; raises `ronde.facts.reading.Unreadable` for an answer that is not understood.
        compare: what differs between an earlier answer and this one, as further fields (`added`, `removed`, `grew`, …);
            None where a comparison says nothing.
        become: whether only root gets a whole answer.
    """

    name: str
    summary: str
    ask: Callable[[Mapping[str, str]], Question]
    read: Callable[[Answer], Fields]
    takes: Mapping[str, str | None] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    compare: Callable[[Fields, Fields], Fields] | None = None
    become: bool = False
