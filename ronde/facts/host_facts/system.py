"""What a host is: its system, its kernel, how long it runs, how busy it is."""

from collections.abc import Mapping

from ronde.facts.boot import boot_question, parse_boot
from ronde.facts.named import Fields, NamedFact
from ronde.facts.question import Question
from ronde.facts.reading import Unreadable
from ronde.model.command import Answer, Command

_SCRIPT = (
    "cat /etc/os-release 2>/dev/null; echo ==; uname -srm; cat /proc/uptime /proc/loadavg; "
    "sed -n 's/^MemTotal: *//p; s/^MemAvailable: *//p' /proc/meminfo; nproc; echo end"
)


def _ask(_given: Mapping[str, str]) -> Question:
    return Question(Command(("sh", "-c", _SCRIPT), timeout=30), "cat /etc/os-release; uname -srm; cat /proc/uptime")


def _read(answer: Answer) -> Fields:
    release, mark, rest = answer.text.partition("==\n")
    lines = rest.splitlines()
    if not mark or len(lines) < 7 or lines[-1] != "end":
        raise Unreadable("the answer is cut off")
    names = dict(line.partition("=")[::2] for line in release.splitlines())
    try:
        return {
            "name": names.get("PRETTY_NAME", "").strip('"'),
            "id": names.get("ID", "").strip('"'),
            "version": names.get("VERSION_ID", "").strip('"'),
            "kernel": lines[0],
            "uptime_s": int(float(lines[1].split()[0])),
            "load": float(lines[2].split()[0]),
            "memory": int(lines[3].split()[0]) * 1024,
            "memory_free": int(lines[4].split()[0]) * 1024,
            "cores": int(lines[5]),
        }
    except (ValueError, IndexError) as error:
        raise Unreadable(f"a figure is none: {error}") from error


SYSTEM = NamedFact(
    "system",
    "distribution, kernel, uptime, load and memory",
    _ask,
    _read,
    fields={
        "name": "as the distribution calls itself",
        "id": "debian, rocky, …",
        "version": "its version",
        "kernel": "name, release and machine",
        "uptime_s": "seconds since the start",
        "load": "over the last minute",
        "memory": "bytes",
        "memory_free": "bytes available",
        "cores": "processors",
    },
)


def _read_boot(answer: Answer) -> Fields:
    boot = parse_boot(answer)
    return {"id": boot.id, "state": boot.state, "kernel": boot.kernel}


BOOT = NamedFact(
    "boot",
    "which boot the host is in, and whether it has finished starting",
    lambda _given: boot_question(),
    _read_boot,
    fields={"id": "another one after every start", "state": "running, degraded, starting, …", "kernel": "release"},
)
