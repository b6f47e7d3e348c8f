"""The run itself: exactly the approved packages in exactly their versions, its preview, and the way back from a wreck.

Everything is named with its version, so that a repository that changed after the approval makes the run fail instead of
doing something else. Two things that come with naming packages are undone or kept off: named packages count as asked
for by a person (`apt-mark auto` puts that back), and recommended packages would come along.

The commands are meant to be started detached on the host, as root, and never inside an SSH channel: a dropped link may
leave a package half configured. Their exit status says nothing about the outcome (100 also follows when one package of
fifty failed); the database does, see `ronde.model.patch.outcome`.
"""

import re
from collections.abc import Iterable, Sequence

from ronde.facts.patch.apt import ask, refused
from ronde.facts.patch.apt_simulation import SIMULATE
from ronde.facts.patch.reading import SOLVE_LIMIT
from ronde.facts.question import Question, tail
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.packages import Database, Package, Pending, Transaction
from ronde.model.patch.thresholds import critical

APPLY_LIMIT = 4 * 3600.0  # seconds; a whole point release over a slow line, with the waiting for the lock
RECOVERY_LIMIT = 1800.0  # seconds; a script that hangs is killed then, which leaves its package half configured
MOST_RECOVERIES = 2  # a script that failed twice fails a third time
LOCK_WAIT_S = 900  # how long apt itself waits for dpkg's lock; an unattended upgrade may take that long
# `noninteractive` alone does not answer dpkg's question about a changed configuration file, nor ucf's: dpkg then reads
# the end of its input and the package stays unpacked. With these the host's own file stays, the new one beside it.
KEEP_FILES = ("--force-confdef", "--force-confold")
ENVIRONMENT = (
    ("LC_ALL", "C"),
    ("TZ", "UTC"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBIAN_PRIORITY", "critical"),
    ("UCF_FORCE_CONFFOLD", "1"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    # needrestart's hook would ask, or restart services behind our back: that is a step of its own
    ("NEEDRESTART_SUSPEND", "1"),
)
_OPTIONS = (
    "-y",
    "-q",
    "-o",
    f"DPkg::Lock::Timeout={LOCK_WAIT_S}",
    # On a terminal of its own dpkg would be in a session of its own, and a run that is ended would leave it behind.
    "-o",
    "Dpkg::Use-Pty=0",
    *(word for option in KEEP_FILES for word in ("-o", f"Dpkg::Options::={option}")),
)
_BARE = ("-o", "APT::Install-Recommends=false", "-o", "APT::Install-Suggests=false")
_REINSTALL = "R"  # dpkg-query(1), status abbreviation: reinst-required
_FAILED = re.compile(r"^dpkg: error processing (?:package|archive) (\S+) .*\n +(.*)$", re.MULTILINE)
_ERROR = re.compile(r"^E: (.*)$", re.MULTILINE)


def preview_question(targets: Iterable[Package], removals: Iterable[Package] = ()) -> Question:
    """What the run would do, asked with the very words that do it."""
    return ask("apt-get", *SIMULATE, *_words(targets, removals), limit=SOLVE_LIMIT)


def apply_command(approved: Transaction) -> Command:
    """The run that does what was approved, and nothing else; its output is English, times in it are UTC."""
    back = ("--allow-downgrades",) if approved.downgrade else ()
    words = ("apt-get", *_OPTIONS, *back, *_words(approved.targets, approved.remove))
    return Command(words, timeout=APPLY_LIMIT, env=ENVIRONMENT)


def targets_of(wanted: Sequence[Pending]) -> tuple[Package, ...]:
    """What is named to `preview_question` for the updates that a policy selected."""
    return tuple(Package(pending.name, pending.arch, pending.candidate) for pending in wanted)


def _words(targets: Iterable[Package], removals: Iterable[Package]) -> tuple[str, ...]:
    """`--no-remove` makes apt fail rather than remove something that nobody approved."""
    named = tuple(f"{package.label}={package.version}" for package in sorted(targets))
    gone = tuple(f"{package.label}-" for package in sorted(removals))
    careful = () if gone else ("--no-remove",)
    return (*careful, *_BARE, "install", *named, *gone)


def auto_question() -> Question:
    """What counts as installed automatically; asked before a run, since the run would forget it."""
    return ask("apt-mark", "showauto")


def auto_command(done: Transaction, auto: frozenset[str]) -> Command | None:
    """Puts back the mark that naming a package took, and gives it to new dependencies; None when there is none.

    `auto` is the answer to `auto_question` from before the run, `done` what was planned. apt-mark ends with 100 when
    one package does not exist, having marked the others.
    """
    changed = [change.target for change in (*done.upgrade, *done.downgrade)]
    marked = [package for package in changed if {package.name, package.label} & auto]
    labels = sorted({package.label for package in (*marked, *done.new_dependencies)})
    return Command(("apt-mark", "auto", *labels), env=ENVIRONMENT) if labels else None


def recovery_commands(database: Database) -> tuple[Command, ...]:
    """What mends a run that was cut off, in this order; at most `MOST_RECOVERIES` times, then a person is needed.

    `-f install` might remove packages to come to terms; it is not allowed to. A package whose files were being unpacked
    is none that it can finish: dpkg wants it installed anew (`iHR`), and apt does that only when it is named, without a
    version, since the database still holds the old one. Seen on a machine whose power was cut there.
    """
    anew = sorted(entry.package.label for entry in database.broken if entry.mark.endswith(_REINSTALL))
    configure = ("dpkg", "--configure", "-a", *KEEP_FILES)
    named = ("apt-get", *_OPTIONS, "--no-remove", *_BARE, "-f", "--reinstall", "install", *anew)
    fix = ("apt-get", *_OPTIONS, "--no-remove", "-f", "install")
    steps = (configure, named, fix) if anew else (configure, fix)
    return tuple(Command(words, timeout=RECOVERY_LIMIT, env=ENVIRONMENT) for words in steps)


def explain(answer: Answer) -> Finding | None:
    """Why a run ended as it did, for a person; whether it succeeded is told by the package database alone."""
    if answer.exit_status == 0:
        return None
    said = f"{answer.text}\n{answer.error_text}"
    failed = [f"{name}: {why.strip()}" for name, why in _FAILED.findall(said)]
    told = "; ".join(failed or _ERROR.findall(said)) or tail(answer) or "nothing"
    message = f"apt ended with exit status {answer.exit_status}: {told[:300]}"
    return refused(answer) or critical("patch-package-failed", message, exit_status=answer.exit_status)
