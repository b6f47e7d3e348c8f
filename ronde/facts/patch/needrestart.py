"""Programs that run on files which were replaced: told by needrestart, or read from /proc where it is not installed.

`-b` alone lists and restarts nothing; `-r l` says so once more, against a configuration that says otherwise. Run
without root it ends with 0 and prints its version alone, which looks like "nothing to do". A kernel status of 0 means
that it could not tell (a kernel from elsewhere, a container), not that there is none.
"""

import re

from ronde.facts.patch.reading import LOOK_LIMIT, SOLVE_LIMIT, common_failure, cut, not_understood, unusable
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import OldServices
from ronde.model.patch.reboot import Signal
from ronde.model.patch.thresholds import unknown

_FIELD = re.compile(r"^NEEDRESTART-(\w+): ?(.*)$", re.MULTILINE)
_ABI_COMPATIBLE, _NEWER = "2", "3"
# One line for each process that maps a deleted file of the system: process, its unit, its name.
_SCAN = r"""
cat /proc/1/maps >/dev/null 2>&1 || exit 3
for m in /proc/[0-9]*/maps; do
  grep -qE '[r-][w-]x[ps] .* (/usr|/lib|/opt|/bin|/sbin).*\(deleted\)$' "$m" 2>/dev/null || continue
  p=${m%/maps}
  u=$(grep -oE '[^/]+\.(service|scope)$' "$p/cgroup" 2>/dev/null | tail -n 1)
  printf '%s\t%s\t%s\n' "${p#/proc/}" "$u" "$(cat "$p/comm" 2>/dev/null)"
done
exit 0
"""
_NOT_ROOT = 3


def restart_question() -> Question:
    command = Command(("needrestart", "-b", "-r", "l"), timeout=SOLVE_LIMIT)
    return Question(command, command.display)


def parse_restart(answer: Answer) -> tuple[Signal, OldServices] | Finding:
    """Its word on the kernel, and the programs; a finding `patch-tool-missing` when it is not installed."""
    fields = _FIELD.findall(answer.text)
    bad = unusable("needrestart", answer)
    if bad or not fields:
        return bad or not_understood("needrestart", answer)
    status = next((value for name, value in fields if name == "KSTA"), None)
    if status is None:
        return unknown("patch-denied", "needrestart told its version alone; it must run as root.")
    services = tuple(sorted(value for name, value in fields if name == "SVC"))
    others = tuple(f"{name.lower()} {value}" for name, value in fields if name in {"SESS", "CONT", "VM"})
    return _kernel(status, dict(fields)), OldServices(services, others)


def _kernel(status: str, fields: dict[str, str]) -> Signal:
    evidence = f"KSTA {status}, KCUR {fields.get('KCUR', '')}, KEXP {fields.get('KEXP', '')}"
    if status in {_ABI_COMPATIBLE, _NEWER}:
        reason = f"needrestart expects kernel {fields.get('KEXP', '')}, {fields.get('KCUR', '')} runs."
        return Signal("needrestart", needed=True, reason=reason, evidence=evidence)
    if status == "1":
        return Signal("needrestart", needed=False, reason="needrestart expects no other kernel.", evidence=evidence)
    return Signal("needrestart", None, "needrestart cannot tell which kernel is expected.", evidence)


def absent() -> Signal:
    """What stands for needrestart where it is not installed: nothing, for or against."""
    return Signal("needrestart", None, "needrestart is not installed.")


def scan_question() -> Question:
    return Question(Command(("sh", "-c", _SCAN, "ronde"), timeout=LOOK_LIMIT), "grep '(deleted)' /proc/*/maps")


def parse_scan(answer: Answer) -> OldServices | Finding:
    """The same from /proc, for hosts without needrestart; it misses programs of interpreted languages."""
    if answer.exit_status == _NOT_ROOT:
        return unknown("patch-denied", "Our user may not see which files the processes of others use.")
    if answer.exit_status != 0 or answer.truncated:
        return cut(answer) or common_failure("grep", answer) or not_understood("grep", answer)
    services, others = set(), set()
    for line in answer.text.splitlines():
        pid, unit, name = [*line.split("\t"), "", ""][:3]
        if unit.endswith(".service"):
            services.add(unit)
        else:
            others.add(f"{name or 'process'} ({pid})")
    return OldServices(tuple(sorted(services)), tuple(sorted(others)))
