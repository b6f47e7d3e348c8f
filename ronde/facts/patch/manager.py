"""Which package manager a host is kept up to date with: one question and a pure choice, which may be none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ronde.facts.patch.reading import LOOK_LIMIT, common_failure, cut, not_understood
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.thresholds import unknown

_PROGRAMS = ("apt-get", "dnf5", "dnf", "yum", "zypper", "apk", "transactional-update")
_SCRIPT = """\
cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null
echo "-- programs --"
for p; do command -v "$p" >/dev/null && echo "$p"; done
[ -e /run/ostree-booted ] && echo ostree
echo "-- dnf --"
command -v dnf >/dev/null && dnf --version 2>&1 | head -n 1
exit 0
"""
_FIVE = re.compile(r"dnf5 version|5\.\d")
_FAMILIES: Mapping[str, str] = {
    **dict.fromkeys(("debian", "ubuntu"), "apt-get"),
    **dict.fromkeys(("rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn"), "dnf"),
    **dict.fromkeys(("suse", "sles", "opensuse", "opensuse-leap", "opensuse-tumbleweed"), "zypper"),
    "alpine": "apk",
}


class Tier(StrEnum):
    """How what we know of a manager was learnt. A run says so when that is from its documentation alone."""

    RECORDED = "recorded"  # questions and answers are held against the real tool
    DOCUMENTED = "documented"  # after its documentation; never run against a real one


@dataclass(frozen=True, slots=True)
class Probe:
    """What a host is and has.

    Attributes:
        id, like: `ID` and the words of `ID_LIKE` of os-release; empty when there is none.
        programs: which of the programs we know are there; `ostree` when the system is an image.
        dnf: the first line of `dnf --version`, which tells dnf 4 from dnf5 (`dnf` is a link to it from Fedora 41 on).
    """

    id: str
    like: tuple[str, ...]
    programs: frozenset[str]
    dnf: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The manager: `apt`, `dnf`, `dnf5`, `zypper` or `apk`, and how well we know it."""

    name: str
    tier: Tier


_CHOICES = {
    "apt-get": Choice("apt", Tier.RECORDED),
    "dnf": Choice("dnf", Tier.RECORDED),
    "dnf5": Choice("dnf5", Tier.RECORDED),
    "zypper": Choice("zypper", Tier.RECORDED),
    "apk": Choice("apk", Tier.DOCUMENTED),
}


def probe_question() -> Question:
    command = Command(("sh", "-c", _SCRIPT, "ronde", *_PROGRAMS), timeout=LOOK_LIMIT)
    return Question(command, f"cat /etc/os-release; command -v {' '.join(_PROGRAMS)}")


def parse_probe(answer: Answer) -> Probe | Finding:
    release, mark, rest = answer.text.partition("-- programs --\n")
    programs, second, dnf = rest.partition("-- dnf --\n")
    if answer.exit_status != 0 or answer.truncated or not (mark and second):
        return common_failure("sh", answer) or cut(answer) or not_understood("sh", answer)
    known = dict(re.findall(r"^(ID|ID_LIKE)=[\"']?([^\"'\n]*)", release, re.MULTILINE))
    like = tuple(known.get("ID_LIKE", "").lower().split())
    return Probe(known.get("ID", "").lower(), like, frozenset(programs.split()), dnf.strip())


def choose(probe: Probe) -> Choice | Finding:
    """The manager of the host's own family if it is there; another one that happens to be installed is not it."""
    if "ostree" in probe.programs or "transactional-update" in probe.programs:
        return _none("The system is an image that is replaced as a whole.", probe)
    there = {name for name in _CHOICES if name in probe.programs}
    families = [_FAMILIES[word] for word in (probe.id, *probe.like) if word in _FAMILIES]
    wanted = families[0] if families else None
    if wanted is None:
        wanted = next(iter(there)) if len({_stem(name) for name in there}) == 1 else None
    if wanted is None:
        return _none("Neither the system's name nor its programs tell which one.", probe)
    if wanted in {"dnf", "dnf5"}:
        return _which_dnf(probe)
    return _CHOICES[wanted] if wanted in there else _none(f"It should be {wanted}, which is not there.", probe)


def _stem(name: str) -> str:
    return name.removesuffix("5")


def _which_dnf(probe: Probe) -> Choice | Finding:
    if "dnf" in probe.programs and re.match(r"4\.\d", probe.dnf):
        return _CHOICES["dnf"]
    if "dnf5" in probe.programs or ("dnf" in probe.programs and _FIVE.match(probe.dnf)):
        return _CHOICES["dnf5"]
    if "yum" in probe.programs and "dnf" not in probe.programs:
        return _none("It has yum 3 alone, of a release that gets no more fixes.", probe)
    return _none(f"It should be dnf, which is not there or says {probe.dnf[:80]!r}.", probe)


def _none(why: str, probe: Probe) -> Finding:
    message = f"No package manager that we know keeps this host up to date. {why}"
    return unknown("patch-tool-missing", message, id=probe.id, programs=sorted(probe.programs))
