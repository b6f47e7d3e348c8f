"""Which release a host runs, and until when it gets security fixes."""

import re
import shlex
from datetime import date

from ronde.facts.patch.reading import LOOK_LIMIT, not_understood, unusable
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Release

# The last day with fixes that everybody gets from the release's ordinary repositories, without a contract: for Debian
# the end of its long term support, whose fixes come through the same security archive; for Ubuntu the end of standard
# support, since later ones (ESM) need a subscription.
DEBIAN_SOURCE = "Debian's distro-info-data 0.58, eol-lts; wiki.debian.org/LTS"
UBUNTU_SOURCE = "Debian's distro-info-data 0.58, eol; ubuntu.com/about/release-cycle"
END_OF_LIFE: dict[tuple[str, str], tuple[date, str]] = {
    ("debian", "8"): (date(2020, 6, 30), DEBIAN_SOURCE),
    ("debian", "9"): (date(2022, 6, 30), DEBIAN_SOURCE),
    ("debian", "10"): (date(2024, 6, 30), DEBIAN_SOURCE),
    ("debian", "11"): (date(2026, 8, 31), DEBIAN_SOURCE),
    ("debian", "12"): (date(2028, 6, 30), DEBIAN_SOURCE),
    ("debian", "13"): (date(2030, 6, 30), DEBIAN_SOURCE),
    ("ubuntu", "16.04"): (date(2021, 4, 30), UBUNTU_SOURCE),
    ("ubuntu", "18.04"): (date(2023, 5, 31), UBUNTU_SOURCE),
    ("ubuntu", "20.04"): (date(2025, 5, 29), UBUNTU_SOURCE),
    ("ubuntu", "22.04"): (date(2027, 6, 1), UBUNTU_SOURCE),
    ("ubuntu", "24.04"): (date(2029, 5, 31), UBUNTU_SOURCE),
    ("ubuntu", "24.10"): (date(2025, 7, 10), UBUNTU_SOURCE),
    ("ubuntu", "25.04"): (date(2026, 1, 15), UBUNTU_SOURCE),
    ("ubuntu", "25.10"): (date(2026, 7, 9), UBUNTU_SOURCE),
    ("ubuntu", "26.04"): (date(2031, 5, 29), UBUNTU_SOURCE),
}
_FIELD = re.compile(r"^([A-Z_]+)=(.*)$", re.MULTILINE)


def release_question() -> Question:
    return Question(Command(("cat", "/etc/os-release"), timeout=LOOK_LIMIT), "cat /etc/os-release")


def parse_release(answer: Answer) -> Release | Finding:
    """os-release(5). Versions are looked up whole and then by their first number (`9.4` of Rocky is `9`)."""
    bad = unusable("cat", answer)
    if bad:
        return bad
    try:
        fields = {name: " ".join(shlex.split(value)) for name, value in _FIELD.findall(answer.text)}
    except ValueError as error:
        return not_understood("cat /etc/os-release", answer, str(error))
    if "ID" not in fields:
        return not_understood("cat /etc/os-release", answer, "it names no ID")
    identity, version = fields["ID"], fields.get("VERSION_ID", "")
    known = END_OF_LIFE.get((identity, version)) or END_OF_LIFE.get((identity, version.partition(".")[0]))
    end, source = known or (None, "")
    return Release(identity, version, fields.get("PRETTY_NAME") or f"{identity} {version}".strip(), end, source)
