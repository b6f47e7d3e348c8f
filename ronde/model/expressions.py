"""Conditions and templates of playbooks: a small language that can look at values, and do nothing else.

The grammar and the evaluation are Jinja2's, in its sandbox; what a playbook may use of it is the list of node types
below. There is no call, no multiplication, no loop and no attribute of a Python object: `disk.free` reads the field
`free` of a mapping. A name that does not exist is an error, never an empty value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, cast

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ronde.model.check import Json
from ronde.model.words import hint

MOST_CHARACTERS: Final = 2_000  # of one expression; longer ones are programs, and belong into a script
_NODES: Final = (
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr),
    *(nodes.Add, nodes.Sub, nodes.Neg, nodes.Concat, nodes.Filter, nodes.Test),
)
FILTERS: Final = frozenset(
    {
        "default",
        "first",
        "int",
        "join",
        "last",
        "length",
        "lower",
        "max",
        "min",
        "sort",
        "sum",
        "trim",
        "unique",
        "upper",
    }
)
TESTS: Final = frozenset(
    {"defined", "false", "in", "mapping", "none", "number", "sequence", "string", "true", "undefined"}
)
_WORDS_FOR: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Call: "calls a function",
    nodes.Mul: "multiplies",
    nodes.Div: "divides",
    nodes.FloorDiv: "divides",
    nodes.Mod: "divides",
    nodes.Pow: "raises to a power",
    nodes.Slice: "takes a slice",
    nodes.Dict: "builds a mapping",
}
_PLACEHOLDER: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class ExpressionError(ValueError):
    """A condition or template that is not of the language, or that cannot be answered; one sentence."""


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which a dot reads mappings alone."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            if isinstance(obj, Mapping) or (isinstance(obj, list | tuple) and isinstance(argument, int)):
                return obj[argument]
        except LookupError:
            pass
        return self.undefined(obj=obj, name=argument)


_ENVIRONMENT: Final = _Environment(undefined=StrictUndefined, autoescape=False, cache_size=0)
_ENVIRONMENT.filters = {name: _ENVIRONMENT.filters[name] for name in FILTERS}
_ENVIRONMENT.tests = {name: _ENVIRONMENT.tests[name] for name in (*TESTS, "eq", "ne", "lt", "le", "gt", "ge")}


@dataclass(frozen=True, slots=True)
class Expression:
    """One condition or value, as written, with what it looks at.

    Attributes:
        names: the names it starts from (`disk` of `disk.free`); they must exist where it is evaluated.
    """

    text: str
    names: frozenset[str] = field(compare=False)

    def value(self, values: Mapping[str, Json]) -> Json:
        """What it comes to.

        Raises:
            ExpressionError: a name or field does not exist, or the values do not fit together.
        """
        try:
            found = _compiled(self.text)(**dict(values))
        except TemplateError as error:
            raise ExpressionError(f'"{self.text}" cannot be answered: {_plain(error)}') from None
        except (TypeError, ValueError) as error:
            raise ExpressionError(f'"{self.text}" cannot be answered: {error}') from None
        if isinstance(found, Undefined):
            raise ExpressionError(f'"{self.text}" cannot be answered: {_undefined(found)}')
        return cast("Json", found)

    def holds(self, values: Mapping[str, Json]) -> bool:
        """Whether it is true; raises as `value`."""
        return bool(self.value(values))


@lru_cache(maxsize=2048)
def parse_expression(text: str) -> Expression:
    """Read an expression.

    Raises:
        ExpressionError: it is not of the language.
    """
    if not text.strip():
        raise ExpressionError("is empty")
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"is longer than {MOST_CHARACTERS} characters; put it into a script")
    try:
        parser = Parser(_ENVIRONMENT, text, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            raise ExpressionError(f'"{text}" is not an expression: unexpected "{parser.stream.current.value}"')
    except TemplateSyntaxError as error:
        raise ExpressionError(f'"{text}" is not an expression: {error.message}') from None
    names = {tree.name} if isinstance(tree, nodes.Name) else set()
    for node in (tree, *tree.find_all(nodes.Node)):
        _refuse(node, text)
        if isinstance(node, nodes.Name):
            names.add(node.name)
    return Expression(text, frozenset(names))


def _refuse(node: nodes.Node, text: str) -> None:
    if not isinstance(node, _NODES):
        kind = _WORDS_FOR.get(type(node), f"uses {type(node).__name__}")
        raise ExpressionError(f'"{text}" {kind}, which an expression cannot do')
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise ExpressionError(f'"{text}": there is no filter "{node.name}"{hint(node.name, FILTERS)}')
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        raise ExpressionError(f'"{text}": there is no test "{node.name}"{hint(node.name, TESTS)}')


@lru_cache(maxsize=2048)
def _compiled(text: str) -> Any:
    return _ENVIRONMENT.compile_expression(text, undefined_to_none=False)


def _undefined(found: Undefined) -> str:
    try:
        str(found)
    except TemplateError as error:
        return _plain(error)
    return "it has no value"


def _plain(error: TemplateError) -> str:
    """Jinja's words without the names of Python's types."""
    said = str(error.message or error)
    return re.sub(r"'[\w. ]+ object' has no attribute '(\w+)'", r'there is no field "\1"', said)


@dataclass(frozen=True, slots=True)
class Template:
    """Text with `{{ expression }}` in it. What an expression comes to is never read as a template again.

    Attributes:
        pieces: plain text and expressions in turn.
    """

    text: str
    pieces: tuple[str | Expression, ...] = field(compare=False)

    @property
    def names(self) -> frozenset[str]:
        return frozenset().union(*(piece.names for piece in self.pieces if isinstance(piece, Expression)))

    def render(self, values: Mapping[str, Json]) -> str:
        """The text with every expression's value in its place.

        Raises:
            ExpressionError: an expression cannot be answered, or comes to a list, a mapping or nothing.
        """
        return "".join(piece if isinstance(piece, str) else _written(piece, values) for piece in self.pieces)


def parse_template(text: str) -> Template:
    """Read a template.

    Raises:
        ExpressionError: an expression in it is not of the language, or a brace is left open.
    """
    pieces: list[str | Expression] = []
    at = 0
    for match in _PLACEHOLDER.finditer(text):
        pieces += [text[at : match.start()], parse_expression(match[1].strip())]
        at = match.end()
    rest = text[at:]
    if "{{" in rest:
        raise ExpressionError(f'"{text}": "{{{{" is not closed')
    return Template(text, tuple(piece for piece in (*pieces, rest) if piece != ""))


def written(value: Json) -> str:
    """A value as an argument of a command: `true`, `3`, the text itself.

    Raises:
        ExpressionError: a list, a mapping or nothing has no one writing.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    kind = "nothing" if value is None else "a list" if isinstance(value, list | tuple) else "a mapping"
    raise ExpressionError(f"{kind} cannot be written into text")


def _written(expression: Expression, values: Mapping[str, Json]) -> str:
    try:
        return written(expression.value(values))
    except ExpressionError as error:
        raise ExpressionError(
            str(error) if expression.text in str(error) else f'"{expression.text}": {error}'
        ) from None
