"""All that was said in a run, as one archive: a folder for each target, a text for each answer, and a list of them."""

import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ronde.model.errors import InputError
from ronde.model.records import EvidenceRecord, RunRecord

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def save_archive(path: Path, run: RunRecord, evidence: Mapping[str, Sequence[EvidenceRecord]]) -> int:
    """Write a tar.gz of all that was asked and answered, redacted as it was kept; how many answers it holds.

    Raises:
        InputError: the file exists already or cannot be written; nothing is left half written.
    """
    members = list(_members(run, evidence))
    draft = path.with_name(path.name + ".part")
    try:
        if path.exists():
            raise InputError(f"{path} exists already.")
        with tarfile.open(draft, "w:gz") as archive:
            for name, content, at in members:
                entry = tarfile.TarInfo(f"ronde-{run.id[:8]}/{name}")
                entry.size, entry.mode, entry.mtime = len(content), 0o600, int(at)
                archive.addfile(entry, io.BytesIO(content))
        draft.chmod(0o600)
        draft.rename(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    return len(members) - 1


def _members(run: RunRecord, evidence: Mapping[str, Sequence[EvidenceRecord]]) -> Iterator[tuple[str, bytes, float]]:
    listed = []
    for job in run.jobs:
        folder = f"{_safe(job.target.client)}/{_safe(job.target.name)}"
        for number, item in enumerate(evidence.get(job.id, ()), start=1):
            name = f"{folder}/{number:03}-{_safe(item.subject)}.txt"
            yield name, item.output + item.errors, item.started.timestamp()
            listed.append(
                {
                    "file": name,
                    "question": item.question,
                    "exit_status": item.exit_status,
                    "started": item.started.isoformat(),
                    "sha256": item.digest,
                    "cut": item.truncated,
                    "discarded": item.discarded,
                }
            )
    content = {"run": run.id, "playbook": run.playbook, "requested_by": run.requested_by, "answers": listed}
    yield "list.json", json.dumps(content, ensure_ascii=False, indent=1).encode(), run.created_at.timestamp()


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text).strip(".-")[:60] or "x"
