"""The playbooks of an installation: `playbooks/AREA/NAME.yaml`, validated, with the digest of their text and files."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ronde.adapters.files.documents import Document, read_document
from ronde.adapters.files.explain import explain
from ronde.facts.host_facts import FACTS
from ronde.model.errors import InputError
from ronde.model.inventory.problems import Problem, Remark, path_text
from ronde.model.playbook import Named, Playbook, remarks_between, remarks_on

MOST_FILE: Final = 1024 * 1024  # bytes of a file that a playbook sends; a larger one is no part of a procedure


@dataclass(slots=True)
class _Found:
    """What was read so far: playbooks, the documents they stand in, and what is wrong."""

    named: dict[str, Named] = field(default_factory=dict)
    documents: dict[str, tuple[Path, Document]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, path: Path, document: Document, remark: Remark) -> None:
        line = document.line(remark.place)
        self.problems.append(Problem(str(path), line, path_text(remark.place), remark.message))


def load_playbooks(directory: Path) -> dict[str, Named]:
    """Every playbook below a directory, by name (`backup/check`).

    Raises:
        InputError: any of them is wrong; all problems of all files, each with file and line.
    """
    found = _Found()
    for path in sorted(directory.glob("*/*.y*ml")):
        _read(path, found)
    for name, remark in remarks_between(found.named):
        found.complain(*found.documents[name], remark)
    if found.problems:
        raise InputError("\n".join(str(problem) for problem in found.problems))
    if not found.named:
        raise InputError(f"{directory} holds no playbook", advice="Set RONDE_PLAYBOOKS to their directory.")
    return found.named


def playbook_schema() -> dict[str, Any]:
    """The JSON Schema of a playbook file, for editors that complete it."""
    schema = Playbook.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A playbook of Ronde", **schema}


def _read(path: Path, found: _Found) -> None:
    document = read_document(path)
    for flaw in document.flaws:
        found.problems.append(Problem(str(path), flaw.line, path_text(flaw.place), flaw.message))
    if document.flaws:
        return
    if path.suffix != ".yaml":
        found.complain(path, document, Remark((), f"a playbook's file is called {path.stem}.yaml"))
        return
    try:
        playbook = Playbook.model_validate(document.value)
    except ValidationError as error:
        for remark in explain(Playbook, error.errors(include_url=False)):
            found.complain(path, document, remark)
        return
    files = _files_of(path, playbook, document, found)
    for remark in remarks_on(playbook, frozenset(FACTS), frozenset(files)):
        found.complain(path, document, remark)
    name = f"{path.parent.name}/{path.stem}"
    digest = hashlib.sha256(path.read_bytes())
    for file, text in sorted(files.items()):
        digest.update(hashlib.sha256(file.encode()).digest() + hashlib.sha256(text.encode()).digest())
    found.named[name] = Named(name=name, digest=digest.hexdigest(), playbook=playbook, files=files)
    found.documents[name] = (path, document)


def _files_of(path: Path, playbook: Playbook, document: Document, found: _Found) -> dict[str, str]:
    """The files that the playbook sends, by name; one that is not there is told elsewhere."""
    wanted = {
        action.file: (section, place)
        for section, place, step in playbook.every_step()
        if (action := step.script or step.upload) is not None and action.file
    }
    files: dict[str, str] = {}
    for name, here in wanted.items():
        file = path.parent / "files" / name
        if not file.is_file():
            continue
        if file.stat().st_size > MOST_FILE:
            found.complain(path, document, Remark(here, f'the file "{name}" is larger than {MOST_FILE // 1024} KiB'))
            continue
        try:
            files[name] = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            found.complain(path, document, Remark(here, f'the file "{name}" is not UTF-8 text'))
    return files
