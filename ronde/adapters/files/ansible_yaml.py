"""Ansible's YAML inventories (`all: {hosts, vars, children}`) and the files of group_vars and host_vars."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ronde.adapters.files.ansible import ALL, UNGROUPED, AnsibleInventory, Value, Variables, variable_files
from ronde.adapters.files.documents import Document, Place, parse_document, read_document

_SECTIONS = ("hosts", "vars", "children")


def parse_yaml(content: bytes, name: str, into: AnsibleInventory) -> None:
    """Read a file's bytes; `name` is how its lines are called in remarks."""
    document = parse_document(content)
    _Reader(document, name, into).read()


def read_variable_files(inventory: Path, into: AnsibleInventory) -> None:
    """Add what stands in `group_vars/` and `host_vars/` beside an inventory file."""
    for kind, name, path in variable_files(inventory):
        document = read_document(path)
        known: Variables = {}
        reader = _Reader(document, str(path), into)
        reader.tell_flaws()
        if isinstance(document.value, dict):
            known = reader.variables(document.value, ())
        if kind == "group_vars":
            into.group(name).files.update(known)
        else:
            into.files.setdefault(name, {}).update(known)


class _Reader:
    """One document on its way into the inventory."""

    def __init__(self, document: Document, name: str, into: AnsibleInventory) -> None:
        self.document = document
        self.name = name
        self.into = into

    def read(self) -> None:
        self.tell_flaws()
        value = self.document.value
        if not isinstance(value, dict):
            if value is not None:
                self._remark((), "is no inventory: a mapping of groups is expected")
            return
        if "plugin" in value:
            self._remark(
                ("plugin",), "is a dynamic inventory; write out what it yields: ansible-inventory --list --yaml"
            )
            return
        for name, group in value.items():
            self._group(name, group, (name,))

    def tell_flaws(self) -> None:
        """Pass on what is wrong with the YAML itself; encrypted values (!vault) are among it."""
        for flaw in self.document.flaws:
            what = (
                "is encrypted by Ansible Vault and was not carried over" if "!vault" in flaw.message else flaw.message
            )
            path = ".".join(str(part) for part in flaw.place)
            self.into.remarks.append(f"{self.name}:{flaw.line}: {path + ': ' if path else ''}{what}")

    def variables(self, value: Mapping[str, Any], place: Place) -> Variables:
        encrypted = {flaw.place for flaw in self.document.flaws}
        return {
            name: Value(item, self._where((*place, name)))
            for name, item in value.items()
            if (*place, name) not in encrypted
        }

    def _group(self, name: str, value: Any, place: Place) -> None:
        group = self.into.group(name)
        if value is None:
            return
        if not isinstance(value, dict):
            self._remark(place, "is no group: hosts, vars and children are expected in it")
            return
        for section in sorted(set(value) - set(_SECTIONS)):
            self._remark((*place, section), "is neither hosts, vars nor children")
        self._hosts(name, value.get("hosts"), (*place, "hosts"))
        group.variables.update(self.variables(_mapping(value.get("vars")), (*place, "vars")))
        for child, below in _mapping(value.get("children")).items():
            if name != ALL:
                group.children.append(child)
            self._group(child, below, (*place, "children", child))

    def _hosts(self, group: str, value: Any, place: Place) -> None:
        hosts = {value: None} if isinstance(value, str) else _mapping(value)
        for pattern, below in hosts.items():
            here = (*place, pattern)
            variables = self.variables(_mapping(below), here)
            self.into.add_host(pattern, UNGROUPED if group == ALL else group, variables, self._where(here))

    def _where(self, place: Place) -> str:
        return f"{self.name}:{self.document.line(place)}"

    def _remark(self, place: Place, message: str) -> None:
        path = ".".join(str(part) for part in place)
        self.into.remarks.append(f"{self._where(place)}: {path + ' ' if path else ''}{message}")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
