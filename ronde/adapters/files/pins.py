"""Writing pinned host keys into a client's file, touching no other character of it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from ronde.adapters.files.documents import parse_document
from ronde.model.errors import InputError

_FIELD = "host_key"


def pin_host_keys(path: Path, host: str, lines: Sequence[str]) -> None:
    """Make `lines` the `host_key` of a host in a client's file, in one step.

    Only the field itself is rewritten, where the YAML parser says it stands: comments, order and layout of everything
    else stay as they were. The result is read back before it replaces the file.

    Raises:
        InputError: the file cannot be read or written, or the host is not in it as an entry that can be edited.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        edited = _edited(text, host, lines)
        if not _only_pins_changed(text, edited, host, lines):
            raise InputError(
                f"{path}: {host} is written in a way that cannot be edited safely.", advice=_by_hand(lines)
            )
        _replace(path, edited)
    except (YAMLError, UnicodeDecodeError, LookupError) as error:
        raise InputError(f"{path} has no host {host} that can be edited.", advice=_by_hand(lines)) from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}.", advice=_by_hand(lines)) from error


@dataclass(frozen=True, slots=True)
class _Splice:
    """Characters `start` to `end` of the text give way to `words`."""

    start: int
    end: int
    words: str

    def apply(self, text: str) -> str:
        return text[: self.start] + self.words + text[self.end :]


def _edited(text: str, host: str, lines: Sequence[str]) -> str:
    entry = _value(_value(YAML(typ="safe", pure=True).compose(text), "hosts"), host)
    if not isinstance(entry, MappingNode) or not entry.value:
        raise LookupError(host)
    newline = "\r\n" if "\r\n" in text else "\n"
    if entry.flow_style:
        return _flow(entry, lines).apply(text)
    return _block(text, entry, lines, newline).apply(text)


def _flow(entry: MappingNode, lines: Sequence[str]) -> _Splice:
    written = "[" + ", ".join(lines) + "]" if len(lines) > 1 else lines[0]
    for key, value in entry.value:
        if key.value == _FIELD:
            return _Splice(value.start_mark.index, value.end_mark.index, written)
    end = entry.value[-1][1].end_mark.index
    return _Splice(end, end, f", {_FIELD}: {written}")


def _block(text: str, entry: MappingNode, lines: Sequence[str], newline: str) -> _Splice:
    indent = " " * entry.value[0][0].start_mark.column
    written = f" {lines[0]}"
    if len(lines) > 1:
        written = "".join(f"{newline}{indent}  - {line}" for line in lines)
    for key, value in entry.value:
        if key.value == _FIELD:
            colon = text.index(":", key.end_mark.index) + 1
            return _Splice(colon, _end(value), written)
    # Best beside the key we log in with, else at the top: a last entry may be followed by anything.
    names = [key.value for key, _ in entry.value]
    before = entry.value[names.index("key")][0] if "key" in names else entry.value[0][0]
    at = before.start_mark.index
    return _Splice(at, at, f"{_FIELD}:{written}{newline}{indent}")


def _end(value: Node) -> int:
    """Where a value's last character is; a block list claims what follows it up to the next entry."""
    if isinstance(value, SequenceNode) and not value.flow_style and value.value:
        value = value.value[-1]
    return int(value.end_mark.index)


def _value(node: Any, name: str) -> Node:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == name:
                return value  # type: ignore[no-any-return]  # a pair of nodes, untyped in the library
    raise LookupError(name)


def _only_pins_changed(text: str, edited: str, host: str, lines: Sequence[str]) -> bool:
    """Whether the edit did what it was meant to: an entry that others refer to would take them along."""
    before, after = parse_document(text.encode()).value, parse_document(edited.encode()).value
    pinned = after["hosts"][host].pop(_FIELD)
    before["hosts"][host].pop(_FIELD, None)
    written = [pinned] if isinstance(pinned, str) else pinned
    return bool(before == after and written == list(lines))


def _by_hand(lines: Sequence[str]) -> str:
    return f"Write it yourself: {_FIELD}: [{', '.join(lines)}]"


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    mode = path.stat().st_mode & 0o7777
    try:
        fresh.touch(mode=mode)
        fresh.chmod(mode)
        fresh.write_bytes(text.encode())
        fresh.replace(path.resolve())
    finally:
        fresh.unlink(missing_ok=True)
