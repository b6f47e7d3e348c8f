"""One YAML file as plain values, with the line of everything in it; the one place where Ronde reads YAML.

What YAML allows and an inventory or a playbook does not need is refused with a sentence: duplicate keys, tags, merge
keys, several documents, aliases that multiply (a few hundred bytes can stand for gigabytes), endless nesting.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Place = tuple[str | int, ...]

MOST_BYTES: Final = 4 * 1024 * 1024  # a client of 10,000 hosts stays below; anything larger is a mistake
MOST_VALUES: Final = 200_000  # after aliases are written out
MOST_LEVELS: Final = 32
_CORE: Final = "tag:yaml.org,2002:"
_TEXT: Final = {"str", "timestamp"}  # a date stays text: the field that wants a date reads it
_NUMBERS: Final = {"int", "float"}
_NULLS: Final = {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a file as YAML: 1-based line, the place in the document (empty when unknown), a sentence."""

    line: int
    place: Place
    message: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is YAML: its value (mappings, lists, text, numbers, booleans, None) and where each part stands."""

    value: Any
    lines: Mapping[Place, int]
    flaws: tuple[Flaw, ...] = ()

    def line(self, place: Place) -> int:
        """The 1-based line of a place, or of the nearest place around it that exists."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(path: Path) -> Document:
    """Read a file; every flaw is in the result, none is raised, and a flawed syntax gives the value None."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        return _refused(1, f"cannot be read: {error.strerror or error}")
    if len(content) > MOST_BYTES:
        return _refused(1, f"is larger than {MOST_BYTES // 1024 // 1024} MiB")
    return parse_document(content)


def parse_document(content: bytes) -> Document:
    """The same for bytes already at hand."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _refused(line, f"is not UTF-8 text (byte 0x{content[error.start]:02x}); save the file as UTF-8")
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        return _refused(*_explain(error, text))
    except (YAMLError, ValueError) as error:
        return _refused(_unprintable_line(text), f"is not YAML: {str(error).splitlines()[0]}")
    except RecursionError:
        return _refused(1, f"is nested deeper than {MOST_LEVELS} levels")
    if root is None:
        return _refused(1, "is empty")
    return _Builder().build(root)


def _refused(line: int, message: str) -> Document:
    return Document(None, {}, (Flaw(line, (), message),))


def _unprintable_line(text: str) -> int:
    """Where the first character stands that YAML does not allow; 1 when there is none."""
    for number, line in enumerate(text.split("\n"), start=1):
        if any(not character.isprintable() and character not in "\t\r\ufeff" for character in line):
            return number
    return 1


def _explain(error: MarkedYAMLError, text: str) -> tuple[int, str]:
    """Line and sentence for a syntax error, in words for the mistakes that people make most."""
    problem = error.problem or "it cannot be parsed"
    unclosed = "<stream end>" in problem or "end of stream" in problem  # where it began tells more than where it ends
    marks = (error.context_mark, error.problem_mark) if unclosed else (error.problem_mark, error.context_mark)
    line = next((mark.line + 1 for mark in marks if mark is not None), 1)
    written = text.split("\n")[line - 1] if line <= text.count("\n") + 1 else ""
    indent = written[: len(written) - len(written.lstrip())]
    if "\t" in indent or "'\\t'" in problem:
        return line, "a tab stands in the indentation; YAML takes spaces only"
    if "another document" in problem:
        return line, 'a second document starts here ("---"); one file holds one'
    if "undefined alias" in problem:
        return line, problem.removeprefix("found ").replace("undefined alias", "no anchor stands above for the alias")
    if "cannot start any token" in problem:
        character = problem.split("'")[1] if "'" in problem else "?"
        return line, f'a value cannot start with "{character}"; put it in quotes'
    if "mapping values are not allowed" in problem:
        return line, 'a ":" stands where none can; put the value in quotes, or check the indentation'
    return line, f"is not YAML: {_plain(problem)}"


def _plain(problem: str) -> str:
    words = {
        "<block end>": "the end of this block",
        "<block mapping start>": "a deeper indentation",
        "<block sequence start>": "a list",
        "<stream end>": "the end of the file",
        "<scalar>": "a value",
    }
    for token, word in words.items():
        problem = problem.replace(f"'{token}'", word).replace(token, word)
    return problem


@dataclass(slots=True)
class _Builder:
    """Turns nodes into values, counting what it makes."""

    lines: dict[Place, int] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    left: int = MOST_VALUES

    def build(self, root: Node) -> Document:
        try:
            value = self._value(root, ())
        except _TooMuch as reason:
            return _refused(1, str(reason))
        return Document(value, self.lines, tuple(self.flaws))

    def _value(self, node: Node, place: Place) -> Any:
        self.left -= 1
        if self.left < 0:
            raise _TooMuch(f"holds more than {MOST_VALUES} values once its aliases are written out")
        if len(place) > MOST_LEVELS:
            raise _TooMuch(f"is nested deeper than {MOST_LEVELS} levels")
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            self._refuse_tag(node, place, "map")
            return self._mapping(node, place)
        if isinstance(node, SequenceNode):
            self._refuse_tag(node, place, "seq")
            return [self._value(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, place)

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self.flaws.append(Flaw(line, place, "a key must be a word, not a list or a mapping"))
                continue
            name = str(key.value)
            here = (*place, name)
            if str(key.tag) == f"{_CORE}merge":
                self.flaws.append(Flaw(line, here, "merge keys are not read; write the fields out"))
            elif name in result:
                self.flaws.append(Flaw(line, here, f"stands twice; the first is on line {self.lines[here]}"))
            else:
                self.lines[here] = line
                result[name] = self._value(value, here)
        return result

    def _scalar(self, node: Node, place: Place) -> Hashable:
        kind = str(node.tag).removeprefix(_CORE)
        text = str(node.value)
        if kind in _TEXT:
            return text
        if kind == "null" and text in _NULLS:
            return None
        if kind == "bool":
            return text.lower() in {"true", "yes", "on"}
        if kind in _NUMBERS:
            return _number(text, whole=kind == "int")
        self._refuse_tag(node, place, "")
        return text

    def _refuse_tag(self, node: Node, place: Place, expected: str) -> None:
        if str(node.tag) != f"{_CORE}{expected}":
            written = str(node.tag).replace(_CORE, "!!")
            self.flaws.append(Flaw(node.start_mark.line + 1, place, f'the tag "{written}" is not read; leave it out'))


def _number(text: str, *, whole: bool) -> int | float | str:
    """The number as YAML 1.2 reads it; text with a number's tag but no number in it stays text."""
    digits = text.replace("_", "")
    try:
        if not whole:
            return float(digits.replace(".inf", "inf").replace(".nan", "nan"))
        return int(digits, 0) if digits.lstrip("+-")[:2].lower() in {"0x", "0o", "0b"} else int(digits)
    except ValueError:
        return text


class _TooMuch(Exception):
    """The document is larger than anything a person writes."""
