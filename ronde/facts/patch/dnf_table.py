"""The table in which dnf 4 and dnf5 show what they would do, and the sums below it that the reading is held against.

dnf 4 names what a package replaces only when that has another name; dnf5 names it always. There every replaced row has
to be a package that is installed, to the letter: so a table that was cut to the width of a terminal is not believed.
"""

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
_HEADING = re.compile(r"[A-Z][\w ,]*:$")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table looks.

    Attributes:
        heading: what its first line begins with, and `rules` how many lines it takes in all.
        replacing: a row that names what the package above it replaces: name, architecture, version.
        summary: the line between the table and its sums, and `sums` one of those: act, number.
        acts: what the sums call the acts; those that are missing here are not counted by it.
        thorough: whether every package that is replaced is named, and not only those of another name.
    """

    heading: str
    rules: int
    replacing: "re.Pattern[str]"
    summary: str
    sums: "re.Pattern[str]"
    acts: Mapping[str, str]
    thorough: bool = False


DNF4 = Layout(
    heading=" Package ",
    rules=2,
    replacing=re.compile(r" {2,}replacing +(\S+)\.([^\s.]+) (\S+)$"),
    summary="\nTransaction Summary\n",
    sums=re.compile(r"^(Install|Upgrade|Remove|Downgrade|Skip) +(\d+) Packages?", re.MULTILINE),
    acts={"Install": "install", "Upgrade": "upgrade", "Remove": "remove", "Downgrade": "downgrade", "Skip": "skip"},
)
DNF5 = Layout(
    heading="Package ",
    rules=1,
    replacing=re.compile(r" {2,}replacing (\S+) +(\S+) +(\S+) .*$"),
    summary="\nTransaction Summary:\n",
    sums=re.compile(r"^ (\w+): +(\d+) packages?$", re.MULTILINE),
    acts={
        "Installing": "install",
        "Upgrading": "upgrade",
        "Removing": "remove",
        "Downgrading": "downgrade",
        "Reinstalling": "reinstall",
        "Skipping": "skip",
        "Replacing": "replaced",
    },
    thorough=True,
)


@dataclass
class _Table:
    """Rows by what happens to them.

    Attributes:
        replaced: packages that go as others come, each with the name of the one that comes.
    """

    rows: dict[str, list[Package]] = field(default_factory=dict)
    replaced: list[tuple[Package, str]] = field(default_factory=list)

    def of(self, act: str) -> list[Package]:
        return self.rows.get(act, [])


def read_table(said: str, database: Database, layout: Layout) -> tuple[Transaction, tuple[Package, ...]]:
    """What would happen, and what would be skipped.

    Raises:
        Unreadable: a section or row we do not know, or sums that are not those of the rows.
    """
    body, mark, sums = said.partition(layout.summary)
    if not mark:
        raise Unreadable("no transaction summary")
    table = _Table()
    section = ""
    for line in _joined(f"\n{body}".rpartition(f"\n{layout.heading}")[2].splitlines()[layout.rules :]):
        if _HEADING.match(line) and line in _SECTIONS:
            section = _SECTIONS[line]
        elif line.strip() and not line.startswith("("):
            _read_row(table, section, line, layout)
    _check_sums(table, sums, layout)
    if layout.thorough:
        _check_replaced(table, database)
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


def _read_row(table: _Table, section: str, line: str, layout: Layout) -> None:
    replacing = layout.replacing.match(line)
    if replacing:
        table.replaced.append((_package(*replacing.groups()), _last(table, section)))
        return
    columns = line.split()
    if not section or not line.startswith(" ") or len(columns) not in {5, 6}:
        raise Unreadable(f"a line in the table that we do not know: {line.strip()[:80]!r}")
    table.rows.setdefault(section, []).append(_package(columns[0], columns[1], columns[2]))


def _package(name: str, arch: str, version: str) -> Package:
    return Package(name, arch, version.removeprefix("0:"))  # dnf5 tells an epoch that is none


def _last(table: _Table, section: str) -> str:
    if not table.of(section):
        raise Unreadable("a package is replaced by none")
    return table.of(section)[-1].name


def _check_sums(table: _Table, sums: str, layout: Layout) -> None:
    """The sums count what is listed."""
    told = {layout.acts.get(act, act): int(number) for act, number in layout.sums.findall(sums)}
    counted = {**{act: len(rows) for act, rows in table.rows.items()}, "replaced": len(table.replaced)}
    read = {act: number for act, number in counted.items() if number and act in layout.acts.values()}
    if told != read:
        raise Unreadable(f"it counts {told}, its table has {read}")


def _check_replaced(table: _Table, database: Database) -> None:
    """A row that was cut names something that is not there."""
    installed = database.packages
    for package, _ in table.replaced:
        if package not in installed:
            raise Unreadable(f"{package.label} {package.version} would be replaced and is not installed")


def _transaction(table: _Table, database: Database) -> Transaction:
    installed = versions(database)
    further, new = new_packages(table.of("install"), {name for name, _ in installed})
    return Transaction(
        install=tuple(further),
        upgrade=tuple(change(package, installed) for package in table.of("upgrade")),
        remove=(*table.of("remove"), *(gone for gone, by in table.replaced if gone.name != by)),
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
