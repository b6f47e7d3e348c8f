"""Which targets a person means: `tag:files and client:*-exemple and not host:srv-old`.

    selection = group ("or" group)*          a comma, or a list of words, is "or"
    group     = part ("and" part)*
    part      = "not" part | "(" selection ")" | word
    word      = all | NAME | host:GLOB | client:GLOB | tag:GLOB | vcenter:GLOB

A bare NAME is a host or vCenter. A word that nothing answers to is an error: a selection that silently means nothing,
or less than was meant, is how the wrong servers are acted upon.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from ronde.model.errors import InputError
from ronde.model.inventory import Client
from ronde.model.words import hint

KINDS: Final = ("host", "client", "tag", "vcenter")
_TOKEN: Final = re.compile(r"\s*([(),]|[^\s(),]+)")
_GLOB: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that can be acted upon, as far as a selection looks at it."""

    client: str
    kind: Literal["host", "vcenter"]
    name: str
    tags: frozenset[str] = frozenset()

    def answers_to(self, word: "Word") -> bool:
        match word.kind:
            case "all":
                return True
            case "client":
                return fnmatchcase(self.client, word.text)
            case "tag":
                return any(fnmatchcase(tag, word.text) for tag in self.tags)
            case "name":
                return fnmatchcase(self.name, word.text)
            case _:
                return word.kind == self.kind and fnmatchcase(self.name, word.text)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a selection: its kind (`all`, `name`, `host`, `client`, `tag`, `vcenter`) and what it must match."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text if self.kind in ("all", "name") else f"{self.kind}:{self.text}"


@dataclass(frozen=True, slots=True)
class Selection:
    """A tree: `word` is a leaf, `not` has one part, `and` and `or` have several."""

    kind: Literal["word", "not", "and", "or"]
    parts: tuple["Selection", ...] = ()
    word: Word | None = None

    def holds(self, candidate: Candidate) -> bool:
        if self.word is not None:
            return candidate.answers_to(self.word)
        if self.kind == "not":
            return not self.parts[0].holds(candidate)
        answers = (part.holds(candidate) for part in self.parts)
        return all(answers) if self.kind == "and" else any(answers)

    def words(self) -> tuple[Word, ...]:
        """Every word in it, in the order written."""
        return (self.word,) if self.word is not None else tuple(w for part in self.parts for w in part.words())


def parse_selection(on: str | Sequence[str]) -> Selection:
    """Read a selection; several texts are added together, as a list in the inventory is.

    Raises:
        InputError: it cannot be read.
    """
    texts = [on] if isinstance(on, str) else list(on)
    parts = tuple(_Reader(text).whole() for text in texts)
    if not parts:
        raise InputError("the selection is empty; write all, a name, or tag:NAME")
    return parts[0] if len(parts) == 1 else Selection("or", parts)


def select(selection: Selection, candidates: Collection[Candidate]) -> tuple[Candidate, ...]:
    """The candidates that are meant, in their own order.

    Raises:
        InputError: a word of it answers to nothing among the candidates; the nearest is named.
    """
    for word in selection.words():
        if not any(candidate.answers_to(word) for candidate in candidates):
            raise InputError(_unknown(word, candidates))
    return tuple(candidate for candidate in candidates if selection.holds(candidate))


def candidates_of(client: Client) -> tuple[Candidate, ...]:
    """A client's hosts, then its vCenters, in the order of the inventory."""
    hosts = (Candidate(client.client, "host", name, frozenset(host.tags)) for name, host in client.hosts.items())
    return (*hosts, *(Candidate(client.client, "vcenter", name) for name in client.vcenters))


def _unknown(word: Word, candidates: Iterable[Candidate]) -> str:
    known = {
        "client": {c.client for c in candidates},
        "tag": {tag for c in candidates for tag in c.tags},
        "host": {c.name for c in candidates if c.kind == "host"},
        "vcenter": {c.name for c in candidates if c.kind == "vcenter"},
    }
    kinds = {"name": "host or vCenter"}.get(word.kind, word.kind)
    verb = "matches" if _GLOB.search(word.text) else "is called"
    names = known.get(word.kind, known["host"] | known["vcenter"] | {f"tag:{tag}" for tag in known["tag"]})
    return f'no {kinds} {verb} "{word.text}"{hint(word.text, names)}'


class _Reader:
    """Reads one text by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def whole(self) -> Selection:
        found = self._any()
        if self._at < len(self._tokens):
            raise self._wrong(f'unexpected "{self._tokens[self._at]}"')
        return found

    def _any(self) -> Selection:
        parts = [self._all()]
        while self._take("or") or self._take(","):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Selection("or", tuple(parts))

    def _all(self) -> Selection:
        parts = [self._part()]
        while self._take("and"):
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else Selection("and", tuple(parts))

    def _part(self) -> Selection:
        if self._take("not"):
            return Selection("not", (self._part(),))
        if self._take("("):
            inside = self._any()
            if not self._take(")"):
                raise self._wrong('a "(" is not closed')
            return inside
        if self._at >= len(self._tokens):
            raise self._wrong("something is missing at its end")
        token = self._tokens[self._at]
        if token in ("and", "or", ",", ")"):
            raise self._wrong(f'unexpected "{token}"')
        self._at += 1
        return Selection("word", word=self._word(token))

    def _word(self, written: str) -> Word:
        if written == "all":
            return Word("all", written)
        kind, colon, text = written.partition(":")
        if not colon:
            return Word("name", written)
        if kind not in KINDS:
            raise self._wrong(f'"{kind}:" is not known{hint(kind, KINDS)}')
        if not text:
            raise self._wrong(f'"{written}" names nothing')
        return Word(kind, text)

    def _take(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _wrong(self, why: str) -> InputError:
        return InputError(f'the selection "{self._text}" cannot be read: {why}')
