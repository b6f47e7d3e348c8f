"""New versions of configuration files that a package manager put beside those that somebody has changed."""

from collections.abc import Sequence

from ronde.facts.patch.reading import LOOK_LIMIT, unusable
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Leftovers
from ronde.model.patch.thresholds import unknown

DPKG = ("*.dpkg-dist", "*.dpkg-new", "*.ucf-dist", "*.ucf-new")
RPM = ("*.rpmnew",)
APK = ("*.apk-new",)
_DENIED = 1


def leftovers_question(globs: Sequence[str]) -> Question:
    names = [word for glob in globs for word in ("-o", "-name", glob)][1:]
    command = Command(("find", "/etc", "-xdev", "(", *names, ")", "-print0"), timeout=LOOK_LIMIT)
    return Question(command, "find /etc -xdev " + " -o ".join(f"-name '{glob}'" for glob in globs))


def parse_leftovers(answer: Answer) -> Leftovers | Finding:
    if answer.exit_status == _DENIED and "Permission denied" in answer.error_text:
        return unknown("patch-denied", "Our user may not read all of /etc.")
    bad = unusable("find", answer)
    return bad or Leftovers(tuple(sorted(path for path in answer.text.split("\0") if path)))
