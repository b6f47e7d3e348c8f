"""Units that failed, sockets that listen, and whether the clock is kept."""

import re

from ronde.facts.named import Fields, NamedFact
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.facts.units import failed_question, parse_failed, parse_unit, unit_question
from ronde.model.command import Answer, Command


def difference(name: str, before: Fields, after: Fields) -> Fields:
    """What a list has that it had not, and the other way round."""
    was, now = before.get(name), after.get(name)
    if not isinstance(was, list) or not isinstance(now, list):
        return {}
    return {
        "added": sorted(set(map(str, now)) - set(map(str, was))),
        "removed": sorted(set(map(str, was)) - set(map(str, now))),
    }


def _read_failed(answer: Answer) -> Fields:
    units = list(parse_failed(answer))
    return {"units": units, "count": len(units)}


FAILED_UNITS = NamedFact(
    "failed_units",
    "systemd units that have failed",
    lambda _given: failed_question(),
    _read_failed,
    fields={"units": "their names", "count": "how many", "added": "failed since last time", "removed": "mended since"},
    compare=lambda before, after: difference("units", before, after),
)


def _read_unit(answer: Answer) -> Fields:
    unit = parse_unit(answer, "")
    return {
        "name": unit.name,
        "exists": unit.exists,
        "active": unit.active,
        "sub": unit.sub,
        "enabled": unit.enabled,
        "since": unit.since,
    }


UNIT = NamedFact(
    "unit",
    "how one systemd unit stands",
    lambda given: unit_question(given["name"]),
    _read_unit,
    takes={"name": None},
    fields={
        "exists": "whether systemd knows it",
        "active": "active, inactive, failed, …",
        "sub": "running, dead, exited, …",
        "enabled": "enabled, disabled, static, …",
        "since": "when it became active, as systemd writes it",
    },
)

_LISTEN = re.compile(r"^(?P<kind>tcp|udp)\s+\S+\s+\d+\s+\d+\s+(?P<local>\S+)\s+\S+\s*(?P<users>.*)$")
_PROGRAM = re.compile(r'\("([^"]+)"')


def _read_ports(answer: Answer) -> Fields:
    if answer.exit_status != 0:
        raise Unreadable(f"ss ended with {answer.exit_status}")
    sockets = []
    for line in answer.text.splitlines():
        match = _LISTEN.match(line)
        if match is None:
            raise Unreadable(f"ss says {line[:80]!r}")
        programs = ",".join(dict.fromkeys(_PROGRAM.findall(match["users"])))
        sockets.append(f"{match['kind']} {match['local']}" + (f" {programs}" if programs else ""))
    return {"sockets": sorted(set(sockets)), "count": len(set(sockets))}


PORTS = NamedFact(
    "listening_ports",
    "sockets that listen, with their program where we may see it, and what is new",
    lambda _given: Question(Command(("ss", "-Hltunp"), timeout=60), "ss -Hltunp"),
    _read_ports,
    fields={
        "sockets": 'list of "tcp 0.0.0.0:22 sshd"',
        "count": "how many",
        "added": "new since last time",
        "removed": "gone since last time",
    },
    compare=lambda before, after: difference("sockets", before, after),
)

# timedatectl where there is systemd; chronyc and ntpq say how far off, where there is one of them.
_TIME = (
    "timedatectl show 2>/dev/null; "
    "if command -v chronyc >/dev/null; then echo ==chrony; chronyc -c tracking 2>/dev/null; "
    "elif command -v ntpq >/dev/null; then echo ==ntp; ntpq -c rv 2>/dev/null; fi; echo ==end"
)


def _read_time(answer: Answer) -> Fields:
    text = answer.text
    if "==end" not in text:
        raise Unreadable("the answer is cut off")
    fields = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line and not line.startswith("=="))
    synchronised: bool | None = {"yes": True, "no": False}.get(fields.get("NTPSynchronized", ""))
    offset: float | None = None
    if "==chrony" in text:
        parts = text.partition("==chrony\n")[2].split(",")
        if len(parts) > 4 and _number(parts[4]) is not None:
            offset = _number(parts[4])
            synchronised = parts[0] not in ("", "7F7F0101", "00000000")
    elif (match := re.search(r"offset=(-?[\d.]+)", text)) is not None:
        offset = float(match[1]) / 1000
    if synchronised is None and offset is None:
        raise Unreadable("neither timedatectl nor chronyc nor ntpq says whether the clock is kept")
    return {"synchronised": synchronised, "offset_s": offset, "zone": fields.get("Timezone", "")}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


TIME = NamedFact(
    "time_sync",
    "whether the clock is kept, and how far it is off",
    lambda _given: Question(Command(("sh", "-c", _TIME), timeout=30), "timedatectl show; chronyc -c tracking"),
    _read_time,
    fields={
        "synchronised": "true, false, or nothing when the host does not know",
        "offset_s": "seconds, where chrony or ntpd says",
        "zone": "the host's time zone",
    },
)
