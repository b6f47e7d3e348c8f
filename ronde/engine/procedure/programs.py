"""`run` and `script`: a program on the target, directly when it only reads, detached when it changes something."""

import shlex
from typing import Final

from ronde.engine.carrying import Carrier, Pace
from ronde.engine.procedure import showing
from ronde.engine.procedure.result import Result, failed, unclear
from ronde.engine.procedure.stage import ENVIRONMENT, WORD_MOST, Stage
from ronde.model.check import Exchange, Json
from ronde.model.command import Command
from ronde.model.detached import Carried, Key, Launch, Standing
from ronde.model.errors import Cancelled, CommandTimeout, ConnectionLost, Fenced
from ronde.model.procedure import MOST_KEPT, StepState

_MARGIN: Final = 20.0  # seconds left to collect what a program said, before the job's own limit


def run_program(stage: Stage) -> Result:
    """Run the program of a `run` or `script` step, and judge what it said."""
    argv = showing.argv_of(stage.content, stage.values)
    if (
        long := next((word for word in argv if len(word.encode("utf-8", "surrogateescape")) > WORD_MOST), None)
    ) is not None:
        return failed(
            f"an argument of {len(long)} characters is longer than a program can be given; upload a file instead"
        )
    host = stage.job.client.hosts.get(stage.job.target.name)
    if host is not None and host.system == "windows":
        return _on_windows(stage, argv)
    return carried(stage, argv, _stdin(stage)) if stage.terms.changes else _direct(stage, argv, _stdin(stage))


def _on_windows(stage: Stage, argv: tuple[str, ...]) -> Result:
    """Over the link itself: nothing of ours can be left running there. What was begun and lost needs a person."""
    if stage.terms.changes and not stage.terms.repeats:
        if "launched" in stage.record.journal:
            return unclear("it was begun, and on Windows nothing tells what came of it")
        stage.keep(launched=True)
    answer = stage.answer(Command(argv, stdin=_stdin(stage), timeout=stage.terms.timeout, env=()), aloud=True)
    if answer.exit_status is None:
        return failed("it ended without a status", _facts(None, answer.stdout, answer.stderr))
    return judged(stage, answer.exit_status, answer.stdout, answer.stderr)


def _stdin(stage: Stage) -> bytes:
    if stage.content.get("secret"):
        reference = stage.values[stage.content["secret"]]
        return stage.job.engine.secrets.read(str(reference))
    return stage.text("stdin").encode() if stage.content.get("stdin") else b""


def _direct(stage: Stage, argv: tuple[str, ...], stdin: bytes) -> Result:
    words = ("sudo", "-n", "--", *argv) if stage.terms.become else argv
    answer = stage.answer(Command(words, stdin=stdin, timeout=stage.terms.timeout, env=ENVIRONMENT), aloud=True)
    if answer.exit_status is None:
        return failed("it was killed by a signal", _facts(None, answer.stdout, answer.stderr))
    return judged(stage, answer.exit_status, answer.stdout, answer.stderr)


def carried(stage: Stage, argv: tuple[str, ...], stdin: bytes = b"", *, part: str = "") -> Result:
    """Run a program detached under the step's own key, or adopt the one that an earlier attempt started.

    `part` tells several programs of one step apart.

    Raises:
        ConnectionLost: the host cannot be reached to see what became of it; another attempt takes it up.
        Fenced: another worker holds the job. Cancelled: a person wanted the step ended at once.
    """
    found = carry(stage, launch_of(stage, argv, stdin, part=part))
    stage.asked.append(_evidence(stage, argv, found))
    return _of_carried(stage, found)


def carry(stage: Stage, launch: Launch, pace: Pace | None = None) -> Carried:
    """Have a command carried to its end over the job's connection, or whatever connections it takes.

    That it is about to be started is on record before it is. A later attempt starts it where the host has no trace of
    it, since the worker may have died between the two; what the host once began, it finds there.
    """
    job = stage.job
    if f"launched.{launch.key.step}" not in stage.record.journal:
        stage.keep(**{f"launched.{launch.key.step}": True})
    carrier = Carrier(job.reopen, job.signal, job.engine.pause, shell=job.lend_shell(), pace=pace)
    found = carrier.carry(launch, listen=stage.listen, end_now=True)  # the gate lets a wish through only then
    job.take_back(carrier.shell)
    return found


def launch_of(stage: Stage, argv: tuple[str, ...], stdin: bytes = b"", *, part: str = "") -> Launch:
    """What is ordered of the host. Its time ends before the job's does, so that nothing runs on unseen.

    For root the limit is the step's own to the second, since it stands in the line of sudoers.
    """
    left = stage.terms.timeout if stage.terms.become else stage.gate.seconds_left() - _MARGIN
    key = stage.step.id + (f".{part}" if part else "")
    if stage.terms.repeats:
        key += f".{stage.job.claim.attempt}"  # it may be done again, and then is another program
    return Launch(
        Key(stage.job.claim.job, key, stage.job.claim.attempt),
        argv,
        stdin=stdin,
        limit=max(1, int(min(stage.terms.timeout, left))),
        env=ENVIRONMENT,
        sudo=stage.terms.become,
    )


def _of_carried(stage: Stage, found: Carried) -> Result:
    if found.standing is Standing.FENCED:
        raise Fenced(found.why)
    if found.cancelled:
        raise Cancelled("it was ended because a person asked for it at once" if found.stopped else "a person asked")
    if found.standing is Standing.ENDED and found.exit_status is not None:
        if found.timed_out:
            facts = _facts(found.exit_status, found.stdout, found.stderr)
            return failed(f"it was ended at its time limit{_left(found)}", {**facts, "timed_out": True}, changed=True)
        return judged(stage, found.exit_status, found.stdout, found.stderr)
    if found.standing is Standing.UNKNOWN:
        raise ConnectionLost(f"{stage.job.target.name}: {found.why}")
    if found.standing is Standing.RUNNING:
        raise CommandTimeout(f"it still runs past its time limit{_left(found)}")
    boots: dict[str, Json] = {"boot_then": found.boot_then, "boot_now": found.boot_now, "alive": found.alive}
    return unclear(found.why, {**_facts(None, found.stdout, found.stderr), **boots})


def judged(stage: Stage, status: int, out: bytes, err: bytes) -> Result:
    """A program that ended, held against what the step expects."""
    facts = _facts(status, out, err)
    expected = stage.terms.expect
    fine = status == 0 if expected is None else stage.holds(expected, facts)
    changed_when = stage.terms.changed_when
    changed = stage.terms.changes if changed_when is None else stage.holds(changed_when, facts)
    if not fine:
        said = _last_line(err) or _last_line(out)
        why = f"status {status}" if expected is None else f"expected {expected}, status {status}"
        return failed(why + (f": {said}" if said else ""), facts, changed=changed)
    reason = "" if changed else "it changed nothing" if stage.terms.changes else ""
    return Result(StepState.DONE, reason, changed, facts)


def _facts(status: int | None, out: bytes, err: bytes) -> dict[str, Json]:
    return {"rc": status, "out": _kept(out), "err": _kept(err)}


def _kept(output: bytes) -> str:
    return output.decode("utf-8", "replace")[:MOST_KEPT].strip()


def _last_line(output: bytes) -> str:
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def _left(found: Carried) -> str:
    return f"; still there: {', '.join(found.left)}" if found.left else ""


def _evidence(stage: Stage, argv: tuple[str, ...], found: Carried) -> Exchange:
    now = stage.job.engine.clock.now()
    shown = shlex.join(argv) if len(shlex.join(argv)) < 2000 else stage.shown
    return Exchange(
        question=shown,
        started=found.started or stage.record.began_at,
        ended=found.ended or now,
        exit_status=found.exit_status,
        output=found.stdout,
        errors=found.stderr or found.why.encode(),
        tool="detached",
        truncated=found.truncated,
    )
