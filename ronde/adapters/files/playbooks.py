"""The playbooks of an installation: `playbooks/AREA/NAME.yaml`, validated, with the digest of their text."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from ronde.adapters.files.documents import parse_document
from ronde.adapters.files.explain import explain
from ronde.model.errors import InputError
from ronde.model.inventory.problems import Problem, path_text
from ronde.model.playbook import Named, Playbook


def load_playbooks(directory: Path) -> dict[str, Named]:
    """Every playbook below a directory, by name (`backup/check`).

    Raises:
        InputError: any of them is wrong; all problems of all files, each with file and line.
    """
    found: dict[str, Named] = {}
    problems: list[Problem] = []
    for path in sorted(directory.glob("*/*.yaml")):
        name = f"{path.parent.name}/{path.stem}"
        playbook, wrong = _read(path)
        problems += wrong
        if playbook is not None:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name] = Named(name=name, digest=digest, playbook=playbook)
    problems += _missing_parts(directory, found)
    if problems:
        raise InputError("\n".join(str(problem) for problem in problems))
    if not found:
        raise InputError(f"{directory} holds no playbook", advice="Set RONDE_PLAYBOOKS to their directory.")
    return found


def _read(path: Path) -> tuple[Playbook | None, list[Problem]]:
    document = parse_document(path.read_bytes())
    problems = [Problem(str(path), flaw.line, path_text(flaw.place), flaw.message) for flaw in document.flaws]
    if problems:
        return None, problems
    try:
        return Playbook.model_validate(document.value), []
    except ValidationError as error:
        remarks = explain(Playbook, error.errors(include_url=False))
        return None, [
            Problem(str(path), document.line(remark.place), path_text(remark.place), remark.message)
            for remark in remarks
        ]


def _missing_parts(directory: Path, found: dict[str, Named]) -> list[Problem]:
    return [
        Problem(str(directory / f"{name}.yaml"), 1, "parts", f'there is no playbook "{part}"')
        for name, named in found.items()
        for part in named.playbook.parts
        if part not in found
    ]
