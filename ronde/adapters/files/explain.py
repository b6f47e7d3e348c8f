"""Pydantic's errors in the words of the person who wrote the file."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from ronde.adapters.files.fields import Spot, known_fields, literals, locate
from ronde.model.inventory.fields import PATTERN_WORDS, SECRET_PATTERN
from ronde.model.inventory.problems import Place, Remark
from ronde.model.words import hint, nearest

_NOUNS: Final = {
    "tool": "backup tool",
    "language": "language",
    "format": "dump format",
    "report": "report",
    "receives": "report",
    "calendar": "calendar of holidays",
    "region": "region of that calendar",
    "roles": "role",
    "risk": "risk",
}
_SECRETS: Final = {"key", "password"}
_REFERENCE: Final = f"{PATTERN_WORDS[SECRET_PATTERN]} (what stands there is not shown)"
_SLUG: Final = re.compile(r"[^a-z0-9._-]+")


def explain(model: type[BaseModel], errors: Iterable[ErrorDetails]) -> tuple[Remark, ...]:
    """One remark for each mistake: an unknown key that is near a missing one is one mistake, not two."""
    remarks: dict[Place, Remark] = {}
    meant: set[Place] = set()
    for error in errors:
        spot = locate(model, error["loc"])
        remark = _remark(error, spot)
        remarks.setdefault(remark.place, remark)
        if error["type"] == "extra_forbidden":
            near = nearest(str(spot.place[-1]), known_fields(spot.container))
            meant.add((*spot.place[:-1], near or ""))
    return tuple(remark for place, remark in remarks.items() if place not in meant)


def _remark(error: ErrorDetails, spot: Spot) -> Remark:
    context = error.get("ctx", {})
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(error, spot, str(context["discriminator"]).strip("'"))
    return Remark(spot.place, _sentence(error, spot))


def _sentence(error: ErrorDetails, spot: Spot) -> str:
    """What is wrong with the value at a spot."""
    kind = error["type"]
    if kind == "extra_forbidden":
        return f"is not known here{hint(str(spot.place[-1]), known_fields(spot.container))}"
    if kind == "value_error":
        return str(error.get("ctx", {})["error"])
    if kind == "missing" or error["input"] is None:
        return "is missing" if kind == "missing" else "has no value"
    if kind == "literal_error":
        return _literal(error, spot)
    words = _WORDS.get(kind, _unforeseen)
    secret = str(error["loc"][-1]) in _SECRETS  # what stands there may be the secret itself: it is not repeated
    return f"is not {_REFERENCE}" if secret else words(error)


def _unforeseen(error: ErrorDetails) -> str:
    return error["msg"]


def _wrong_tag(error: ErrorDetails, spot: Spot, field: str) -> Remark:
    place = (*spot.place, field)
    written: Mapping[str, Any] = error["input"] if isinstance(error["input"], Mapping) else {}
    choices = literals(spot.kind, field)
    if error["type"] == "union_tag_invalid":
        return Remark(place, _not_one_of(field, written.get(field), choices))
    misspelt = nearest(field, [key for key in written if key not in known_fields(spot.kind)])
    if misspelt is not None:
        return Remark((*spot.place, misspelt), f'is not known here; did you mean "{field}"?')
    return Remark(place, f"is missing{hint('', choices)}")


def _not_one_of(field: str, written: object, choices: Iterable[str]) -> str:
    noun = _NOUNS.get(field, "valid word here")
    article = "an" if noun[0] in "aeiou" else "a"
    return f"{_shown(written)} is not {article} {noun}{hint(str(written), choices)}"


def _shown(value: object) -> str:
    """A value as a person would recognise it, cut to a length that fits a line."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = text if len(text) <= 60 else f"{text[:57]}…"
    return f'"{text}"' if isinstance(value, str) else text


def _literal(error: ErrorDetails, spot: Spot) -> str:
    choices = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    names = [part for part in spot.place if isinstance(part, str)]
    return _not_one_of(names[-1] if names else "", error["input"], choices)


def _pattern(error: ErrorDetails) -> str:
    words = PATTERN_WORDS.get(str(error.get("ctx", {}).get("pattern")), "written as it must be")
    key = error["loc"][-1] == "[key]"
    slug = _SLUG.sub("-", str(error["input"]).lower()).strip("-._")
    return f"{_shown(error['input'])} is not {words}" + (f'; write "{slug}"' if key and slug else "")


def _not_text(error: ErrorDetails) -> str:
    if isinstance(error["input"], bool | int | float):
        return f"{_shown(error['input'])} is not text here; put it in quotes"
    return f"must be text, not {_sort(error['input'])}"


def _must_be(what: str) -> Callable[[ErrorDetails], str]:
    def words(error: ErrorDetails) -> str:
        return f"must be {what}, not {_sort(error['input'])}"

    return words


def _sort(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list) else _shown(value)


def _is_not(what: str) -> Callable[[ErrorDetails], str]:
    def words(error: ErrorDetails) -> str:
        return f"{_shown(error['input'])} is not {what}"

    return words


def _bound(words: str, key: str) -> Callable[[ErrorDetails], str]:
    def sentence(error: ErrorDetails) -> str:
        return f"{_shown(error['input'])} is {words} {error.get('ctx', {}).get(key)}"

    return sentence


def _too_short(error: ErrorDetails) -> str:
    least = int(error.get("ctx", {}).get("min_length", 1))
    return "is empty" if not error["input"] else f"{_shown(error['input'])} is shorter than {least} characters"


_DATE = _is_not("a date; write it like 2027-06-30")
_WHOLE = _is_not("a whole number")
_WORDS: Final[Mapping[str, Callable[[ErrorDetails], str]]] = {
    "string_pattern_mismatch": _pattern,
    "string_type": _not_text,
    "string_too_short": _too_short,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_type": _is_not("true or false"),
    "bool_parsing": _is_not("true or false"),
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "greater_than_equal": _bound("less than", "ge"),
    "less_than_equal": _bound("more than", "le"),
    "tuple_type": _must_be("a list"),
    "mapping_type": _must_be("a mapping of names"),
    "dict_type": _must_be("a mapping of names"),
    "model_type": _must_be("a mapping of fields"),
    "model_attributes_type": _must_be("a mapping of fields"),
    "time_delta_type": _must_be("a duration like 26h"),
    "is_instance_of": _must_be("text like 1/20 or 04:00-06:00"),
}
