"""An Ansible inventory as Ansible itself understands it: groups, hosts, and the variables each host ends up with.

No code of Ansible runs and no template is rendered: a value with `{{ }}` stays text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ALL: Final = "all"
UNGROUPED: Final = "ungrouped"
MOST_HOSTS: Final = 10_000  # a range like [0:999999999] is a mistake
_RANGE: Final = re.compile(r"\[([^\[\]:]+):([^\[\]:]+)(?::(\d+))?\]")
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::(\d+))?")  # an address of IPv6, with a port or without


@dataclass(frozen=True, slots=True)
class Value:
    """A variable's value and where it stands: `file:line`."""

    value: Any
    where: str


Variables = dict[str, Value]


@dataclass(slots=True)
class Group:
    hosts: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    variables: Variables = field(default_factory=dict)
    files: Variables = field(default_factory=dict)  # from group_vars/, which come after all inventory variables


@dataclass(slots=True)
class AnsibleInventory:
    """What the files say, and what in them could not be understood (`file:line: …`)."""

    groups: dict[str, Group] = field(default_factory=lambda: {ALL: Group(), UNGROUPED: Group()})
    hosts: dict[str, Variables] = field(default_factory=dict)
    files: dict[str, Variables] = field(default_factory=dict)  # from host_vars/
    remarks: list[str] = field(default_factory=list)

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group())

    def add_host(self, pattern: str, group: str, variables: Mapping[str, Value], where: str) -> None:
        """Add the hosts that a name or range stands for, with the variables of their line."""
        name, port = split_port(pattern)
        try:
            names = expand(name)
        except ValueError as error:
            self.remarks.append(f"{where}: {error}")
            return
        for host in names:
            known = self.hosts.setdefault(host, {})
            if port is not None:
                known["ansible_port"] = Value(port, where)
            known.update(variables)
            if host not in self.group(group).hosts:
                self.group(group).hosts.append(host)

    def groups_of(self, host: str) -> list[str]:
        """All groups that hold a host, themselves or through a child, parents before children; `all` comes first.

        Among groups equally deep the alphabet decides, as in Ansible, after `ansible_group_priority`.
        """
        mine = {name for name, group in self.groups.items() if host in group.hosts}
        while parents := {name for name, group in self.groups.items() if mine & set(group.children)} - mine:
            mine |= parents
        depths = self._depths()
        return [ALL, *sorted(mine - {ALL}, key=lambda name: (depths[name], self._priority(name), name))]

    def variables_of(self, host: str) -> Variables:
        """The variables in force for a host, by Ansible's documented precedence."""
        groups = self.groups_of(host)
        layers = [self.groups[ALL].variables, self.groups[ALL].files]
        layers += [self.groups[name].variables for name in groups[1:]]
        layers += [self.groups[name].files for name in groups[1:]]
        layers += [self.hosts.get(host, {}), self.files.get(host, {})]
        return {name: value for layer in layers for name, value in layer.items()}

    def _depths(self) -> dict[str, int]:
        depths = dict.fromkeys(self.groups, 1)
        for _ in self.groups:  # as often as the longest possible chain; a loop of groups ends here too
            for name, group in self.groups.items():
                for child in group.children:
                    depths[child] = max(depths[child], depths[name] + 1)
        return depths

    def _priority(self, name: str) -> int:
        value = self.groups[name].variables.get("ansible_group_priority")
        return int(value.value) if value and str(value.value).isdigit() else 1


def split_port(pattern: str) -> tuple[str, int | None]:
    """`web:2222`, `web[1:9]:2222` and `[2001:db8::1]:2222` into name and port; None where no port is written."""
    bracketed = _BRACKETED.fullmatch(pattern)
    if bracketed is not None and not _RANGE.match(pattern):
        return bracketed[1], int(bracketed[2]) if bracketed[2] else None
    name, colon, port = pattern.rpartition(":")
    alone = ":" not in _RANGE.sub("", name) and "[" not in port and "]" not in port
    return (name, int(port)) if colon and alone and port.isdigit() else (pattern, None)


def expand(pattern: str) -> list[str]:
    """`web[01:03].example` as its three names; several ranges multiply.

    Raises:
        ValueError: the range runs backwards, mixes letters and digits, or stands for too many hosts.
    """
    names = [pattern]
    while any(_RANGE.search(name) for name in names):
        names = [name for known in names for name in _expand_first(known)]
        if len(names) > MOST_HOSTS:
            raise ValueError(f'"{pattern}" stands for more than {MOST_HOSTS} hosts')
    return names


def _expand_first(pattern: str) -> Iterator[str]:
    match = _RANGE.search(pattern)
    if match is None:
        yield pattern
        return
    low, high, step = match[1], match[2], int(match[3] or 1)
    for middle in _range(low, high, step):
        yield pattern[: match.start()] + middle + pattern[match.end() :]


def _range(low: str, high: str, step: int) -> list[str]:
    if step < 1:
        raise ValueError(f"[{low}:{high}:{step}]: the step must be 1 or more")
    if low.isdigit() and high.isdigit():
        width = len(low) if low.startswith("0") and len(low) > 1 else 0
        if width and len(high) != width:
            raise ValueError(f"[{low}:{high}]: both ends must have the same number of digits")
        numbers = range(int(low), int(high) + 1, step)
        if len(numbers) > MOST_HOSTS:
            raise ValueError(f"[{low}:{high}] stands for more than {MOST_HOSTS} hosts")
        found = [f"{number:0{width}d}" for number in numbers]
    elif len(low) == len(high) == 1 and low.isalpha() and high.isalpha() and low.islower() == high.islower():
        found = [chr(code) for code in range(ord(low), ord(high) + 1, step)]
    else:
        raise ValueError(f"[{low}:{high}] is neither a range of numbers nor of letters")
    if not found:
        raise ValueError(f"[{low}:{high}] runs backwards")
    return found


def variable_files(inventory: Path) -> Iterator[tuple[str, str, Path]]:
    """(`group_vars` or `host_vars`, name, file) beside an inventory, in the order in which Ansible reads them."""
    for kind in ("group_vars", "host_vars"):
        folder = inventory.parent / kind
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            if entry.is_dir():
                yield from ((kind, entry.name, file) for file in sorted(entry.rglob("*")) if _is_variables(file))
            elif _is_variables(entry):
                yield kind, entry.name.removesuffix(entry.suffix) if entry.suffix in _SUFFIXES else entry.name, entry


_SUFFIXES: Final = {".yml", ".yaml", ".json"}


def _is_variables(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix in {"", *_SUFFIXES}
