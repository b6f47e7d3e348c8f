"""What a well-formed playbook can still be wrong about: names nobody gives, changes that its risk does not admit."""

from collections.abc import Iterator, Mapping

from ronde.model.inventory.problems import Remark
from ronde.model.playbook.actions import CHANGES, ON_VCENTER, templates_of
from ronde.model.playbook.document import AMBIENT, Named, Playbook, StepEntry
from ronde.model.words import hint, listed

Playbooks = Mapping[str, Named]
_ONLY_VCENTER = {word for word in CHANGES if word.startswith("vsphere.")}


def remarks_on(playbook: Playbook, facts: frozenset[str], files: frozenset[str]) -> Iterator[Remark]:
    """Everything wrong with one playbook by itself.

    Args:
        playbook: as read.
        facts: names of the facts that exist.
        files: names of the files in the folder `files/` beside it.
    """
    for name, parameter in playbook.parameters.items():
        fact = (parameter.choices_from or "").partition(".")[0]
        if fact and fact not in facts:
            yield Remark(("parameters", name, "choices_from"), f'there is no fact "{fact}"{hint(fact, facts)}')
    known = set(playbook.parameters) | AMBIENT
    seen: set[str] = set()
    for section, place, step in playbook.every_step():
        here = (section, place)
        if step.id in seen:
            yield Remark((*here, "id"), f'two steps have the id "{step.id}"')
        if step.id in playbook.parameters or step.id in AMBIENT:
            yield Remark(
                (*here, "id"), f'"{step.id}" is a parameter or a word of the language; call the step otherwise'
            )
        yield from (_at(here, message) for message in _wrong_action(playbook, step))
        yield from (_at(here, message) for message in _missing(step, playbook, facts, files))
        for name in sorted(step.names() - known):
            yield _at(here, f'nothing above is called "{name}"{hint(name, known)}')
        seen.add(step.id)
        known.add(step.id)


def remarks_between(playbooks: Playbooks) -> Iterator[tuple[str, Remark]]:
    """What is wrong between playbooks, with the name of the one that says it: parts and includes."""
    for name, named in playbooks.items():
        for place, part in enumerate(named.playbook.parts):
            if part not in playbooks:
                yield name, Remark(("parts", place), f'there is no playbook "{part}"{hint(part, playbooks)}')
        for section, place, step in named.playbook.every_step():
            if step.playbook is not None:
                for message in _wrong_include(playbooks, name, step):
                    yield name, Remark((section, place, "playbook"), message)


def _at(here: tuple[str, int], message: str) -> Remark:
    return Remark(here, message)


def _wrong_action(playbook: Playbook, step: StepEntry) -> Iterator[str]:
    action = step.action
    if playbook.risk == "read" and CHANGES[action]:
        yield f"{action} changes the target, and this playbook says risk: read"
    if playbook.target == "vcenter" and action not in ON_VCENTER | {"playbook"}:
        yield f"{action} needs a host, and this playbook's target is a vCenter"
    if playbook.target != "vcenter" and action in _ONLY_VCENTER:
        yield f"{action} needs target: vcenter"
    if playbook.target == "windows" and action in {
        "service",
        "reboot",
        "upload",
        "wait_for",
        "rotate_key",
        "fact",
    }:
        yield f"{action} knows Linux only; on Windows use run or script with shell: powershell"
    if step.retry is not None and not step.repeats(playbook.risk):
        yield "a step that changes something is not retried; say repeat: safe if twice does no harm"


def _missing(step: StepEntry, playbook: Playbook, facts: frozenset[str], files: frozenset[str]) -> Iterator[str]:
    if step.fact is not None and step.fact.name not in facts:
        yield f'there is no fact "{step.fact.name}"{hint(step.fact.name, facts)}'
    for file in (step.script and step.script.file, step.upload and step.upload.file):
        if file and file not in files:
            yield f'there is no file "{file}" in the folder files{hint(file, files)}'
    for secret in (step.run and step.run.secret, step.script and step.script.secret):
        if secret and (secret not in playbook.parameters or playbook.parameters[secret].type != "secret"):
            yield f'"{secret}" is not a parameter of type secret'
    secrets = {name for name, parameter in playbook.parameters.items() if parameter.type == "secret"}
    for name in sorted(step.names() & secrets):
        yield f'"{name}" is a secret; it only travels on standard input: run: {{secret: {name}}}'


def _wrong_include(playbooks: Playbooks, name: str, step: StepEntry) -> Iterator[str]:
    assert step.playbook is not None  # noqa: S101 - the caller has looked
    inner = playbooks.get(step.playbook.name)
    outer = playbooks[name].playbook
    if inner is None:
        yield f'there is no playbook "{step.playbook.name}"{hint(step.playbook.name, playbooks)}'
        return
    if _reaches(playbooks, step.playbook.name, name):
        yield f"{step.playbook.name} comes back to {name}: playbooks cannot include each other in a circle"
        return
    if inner.playbook.parts or inner.playbook.target != outer.target:
        yield f"{step.playbook.name} works on {inner.playbook.target or 'parts'}, not on {outer.target}"
    ranks = ("read", "change", "destructive")
    if ranks.index(inner.playbook.risk) > ranks.index(outer.risk):
        yield f"{step.playbook.name} says risk: {inner.playbook.risk}, which is more than risk: {outer.risk}"
    if inner.playbook.rescue or inner.playbook.always:
        yield f"{step.playbook.name} has rescue or always steps, which only a playbook by itself can do"
    beyond = sorted(templates_of(dict(step.playbook.parameters)) - set(outer.parameters))
    if beyond:
        yield f"an include is planned before anything was asked; {listed(beyond)} is not a parameter"
    given, known = step.playbook.parameters, inner.playbook.parameters
    for one in sorted(set(given) - set(known)):
        yield f'{step.playbook.name} has no parameter "{one}"{hint(one, known)}'
    for one in sorted(one for one, parameter in known.items() if parameter.required and one not in given):
        yield f'{step.playbook.name} needs the parameter "{one}"'


def _reaches(playbooks: Playbooks, start: str, goal: str) -> bool:
    waiting, seen = [start], set()
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        if name not in seen and name in playbooks:
            seen.add(name)
            steps = playbooks[name].playbook.every_step()
            waiting += [step.playbook.name for _, _, step in steps if step.playbook is not None]
    return False
