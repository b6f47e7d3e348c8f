"""Where a pydantic error location lies in the file that people wrote, and which words are valid there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ronde.model.inventory.problems import Place


@dataclass(frozen=True, slots=True)
class Spot:
    """A location of the model, seen from the file.

    Attributes:
        place: the location without what only pydantic adds (the chosen member of a union, `[key]`).
        container: the type of the mapping or list that the last part stands in.
        kind: the annotation of the value itself; None when the model does not know it.
    """

    place: Place
    container: Any
    kind: Any


def locate(model: type[BaseModel], location: Sequence[str | int]) -> Spot:
    """Follow a pydantic location through the model's annotations."""
    place: list[str | int] = []
    container: Any = None
    kind: Any = model
    for part in location:
        if part == "[key]":
            continue
        members = _members(kind)
        tagged = _tagged(members, part)
        if tagged is not None:
            kind = tagged
        elif not _is_scalar_choice(members):
            container, kind = kind, _step(members, part)
            place.append(part)
    return Spot(tuple(place), container, kind)


def known_fields(kind: Any) -> tuple[str, ...]:
    """The field names of a model as the file writes them, or of all members of a union of models."""
    return tuple(dict.fromkeys(name for member in _members(kind) if _is_model(member) for name in _written(member)))


def literals(kind: Any, name: str) -> tuple[str, ...]:
    """The words that the field `name` can be in any member of a union: the tags of a tagged union."""
    words: list[str] = []
    for member in _members(kind):
        if _is_model(member) and name in member.model_fields:
            words += [str(word) for word in get_args(member.model_fields[name].annotation)]
    return tuple(words)


def _written(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """A model's fields by the names that the file gives them: some are words that Python keeps for itself."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _members(kind: Any) -> tuple[Any, ...]:
    """The alternatives of a type, without None: one for a plain type."""
    if get_origin(kind) is Annotated:
        return _members(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return tuple(part for member in get_args(kind) if member is not NoneType for part in _members(member))
    return (kind,)


def _tagged(members: tuple[Any, ...], part: str | int) -> Any:
    """The member of a tagged union that a location part names."""
    if len(members) < 2 or not isinstance(part, str):
        return None
    for member in members:
        if _is_model(member) and any(
            get_origin(field.annotation) is Literal and part in get_args(field.annotation)
            for field in member.model_fields.values()
        ):
            return member
    return None


def _is_scalar_choice(members: tuple[Any, ...]) -> bool:
    """Whether the location names a member of `str | int | float`, which stands nowhere in the file."""
    return len(members) > 1 and all(member in (str, int, float, bool) for member in members)


def _step(members: tuple[Any, ...], part: str | int) -> Any:
    for member in members:
        if _is_model(member):
            field = _written(member).get(str(part))
            return field.annotation if field else None
        origin = get_origin(member)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return get_args(member)[1]
        if origin is tuple:
            return get_args(member)[0]
    return None
