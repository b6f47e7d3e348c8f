"""The table in which dnf 4 shows what it would do, and the sums below it against which the reading is checked."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ronde.facts.patch.rpm import new_packages
from ronde.facts.reading import Unreadable
from ronde.model.patch.evr import evr_key
from ronde.model.patch.packages import Change, Database, Package, Transaction

_SECTIONS = {
    "Installing:": "install",
    "Installing dependencies:": "install",
    "Installing weak dependencies:": "install",
    "Upgrading:": "upgrade",
    "Reinstalling:": "reinstall",
    "Downgrading:": "downgrade",
    "Removing:": "remove",
    "Removing dependent packages:": "remove",
    "Removing unused dependencies:": "remove",
    "Skipping packages with conflicts:": "skip",
    "Skipping packages with broken dependencies:": "skip",
    "Skipping packages with broken dependencies or part of a group:": "skip",
}
_SUM = re.compile(r"(Install|Upgrade|Remove|Downgrade|Skip) +(\d+) Packages?")
_HEADING = re.compile(r"[A-Z][\w ,]*:$")
_REPLACING = re.compile(r" {2,}replacing +(\S+)\.([^\s.]+) (\S+)$")
_RULE = re.compile(r"=+$")


@dataclass
class _Table:
    """Rows by what happens to them; `replaced` packages go as others come."""

    rows: dict[str, list[Package]] = field(default_factory=dict)
    replaced: list[Package] = field(default_factory=list)

    def of(self, act: str) -> list[Package]:
        return self.rows.get(act, [])


def read_table(said: str, database: Database) -> tuple[Transaction, tuple[Package, ...]]:
    """What would happen, and what would be skipped.

    Raises:
        Unreadable: a section or row we do not know, or sums that are not those of the rows.
    """
    body, mark, sums = said.partition("\nTransaction Summary\n")
    if not mark:
        raise Unreadable("no transaction summary")
    table = _Table()
    section = ""
    for line in _joined(body.rpartition("\n Package ")[2].splitlines()[2:]):
        if _HEADING.match(line) and line in _SECTIONS:
            section = _SECTIONS[line]
        elif line.strip() and not line.startswith("("):
            _read_row(table, section, line)
    _check_sums(table, sums)
    return _transaction(table, database), tuple(table.of("skip"))


def _joined(lines: Iterable[str]) -> list[str]:
    """Rows whose name was too long for its column stand on two lines in some versions; here they are one."""
    joined: list[str] = []
    for line in lines:
        alone = joined and joined[-1].startswith(" ") and len(joined[-1].split()) == 1
        if alone and line.startswith("  "):
            joined[-1] += line
        else:
            joined.append(line)
    return joined


def _read_row(table: _Table, section: str, line: str) -> None:
    replacing = _REPLACING.match(line)
    if replacing:
        table.replaced.append(Package(*replacing.groups()))
        return
    columns = line.split()
    if not section or not line.startswith(" ") or len(columns) not in {5, 6}:
        raise Unreadable(f"a line in the table that we do not know: {line.strip()[:80]!r}")
    table.rows.setdefault(section, []).append(Package(columns[0], columns[1], columns[2]))


def _check_sums(table: _Table, sums: str) -> None:
    """The sums count what is listed; replaced packages are not in its sums."""
    told = {act.lower(): int(number) for act, number in _SUM.findall(sums)}
    read = {act: len(packages) for act, packages in table.rows.items() if act != "reinstall"}
    if told != read:
        raise Unreadable(f"dnf counts {told}, its table has {read}")


def _transaction(table: _Table, database: Database) -> Transaction:
    installed = versions(database)
    further, new = new_packages(table.of("install"), {name for name, _ in installed})
    return Transaction(
        install=tuple(further),
        upgrade=tuple(change(package, installed) for package in table.of("upgrade")),
        remove=(*table.of("remove"), *table.replaced),
        new_dependencies=tuple(new),
        downgrade=tuple(change(package, installed) for package in table.of("downgrade")),
    )


def versions(database: Database) -> Mapping[tuple[str, str], str]:
    """The newest installed version by name and architecture."""
    newest: dict[tuple[str, str], str] = {}
    for entry in database.entries:
        key = (entry.package.name, entry.package.arch)
        newest[key] = max(newest.get(key, entry.package.version), entry.package.version, key=evr_key)
    return newest


def change(package: Package, installed: Mapping[tuple[str, str], str]) -> Change:
    """From what is installed to `package`.

    Raises:
        Unreadable: nothing of that name is installed.
    """
    before = installed.get((package.name, package.arch))
    if before is None:
        others = [version for (name, _), version in installed.items() if name == package.name]
        before = others[0] if others else None
    if before is None:
        raise Unreadable(f"{package.name} would be upgraded and is not installed")
    return Change(package.name, package.arch, before, package.version)
