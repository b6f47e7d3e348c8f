"""When certificates end: files on the host, and what a port shows."""

from collections.abc import Mapping
from datetime import UTC, datetime

from ronde.facts.named import Fields, NamedFact
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.check import Json
from ronde.model.command import Answer, Command

# Files by glob (expanded by the shell from a positional parameter, unquoted on purpose), ports as host:port.
_SCRIPT = """\
command -v openssl >/dev/null || { echo "ronde: no openssl" >&2; exit 69; }
say() {
  openssl x509 -noout -enddate -subject -nameopt RFC2253 2>/dev/null |
    sed 's/^notAfter=/end /; s/^subject=/subject /'
}
set -f; for place in $1; do set +f
  case $place in
    /*) for file in $place; do
          [ -e "$file" ] || { echo "place $file"; echo "absent"; continue; }
          echo "place $file"; say <"$file" || true
        done;;
    *) echo "place $place"
       timeout 15 openssl s_client -connect "$place" -servername "${place%:*}" </dev/null 2>/dev/null | say || true;;
  esac
set -f; done
echo end
"""


def _ask(given: Mapping[str, str]) -> Question:
    argv = ("sh", "-c", _SCRIPT, "ronde", given["places"])
    return Question(Command(argv, timeout=120), f"openssl x509 -enddate: {given['places']}")


def _read(answer: Answer) -> Fields:
    if "no openssl" in answer.error_text:
        raise Unreadable("the host has no openssl")
    lines = answer.text.splitlines()
    if not lines or lines[-1] != "end":
        raise Unreadable("the answer is cut off")
    found: list[dict[str, Json]] = []
    for line in lines[:-1]:
        word, _, rest = line.partition(" ")
        if word == "place":
            found.append({"place": rest, "ends": None, "days": None, "subject": ""})
        elif word == "end" and found:
            ends = _instant(rest)
            found[-1] |= {"ends": ends.isoformat(), "days": (ends - answer.ended).days}
        elif word == "subject" and found:
            found[-1]["subject"] = rest.strip()
    if not found:
        raise Unreadable("no place was named")
    days = [int(str(one["days"])) for one in found if one["days"] is not None]
    return {
        "certificates": found,
        "soonest_days": min(days) if days else None,
        "unread": [one["place"] for one in found if one["days"] is None],
    }


def _instant(text: str) -> datetime:
    try:
        return datetime.strptime(text.strip(), "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    except ValueError as error:
        raise Unreadable(f"openssl writes an end as {text!r}") from error


CERTIFICATES = NamedFact(
    "certificates",
    "when certificates end: files by path or glob, ports as host:port",
    _ask,
    _read,
    takes={"places": "/etc/letsencrypt/live/*/cert.pem /etc/ssl/private/*.pem"},
    fields={
        "certificates": "list of {place, ends (ISO 8601), days (left, negative when over), subject}",
        "soonest_days": "days until the first ends; nothing when none was read",
        "unread": "places where no certificate could be read",
    },
)
