"""`upload`: a file put in its place whole or not at all; doing it twice is doing it once."""

from typing import Final

from ronde.engine.procedure import showing
from ronde.engine.procedure.result import Result, done, failed
from ronde.engine.procedure.stage import ENVIRONMENT, Stage, exchange_of
from ronde.facts.question import tail
from ronde.model.command import Command

# What stands there: its digest, mode and owner, or nothing.
LOOK: Final = (
    'if [ ! -e "$1" ]; then echo absent; exit 0; fi; [ -f "$1" ] || { echo other; exit 0; }; '
    'sha256sum <"$1" && stat -c "%a %U:%G" -- "$1"'
)
# Written beside its place and moved there when it has arrived whole (a broken link looks like the end of the input):
# whoever reads it sees the old file or the new one, never half of one.
PUT: Final = (
    "set -e; to=$1 mode=$2 owner=$3 keep=$4 digest=$5; trap 'exit 1' HUP INT TERM PIPE; "
    'new=$(mktemp -- "$(dirname -- "$to")/.ronde.XXXXXXXX"); trap \'rm -f -- "$new"\' EXIT; cat >"$new"; '
    '[ "$(sha256sum <"$new")" = "$digest  -" ] || { echo "the content did not arrive whole" >&2; exit 75; }; '
    'chmod -- "$mode" "$new"; if [ -n "$owner" ]; then chown -- "$owner" "$new"; fi; '
    'if [ -n "$keep" ] && [ -f "$to" ]; then cp -p -- "$to" "$to.ronde-before"; fi; '
    'sync "$new" 2>/dev/null || true; mv -f -- "$new" "$to"'
)


def put(stage: Stage) -> Result:
    """Put the file there unless it is there already, and look at it again."""
    content = content_of(stage)
    digest = showing.digest(content)
    why = missing(stage, digest)
    if why is None:
        return done("it is already there", facts={"sha256": digest})
    if why == "other":
        return failed("something that is no file stands in its place")
    owner, keep = stage.content.get("owner") or "", "yes" if stage.content.get("backup") else ""
    argv = ("/bin/sh", "-c", PUT, "ronde", stage.text("to"), stage.content["mode"], owner, keep, digest)
    words = ("sudo", "-n", "--", *argv) if stage.terms.become else argv
    answer = stage.shell.run(Command(words, stdin=content, timeout=stage.terms.timeout, env=ENVIRONMENT))
    stage.asked.append(exchange_of(answer, stage.shown))
    if answer.exit_status != 0:
        return failed(f"it could not be written: {tail(answer)}")
    if (still := missing(stage, digest)) is not None:
        return failed(f"it was written, and yet {still}", changed=True)
    return done(why, changed=True, facts={"sha256": digest})


def content_of(stage: Stage) -> bytes:
    """What is to stand there."""
    text = stage.content.get("text")
    return (str(text) if text is not None else stage.text("content")).encode("utf-8", "surrogateescape")


def missing(stage: Stage, digest: str) -> str | None:
    """What distinguishes the file that is there from the wanted one; None when nothing does."""
    answer = stage.ask(("/bin/sh", "-c", LOOK, "ronde", stage.text("to")))
    lines = answer.text.split("\n")
    if answer.exit_status != 0:
        return f"it cannot be looked at: {tail(answer)}"
    if lines[0] in ("absent", "other"):
        return "it was not there" if lines[0] == "absent" else "other"
    mode, _, owner = lines[1].partition(" ") if len(lines) > 1 else ("", "", "")
    if lines[0].split()[0] != digest:
        return "its content was another one"
    if mode.lstrip("0") != str(stage.content["mode"]).lstrip("0"):
        return f"its mode was {mode}"
    wanted = stage.content.get("owner")
    if wanted and not (owner == wanted or owner.startswith(f"{wanted}:")):
        return f"its owner was {owner}"
    return None
