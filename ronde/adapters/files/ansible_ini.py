"""Ansible's INI inventories: `[group]`, `[group:children]`, `[group:vars]`, hosts with variables on their line."""

import ast
import re
import shlex
from typing import Any, Final

from ronde.adapters.files.ansible import UNGROUPED, AnsibleInventory, Value, Variables

_SECTION: Final = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_KINDS: Final = ("hosts", "children", "vars")


def parse_ini(text: str, name: str, into: AnsibleInventory) -> None:
    """Read a file's text; `name` is how its lines are called in remarks."""
    group, kind = UNGROUPED, "hosts"
    for number, raw in enumerate(text.splitlines(), start=1):
        line, where = raw.strip(), f"{name}:{number}"
        if not line or line[0] in "#;":
            continue
        section = _SECTION.fullmatch(line)
        if section is not None:
            group, kind = section[1], section[2] or "hosts"
            into.group(group)
            if kind not in _KINDS:
                into.remarks.append(f'{where}: "[{group}:{kind}]" is not a kind of section that Ansible knows')
        elif line.startswith("[") and line.endswith("]") and "=" not in line:
            into.remarks.append(f"{where}: {line} is not a section")
        else:
            _entry(line, (group, kind), where, into)


def _entry(line: str, section: tuple[str, str], where: str, into: AnsibleInventory) -> None:
    group, kind = section
    if kind == "hosts":
        _host(line, group, where, into)
    elif kind == "children":
        child = line.split("#", 1)[0].strip()
        into.group(child)
        into.group(group).children.append(child)
    elif kind == "vars":
        name, equals, value = line.partition("=")
        if not equals:
            into.remarks.append(f'{where}: "{name}" has no value')
            return
        into.group(group).variables[name.strip()] = Value(literal(value.strip()), where)


def _host(line: str, group: str, where: str, into: AnsibleInventory) -> None:
    try:
        pattern, *words = shlex.split(line, comments=True)
    except ValueError as error:
        into.remarks.append(f"{where}: {str(error).lower()}")
        return
    variables: Variables = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            variables[name] = Value(literal(value), where)
        else:
            into.remarks.append(
                f"{where}: a word after {pattern} is no key=value (not shown: it may be part of a secret)"
            )
    into.add_host(pattern, group, variables, where)


def literal(text: str) -> Any:
    """A value as Ansible reads it from INI: a Python literal where it is one, text otherwise."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
