"""Steps that only look: facts, assertions, fetching a file."""

import shlex
from collections.abc import Mapping
from dataclasses import replace

from ronde.engine.procedure.result import Result, done, failed
from ronde.engine.procedure.stage import ENVIRONMENT, Stage, exchange_of
from ronde.facts.host_facts import FACTS
from ronde.facts.named import NamedFact
from ronde.facts.question import tail
from ronde.facts.reading import Unreadable
from ronde.model.check import Finding, Json
from ronde.model.command import Command
from ronde.model.procedure import StepState
from ronde.model.verdict import Severity


def look_at_fact(stage: Stage) -> Result:
    """Ask a fact, and compare it with what it was when this playbook last succeeded here."""
    fact = FACTS[stage.content["name"]]
    fields = answer_of(stage, fact, {name: stage.fill(text) for name, text in stage.content["given"].items()})
    if isinstance(fields, Result):
        return fields
    before = stage.values.get("before")
    earlier = before.get(stage.step.name) if isinstance(before, Mapping) else None
    if fact.compare is not None and isinstance(earlier, Mapping) and earlier:
        fields = {**fields, **fact.compare(earlier, fields), "compared": True}
    else:
        fields = {**fields, "compared": False}
    if stage.terms.expect is not None and not stage.holds(stage.terms.expect, fields):
        return failed(f"expected {stage.terms.expect}", fields)
    return done(facts=fields)


def answer_of(stage: Stage, fact: NamedFact, given: Mapping[str, str]) -> Mapping[str, Json] | Result:
    """The fields of a fact, or the result that there are none."""
    missing = [name for name, default in fact.takes.items() if default is None and name not in given]
    if missing:
        return failed(f"the fact {fact.name} needs {', '.join(missing)}")
    whole = {**{name: default or "" for name, default in fact.takes.items()}, **given}
    question = fact.ask(whole)
    command = question.command
    if stage.terms.become:
        command = Command(("sudo", "-n", "--", *command.argv), command.stdin, command.timeout, env=ENVIRONMENT)
    answer = stage.answer(command)
    if answer.truncated:
        return failed(f"the answer to {fact.name} is longer than {command.cap} bytes and was cut")
    try:
        return fact.read(answer)
    except Unreadable as error:
        return failed(f"{fact.name} is not understood: {error} ({tail(answer) or 'nothing was said'})")


def hold_against(stage: Stage) -> Result:
    """An assertion: nothing is asked of the target, what is known is judged."""
    if stage.holds(stage.content["that"]):
        return done()
    message = stage.text("message")
    if stage.content["severity"] == "critical":
        return failed(message)
    finding = Finding("assert-warning", Severity.WARNING, message, {"that": stage.content["that"]})
    return Result(StepState.DONE, message, findings=(finding,))


def fetch(stage: Stage) -> Result:
    """Bring a file into the record, cut at its most; what it holds is redacted with everything else."""
    path, most = stage.text("path"), int(stage.content["most"])
    script = 'wc -c <"$1" && head -c "$2" -- "$1"'
    argv = ("sh", "-c", script, "ronde", path, str(most))
    words = ("sudo", "-n", "--", *argv) if stage.terms.become else argv
    answer = stage.shell.run(Command(words, timeout=stage.terms.timeout, cap=most + 64, env=ENVIRONMENT))
    size, newline, content = answer.stdout.partition(b"\n")
    stage.asked.append(replace(exchange_of(answer, f"cat {shlex.quote(path)}"), output=content))
    if answer.exit_status != 0 or not newline or not size.strip().isdigit():
        return failed(f"{path} cannot be read: {tail(answer)}")
    whole = int(size)
    cut = f"the first {most} of {whole} bytes" if whole > most else ""
    return done(cut, facts={"size": whole, "cut": whole > most, "text": content.decode("utf-8", "replace")[:65536]})
