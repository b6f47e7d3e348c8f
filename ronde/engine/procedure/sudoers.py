"""Which exact lines of sudoers a playbook needs: one for each command that it gives to root, without a wildcard."""

from collections.abc import Iterator, Mapping

from ronde.engine import patches
from ronde.engine.patching.sudoers import patch_sudoers
from ronde.engine.procedure import showing
from ronde.engine.procedure.planning import Playbooks, procedure_of
from ronde.engine.procedure.stage import ENVIRONMENT
from ronde.engine.procedure.uploads import LOOK, PUT
from ronde.facts.detached import sudoers_line
from ronde.facts.detached.sudo import plain_sudoers_line
from ronde.facts.host_facts import FACTS
from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.expressions import ExpressionError
from ronde.model.plan import Step
from ronde.model.playbook import Named, parse_parameters

Words = tuple[str, ...]


def sudoers_lines(named: Named, playbooks: Playbooks, given: Mapping[str, str], user: str) -> list[str]:
    """The lines for a playbook with these parameters; a comment where no exact line can be written.

    Raises:
        InputError: a parameter is missing or does not fit, or the user's name is none.
    """
    try:
        values = parse_parameters(named.playbook.parameters, given, named.name)
    except ValueError as error:
        raise InputError(str(error)) from error
    if named.playbook.target == "windows":
        return []  # there is no sudo there
    steps, procedure = procedure_of(named, values, playbooks, {})
    lines: list[str] = []
    for step in (*steps, *procedure.rescue, *procedure.always):
        if step.use == "patches":
            lines += patches.sudoers_lines(user)
        elif step.terms is not None and step.use == "patch":
            lines += list(patch_sudoers(user, step.terms.timeout))
        elif step.terms is not None and step.terms.become:
            lines += list(_of_step(step, procedure.values[step.scope], user))
    return list(dict.fromkeys(lines))


def _of_step(step: Step, values: Mapping[str, Json], user: str) -> Iterator[str]:
    assert step.terms is not None  # noqa: S101 - the caller has looked
    try:
        for argv, detached in _commands(step, values):
            if detached:
                yield sudoers_line(user, argv, int(step.terms.timeout), ENVIRONMENT)
            else:
                yield plain_sudoers_line(user, argv)
    except ExpressionError as error:
        yield f"# {step.id}: no exact line, it depends on what the host answers ({error})"
    except InputError as error:
        yield f"# {step.id}: no exact line: {error}"


def _commands(step: Step, values: Mapping[str, Json]) -> Iterator[tuple[Words, bool]]:
    """The commands that a step gives to sudo, and whether each is started detached."""
    assert step.terms is not None  # noqa: S101 - the caller has looked
    content = step.parameters
    match step.use:
        case "run" | "script":
            yield showing.argv_of(content, values), step.terms.changes
        case "service":
            for command in showing.systemctl(content, values, become=True):
                yield command, True
        case "upload":
            to = showing.filled(content["to"], values)
            yield ("/bin/sh", "-c", LOOK, "ronde", to), False
            keep = "yes" if content.get("backup") else ""
            text = content["text"] if content.get("text") is not None else showing.filled(content["content"], values)
            digest = showing.digest(str(text).encode("utf-8", "surrogateescape"))
            words = (to, str(content["mode"]), str(content.get("owner") or ""), keep, digest)
            yield ("/bin/sh", "-c", PUT, "ronde", *words), False
        case "reboot":
            yield showing.reboot_command(become=True), True
        case "fact":
            given = {name: showing.filled(text, values) for name, text in dict(content["given"]).items()}  # type: ignore[arg-type]  # a mapping
            fact = FACTS[str(content["name"])]
            yield (
                fact.ask({**{name: default or "" for name, default in fact.takes.items()}, **given}).command.argv,
                False,
            )
        case _:
            return
