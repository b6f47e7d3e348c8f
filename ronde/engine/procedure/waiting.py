"""`wait_for`: until something is so, asked again and again until the step's time is over."""

from typing import Final

from ronde.engine.procedure.result import Result, done, failed
from ronde.engine.procedure.stage import Stage
from ronde.facts.question import tail

_EVERY: Final = 1.0  # seconds between two looks
_LONGEST_LOOK: Final = 20.0  # seconds that one look may take
NO_TOOL: Final = 69  # our scripts' status when the host has nothing to look with

# Whether a port accepts, with whatever the host has: bash, or one of the netcats.
PORT: Final = (
    'if command -v bash >/dev/null; then exec timeout 5 bash -c \'exec 3<>"/dev/tcp/$0/$1"\' "$1" "$2"; fi; '
    'if command -v nc >/dev/null; then exec nc -z -w 5 -- "$1" "$2"; fi; exit 69'
)
HTTP: Final = (
    'if command -v curl >/dev/null; then exec curl -ksS -m 10 -o /dev/null -w "%{http_code}\\n" -- "$1"; fi; '
    "if command -v wget >/dev/null; then "
    'wget -q -T 10 -t 1 --no-check-certificate -S -O /dev/null -- "$1" 2>&1 '
    "| sed -n 's/^ *HTTP[^ ]* \\([0-9]*\\).*/\\1/p' | tail -n 1; exit 0; fi; exit 69"
)


def wait_until(stage: Stage) -> Result:
    """Look until it is so; what was last seen is told when it never was."""
    clock, began = stage.job.engine.clock, stage.job.engine.clock.now()
    looks, seen = 0, ""
    while True:
        so, seen = _look(stage)
        looks += 1
        took = (clock.now() - began).total_seconds()
        if so is None:
            return failed(seen)
        if so is not stage.content["absent"]:
            return done(f"after {took:.0f} s", facts={"waited_s": int(took), "looks": looks})
        if took >= stage.terms.timeout:
            return failed(f"not within {stage.terms.timeout:g} s: {seen}", {"looks": looks})
        stage.job.signal.check()
        stage.job.engine.pause(_EVERY)


def _look(stage: Stage) -> tuple[bool | None, str]:
    """Whether it is so (None: it cannot be looked at), and what was seen."""
    content, limit = stage.content, min(_LONGEST_LOOK, stage.terms.timeout)
    if content.get("file"):
        answer = stage.ask(("test", "-e", stage.text("file")), timeout=limit)
        return answer.exit_status == 0, "the file is not there" if answer.exit_status else "the file is there"
    if content.get("unit"):
        answer = stage.ask(("systemctl", "is-active", "--", stage.text("unit")), timeout=limit)
        return answer.text.strip() == "active", f"the unit is {answer.text.strip() or tail(answer)}"
    if content.get("port"):
        argv = ("sh", "-c", PORT, "ronde", stage.text("address"), stage.text("port"))
        answer = stage.ask(argv, timeout=limit)
        words = "it accepts" if answer.exit_status == 0 else f"it does not accept: {tail(answer)}"
        return None if answer.exit_status == NO_TOOL else answer.exit_status == 0, words
    answer = stage.ask(("sh", "-c", HTTP, "ronde", stage.text("http")), timeout=limit)
    code = answer.text.strip()
    if answer.exit_status == NO_TOOL:
        return None, "the host has neither curl nor wget to look with"
    return code.isdigit() and int(code) in content["status"], f"it answers {code or tail(answer) or 'nothing'}"
