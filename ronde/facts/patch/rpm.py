"""What every manager above rpm shares: the package database, kernels, failed scriptlets, and who holds a lock.

rpm has no state between "installed" and "not installed". What a run left half done is seen in two ways only: a package
that is there in two versions although only one may be (the new one went in, the old one did not go), and the words that
a failed scriptlet left in the run's own output. Both become broken entries of the database here, so that the outcome of
a run is judged from the database alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from ronde.facts.patch.reading import LOOK_LIMIT, common_failure, cut, not_understood
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.evr import evr, evr_key
from ronde.model.patch.packages import Database, Entry, Package, State
from ronde.model.patch.reboot import Signal

DUPLICATE = "an older version beside it"
SCRIPT_FAILED = "its script failed"
_FORMAT = r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\n"
# What packages say of themselves of which several versions may be installed at once (dnf.conf, zypp.conf).
_SEVERAL = ("installonlypkg(kernel)", "installonlypkg(kernel-module)", "installonlypkg(vm)", "multiversion(kernel)")
_MARK = "-- several --"
_DATABASE = f"""\
rpm -qa --qf "$1" || exit
echo "{_MARK}"
shift
rpm -q --qf '%{{NAME}}\\n' --whatprovides "$@"
exit 0
"""
_KERNELS = "uname -r && rpm -qa --qf \"$1\" 'kernel*'"
_NO_ARCH = "(none)"
_PSEUDO = "gpg-pubkey"  # the keys that rpm trusts are kept as packages
_NEVRA = re.compile(r"(?P<name>\S+)-(?P<epoch>\d+:)?(?P<version>[^\s-]+)-(?P<release>[^\s-]+)\.(?P<arch>[^\s.-]+)")
_IMAGE = re.compile(r"kernel(-(rt|uek|64k|rt-64k|16k|debug|rt-debug|64k-debug))?(-core)?")
_SUSE_IMAGE = re.compile(r"kernel-(default|azure|rt|64kb|kvmsmall|longterm|lpae|vanilla|pae|xen)(-base)?")
_SCRIPT = re.compile(r"(?:warning:|error:|\[RPM\]) %(\w+)\((\S+)\) scriptlet failed")
_SCRIPT_OF = re.compile(r"[Ee]rror in (\w+) scriptlet in rpm package (\S+)")
_SCRIPT_5 = re.compile(r"[Ee]rror in (%?[\w-]+) scriptlet: (\S+)")  # dnf5

# A lock is a file with the number of its holder; one whose holder is gone holds nothing.
_HOLDERS = """\
for f; do
  p=$(cat "$f" 2>/dev/null) || continue
  case $p in ''|*[!0-9]*) continue;; esac
  [ -d "/proc/$p" ] && printf '%s\\t%s\\t%s\\n' "$p" "$f" "$(tr '\\000' ' ' <"/proc/$p/cmdline" | cut -c 1-200)"
done
exit 0
"""
DNF_LOCKS = (
    "/var/cache/dnf/metadata_lock.pid",
    "/var/cache/dnf/download_lock.pid",
    "/var/lib/dnf/rpmdb_lock.pid",
    "/var/run/yum.pid",
)
ZYPPER_LOCKS = ("/run/zypp.pid",)


def nevra(package: Package) -> str:
    """The one spelling that dnf and rpm all take for exactly this: `name-[epoch:]version-release.arch`."""
    return f"{package.name}-{package.version}.{package.arch}"


def split_nevra(text: str) -> Package | None:
    """The package behind `name-[epoch:]version-release.arch`; None when it is not spelled so."""
    match = _NEVRA.fullmatch(text)
    if match is None:
        return None
    epoch = int((match["epoch"] or "0:")[:-1])
    return Package(match["name"], match["arch"], evr(epoch, match["version"], match["release"]))


def database_question() -> Question:
    """Everything installed, and the names of which several versions may be."""
    command = Command(("sh", "-c", _DATABASE, "ronde", _FORMAT, *_SEVERAL), timeout=LOOK_LIMIT)
    return Question(command, f"rpm -qa --qf '{_FORMAT}'")


def parse_database(answer: Answer, held: Iterable[str] = ()) -> Database | Finding:
    """The database; `held` are labels, bare names or globs that the manager's own locks hold.

    An empty database is not understood: a host that runs rpm has at least rpm.
    """
    body, mark, rest = answer.text.partition(f"{_MARK}\n")
    if answer.exit_status != 0 or answer.truncated or not mark:
        return common_failure("rpm", answer) or cut(answer) or not_understood("rpm", answer)
    packages = _packages(body)
    if not packages:
        return not_understood("rpm", answer, "not one package is installed")
    several = {line for line in rest.splitlines() if " " not in line}
    return Database(tuple(_entries(packages, several, tuple(held))))


def _packages(body: str) -> list[Package] | None:
    found = []
    for line in body.splitlines():
        columns = line.split("\t")
        if len(columns) != 5 or not columns[1].isdecimal():
            return None
        name, epoch, version, release, arch = columns
        if name != _PSEUDO:
            found.append(Package(name, "" if arch == _NO_ARCH else arch, evr(int(epoch), version, release)))
    return found


def _entries(packages: Sequence[Package], several: set[str], held: Sequence[str]) -> list[Entry]:
    count = Counter(package.label for package in packages)
    entries = []
    for package in sorted(packages):
        twice = count[package.label] > 1 and package.name not in several
        state, mark = (State.BROKEN, DUPLICATE) if twice else (State.INSTALLED, "")
        locked = any(fnmatchcase(name, lock) for name in (package.label, package.name) for lock in held)
        entries.append(Entry(package, state, mark, held=locked))
    return entries


def failed_scripts(said: str) -> frozenset[str]:
    """Names of packages of which a scriptlet failed during a run, from the output of dnf, dnf5 or zypper."""
    exact = {split_nevra(match[2]) for words in (_SCRIPT, _SCRIPT_5) for match in words.finditer(said)}
    named = {match[2] for match in _SCRIPT_OF.finditer(said)}
    return frozenset({package.name for package in exact if package} | named)


def with_failed_scripts(database: Database, said: str) -> Database:
    """The database after a run, with every package whose scriptlet failed marked as broken.

    dnf ends with 0 and "Complete!" then, and rpm's database shows the new version as if nothing had happened.
    """
    failed = failed_scripts(said)
    return Database(
        tuple(
            replace(entry, state=State.BROKEN, mark=entry.mark or SCRIPT_FAILED)
            if entry.package.name in failed
            else entry
            for entry in database.entries
        )
    )


def kernel_question() -> Question:
    command = Command(("sh", "-c", _KERNELS, "ronde", _FORMAT), timeout=LOOK_LIMIT)
    return Question(command, "uname -r; rpm -qa 'kernel*'")


def parse_kernel(answer: Answer) -> Signal | Finding:
    """Whether the newest installed kernel of the running one's kind is the running one.

    needs-restarting of dnf-plugins-core 4.3 does not count `kernel-core`, so this is asked besides it. A host without
    kernel packages (a container) runs a kernel that is not its own. A kernel that is none of the installed ones was
    started from outside, or was removed: nobody can tell from here whether a reboot would bring another one.
    """
    running, _, body = answer.text.partition("\n")
    packages = _packages(body)
    if answer.exit_status != 0 or answer.truncated or not running or packages is None:
        return common_failure("rpm", answer) or cut(answer) or not_understood("rpm", answer)
    images = [package for package in packages if _is_image(package.name)]
    if not images:
        reason = "No kernel package is installed here; the kernel is not this host's own."
        return Signal("kernel", needed=False, reason=reason, evidence=f"running {running}", settles=False)
    mine = [package for package in images if running in _running_names(package)]
    if not mine:
        known = ", ".join(sorted(nevra(package) for package in images))
        evidence = f"running {running}, installed {known}"
        return Signal("kernel", None, "The running kernel is none of those installed as packages.", evidence)
    return _newest_kernel(running, mine[0], images)


def _newest_kernel(running: str, mine: Package, images: Sequence[Package]) -> Signal:
    kind = [package.version for package in images if (package.name, package.arch) == (mine.name, mine.arch)]
    newest = max(kind, key=evr_key)
    evidence = f"running {running}, newest {mine.name} {newest}"
    if newest == mine.version:
        return Signal("kernel", needed=False, reason="The newest installed kernel is running.", evidence=evidence)
    reason = f"{mine.name} {newest} is installed and {running} is running."
    return Signal("kernel", needed=True, reason=reason, evidence=evidence)


def _is_image(name: str) -> bool:
    return bool(_IMAGE.fullmatch(name) or _SUSE_IMAGE.fullmatch(name))


def _running_names(package: Package) -> frozenset[str]:
    """What `uname -r` may say when this package's kernel runs.

    Red Hat: `5.14.0-503.el9.x86_64`, with `+rt` or the like for other kinds. SUSE: `6.4.0-150600.23.25-default` of the
    package version `6.4.0-150600.23.25.1`, whose last number only counts rebuilds.
    """
    version = package.version.partition(":")[2] or package.version
    flavour = package.name.removeprefix("kernel-").removesuffix("-core").removesuffix("-base")
    plain = f"{version}.{package.arch}"
    return frozenset((plain, f"{plain}+{flavour}", f"{version}-{flavour}", f"{version.rpartition('.')[0]}-{flavour}"))


def holders_question(files: Sequence[str]) -> Question:
    """Who holds the manager's locks (`DNF_LOCKS`, `ZYPPER_LOCKS`)."""
    command = Command(("sh", "-c", _HOLDERS, "ronde", *files), timeout=LOOK_LIMIT)
    return Question(command, f"cat {' '.join(files)}")


def parse_holders(answer: Answer) -> tuple[str, ...] | Finding:
    """Living holders as `pid 4711 (dnf -y upgrade), /var/lib/dnf/rpmdb_lock.pid`; empty when nobody holds a lock."""
    lines = [line.split("\t") for line in answer.text.splitlines()]
    if answer.exit_status != 0 or answer.truncated or not all(len(columns) == 3 for columns in lines):
        return common_failure("sh", answer) or cut(answer) or not_understood("sh", answer)
    return tuple(f"pid {pid} ({command.strip()}), {file}" for pid, file, command in lines)


def new_packages(packages: Iterable[Package], installed: Iterable[str]) -> tuple[list[Package], list[Package]]:
    """Packages to be installed, apart: further versions of installed names (kernels), and names new to the host.

    The second kind comes as a dependency or replaces another package, and needs the policy's leave.
    """
    known = frozenset(installed)
    further: list[Package] = []
    new: list[Package] = []
    for package in packages:
        (further if package.name in known else new).append(package)
    return further, new
