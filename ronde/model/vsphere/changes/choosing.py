"""Which machine is meant by a name, an instanceUuid or a moId."""

from collections.abc import Sequence
from dataclasses import dataclass

from ronde.model.errors import InputError
from ronde.model.words import hint


@dataclass(frozen=True, slots=True)
class Candidate:
    id: str
    name: str
    instance_uuid: str | None

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"


def chosen(reference: str, candidates: Sequence[Candidate], vcenter: str) -> Candidate:
    """The one machine that is meant.

    Raises:
        InputError: there is none, or there are several; the message names them.
    """
    found = meant(reference, candidates)
    if not found:
        near = hint(reference, [each.name for each in candidates])
        raise InputError(f'{vcenter} has no machine "{reference}"{near}')
    if len(found) > 1:
        raise InputError(
            f'"{reference}" is ambiguous: {", ".join(map(str, found))}.', advice="Name it by its moId or instanceUuid."
        )
    return found[0]


def meant(reference: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """All that could be meant.

    Names ignore case, as vSphere's do. What is one machine's name and another's moId is as ambiguous as two names.
    """
    wanted = reference.casefold()
    return [
        each
        for each in candidates
        if wanted and wanted in (each.name.casefold(), each.id, (each.instance_uuid or "").casefold())
    ]
