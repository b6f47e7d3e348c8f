"""The little language of conditions and templates: what it says, and everything it cannot do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.check import Json
from ronde.model.expressions import ExpressionError, parse_expression, parse_template

VALUES: dict[str, Json] = {
    "disk": {"free": 5, "mounts": ["/", "/srv"], "items": [1, 2]},
    "unit": {"active": "active", "changed": True},
    "name": "cron",
    "nothing": None,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("disk.free > 3 and unit.active == 'active'", True),
        ("not unit.changed", False),
        ("disk.mounts | length", 2),
        ("'/srv' in disk.mounts", True),
        ("disk.items[0] + 1", 2),
        ("nothing is none", True),
        ("disk.used is defined", False),
        ("disk.used | default(7)", 7),
        ("'x' if disk.free > 10 else 'y'", "y"),
        ("disk['free']", 5),
        ("name ~ '.service'", "cron.service"),
        ("true", True),
    ],
)
def test_it_looks_at_values(text: str, value: object) -> None:
    assert parse_expression(text).value(VALUES) == value


def test_it_tells_where_it_starts_from() -> None:
    assert parse_expression("disk.free > limit and not unit.changed").names == {"disk", "limit", "unit"}
    assert parse_template("--unit={{ name }} {{ disk.free }}").names == {"name", "disk"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("disk.free()", "calls a function"),
        ("'a' * 1000000000", "multiplies"),
        ("2 ** 99999", "raises to a power"),
        ("name | tojson", 'there is no filter "tojson"'),
        ("name is divisibleby 3", 'there is no test "divisibleby"'),
        ("{'a': 1}", "builds a mapping"),
        ("name[1:2]", "takes a slice"),
        ("name name", 'unexpected "name"'),
        ("", "is empty"),
        ("(" * 3, "is not an expression"),
        ("x" * 3000, "is longer than"),
    ],
)
def test_what_it_cannot_do_is_refused_when_it_is_read(text: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=words.replace("(", r"\(")):
        parse_expression(text)


@pytest.mark.parametrize("text", ["name.__class__", "disk.items.append", "unit.__init__.__globals__", "name.upper"])
def test_a_dot_reads_fields_of_mappings_and_nothing_of_python(text: str) -> None:
    with pytest.raises(ExpressionError, match="cannot be answered"):
        parse_expression(text).value(VALUES)


@pytest.mark.parametrize("text", ["missing", "missing.field", "disk.nope", "not missing", "missing or true"])
def test_what_does_not_exist_is_an_error_and_never_empty(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_expression(text).value(VALUES)


def test_what_a_value_holds_is_never_read_as_a_template_again() -> None:
    hostile = "{{ secret }}; $(id)"
    assert parse_template("say {{ name }}").render({"name": hostile, "secret": "x"}) == f"say {hostile}"


@given(st.text(max_size=200))
def test_a_value_arrives_as_it_is_whatever_it_holds(text: str) -> None:
    assert parse_template("{{ name }}").render({"name": text}) == text


@given(st.text(max_size=60))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    try:
        parse_expression(text).value(VALUES)
    except ExpressionError:
        return


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (3, "3"), ("a b", "a b")])
def test_values_are_written_as_arguments(value: object, text: str) -> None:
    assert parse_template("{{ it }}").render({"it": value}) == text  # type: ignore[dict-item]  # each is a JSON value


@pytest.mark.parametrize("value", [None, [1], {"a": 1}])
def test_what_has_no_one_writing_is_refused(value: object) -> None:
    with pytest.raises(ExpressionError, match="cannot be written"):
        parse_template("{{ it }}").render({"it": value})  # type: ignore[dict-item]  # each is a JSON value


def test_an_open_brace_is_told() -> None:
    with pytest.raises(ExpressionError, match="not closed"):
        parse_template("a {{ name")
