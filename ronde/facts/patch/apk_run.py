"""A run of apk, the way back from a wreck, and who holds its lock: **after its documentation only**.

Never run against a real Alpine. apk takes no versions in an upgrade, so the run itself asks once more what it would do,
and begins only when that is the plan, to the letter.
"""

from collections.abc import Iterator, Sequence

from ronde.facts.patch import file_locks
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.packages import Package, Transaction
from ronde.model.patch.thresholds import critical, unknown

APPLY_LIMIT = 2 * 3600.0
LOCK_WAIT_S = 900  # seconds apk waits for another apk (`--wait`)
LOCKS = ("/lib/apk/db/lock",)
DIFFERS = 75
# Words: the names to upgrade, and the steps of the plan as `Upgrading/NAME/VERSION`. The numbered lines of a preview
# are read as such steps. /etc/apk/world is what a person asked for; an upgrade has no business there.
_APPLY = f"""\
names= steps=
for word; do
  case $word in */*) steps="$steps$word
" ;; *) names="$names $word" ;; esac
done
[ "$names" ] || exit 64 # without a name apk would upgrade everything
said=$(apk --cache-max-age 525600 upgrade --simulate $names) || exit
now=$(printf '%s\\n' "$said" |
  sed -n 's,^( *[0-9]*/[0-9]*) \\([A-Z][a-z]*\\) \\([^ ]*\\) (\\(.*\\))$,\\1/\\2/\\3,p' | sed 's,/[^/ ]* -> ,/,' | sort)
if [ "$now" != "$(printf %s "$steps" | sort)" ]; then
  echo "apk would now do something else: $(echo $now)" >&2
  exit {DIFFERS}
fi
world=$(cat /etc/apk/world)
apk --wait {LOCK_WAIT_S} --cache-max-age 525600 upgrade $names
status=$?
if [ "$(cat /etc/apk/world)" != "$world" ]; then
  printf '%s\\n' "$world" >/etc/apk/world && echo "ERROR: apk changed /etc/apk/world; it was put back" >&2
fi
exit $status
"""


def apply_command(targets: Sequence[Package], plan: Transaction) -> Command:
    """The run: exactly the plan, or nothing. Its first four words are the same whatever the packages are.

    With names apk does not upgrade itself first, which would be a run of its own (told by its source).
    """
    names = sorted(package.name for package in targets)
    return Command(("sh", "-c", _APPLY, "ronde", *names, *sorted(_steps(plan))), timeout=APPLY_LIMIT)


def _steps(plan: Transaction) -> Iterator[str]:
    for act, changes in (("Upgrading", plan.upgrade), ("Downgrading", plan.downgrade)):
        yield from (f"{act}/{change.name}/{change.after}" for change in changes)
    for act, packages in (("Installing", (*plan.install, *plan.new_dependencies)), ("Purging", plan.remove)):
        yield from (f"{act}/{package.name}/{package.version}" for package in packages)


def explain(status: int | None, said: str) -> Finding | None:
    """Why a run ended as it did, for a person; whether it succeeded is told by the package database alone."""
    if status == 0:
        return None
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if status == DIFFERS and lines:
        return critical("patch-plan-differs", lines[-1], exit_status=status)
    if "Unable to lock database: Resource temporarily unavailable" in said:
        return unknown("patch-locked", "Another program held apk's lock.", exit_status=status)
    told = " / ".join([line for line in lines if line.startswith("ERROR:")][-4:] or lines[-2:])[:300] or "nothing"
    return critical("patch-package-failed", f"apk ended with exit status {status}: {told}", exit_status=status)


def recovery_command() -> Command:
    """Installs again what is flagged as half done. It leaves /etc/apk/world alone (apk-fix(8))."""
    return Command(("apk", "--wait", str(LOCK_WAIT_S), "fix"), timeout=APPLY_LIMIT)


def holders_question() -> Question:
    return file_locks.holders_question(LOCKS)


def parse_holders(answer: Answer) -> tuple[str, ...] | Finding:
    return file_locks.parse_holders(answer, LOCKS)
