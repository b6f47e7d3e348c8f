"""From a playbook's steps and its parameters to the frozen steps of a plan, includes written out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ronde.engine.procedure.showing import shown
from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.expressions import ExpressionError, parse_template
from ronde.model.guards import Guard
from ronde.model.plan import Procedure, Step, Terms
from ronde.model.playbook import DEFAULT_TIMEOUT, Named, Parameter, Playbook, StepEntry, parse_parameters
from ronde.model.playbook.actions import templates_of
from ronde.model.playbook.document import SECTIONS

Playbooks = Mapping[str, Named]


def is_procedure(playbook: Playbook) -> bool:
    """Whether it does more than make the built-in checks."""
    return any(step.use is None for _, _, step in playbook.every_step())


@dataclass(slots=True)
class _Writer:
    """Writes out one playbook with all that it includes."""

    playbooks: Playbooks
    values: dict[str, Mapping[str, Json]] = field(default_factory=dict)

    def section(self, named: Named, section: str, scope: str, gates: tuple[tuple[str, str], ...]) -> list[Step]:
        steps: list[Step] = []
        for entry in getattr(named.playbook, section):
            steps += (
                self._included(named, entry, scope, gates)
                if entry.playbook
                else [self._step(named, entry, scope, gates)]
            )
        return steps

    def _included(self, named: Named, entry: StepEntry, scope: str, gates: tuple[tuple[str, str], ...]) -> list[Step]:
        assert entry.playbook is not None  # noqa: S101 - the caller has looked
        inner = self.playbooks[entry.playbook.name]
        inside = f"{scope}.{entry.id}" if scope else entry.id
        try:
            given = {
                name: parse_template(text).render(self.values[scope])
                for name, text in entry.playbook.parameters.items()
            }
            self.values[inside] = parse_parameters(inner.playbook.parameters, given, inner.name)
        except (ExpressionError, ValueError) as error:
            raise InputError(f"{named.name}, step {entry.id}: {error}") from error
        outer = (*gates, (scope, entry.when)) if entry.when else gates
        return self.section(inner, "steps", inside, outer)

    def _step(self, named: Named, entry: StepEntry, scope: str, gates: tuple[tuple[str, str], ...]) -> Step:
        risk = named.playbook.risk
        content: dict[str, Json] = {**entry.content, **_file_of(named, entry)}
        filled = templates_of({key: value for key, value in content.items() if key not in ("script", "text")})
        known = self.values[scope] if filled <= set(self.values[scope]) else None
        terms = Terms(
            changes=entry.changes(risk),
            repeats=entry.repeats(risk),
            timeout=(entry.timeout or DEFAULT_TIMEOUT).total_seconds(),
            become=entry.become,
            when=entry.when,
            changed_when=entry.changed_when,
            expect=entry.expect,
            attempts=entry.retry.attempts if entry.retry else 1,
            delay=entry.retry.delay.total_seconds() if entry.retry else 0.0,
            shown=None if known is None else shown(entry.action, content, known),
            gates=gates,
        )
        name = f"{scope}.{entry.id}" if scope else entry.id
        parameters = dict(entry.parameters) if entry.use else content
        return Step(name, entry.use or entry.action, parameters, terms)


def _file_of(named: Named, entry: StepEntry) -> Mapping[str, Json]:
    """The content of a file that a step sends, frozen with the plan."""
    action = entry.script or entry.upload
    return {"text": named.files[action.file]} if action is not None and action.file else {}


def procedure_of(
    named: Named, values: Mapping[str, Json], playbooks: Playbooks, overrides: Mapping[str, str]
) -> tuple[tuple[Step, ...], Procedure]:
    """The steps of a playbook for checked parameters, and everything else that its plan freezes.

    Raises:
        InputError: an include is given a parameter that does not fit.
    """
    writer = _Writer(playbooks, {"": dict(values)})
    sections: dict[str, Sequence[Step]] = {name: writer.section(named, name, "", ()) for name in SECTIONS}
    playbook = named.playbook
    asked = tuple(
        _offered(name, parameter) for name, parameter in playbook.parameters.items() if parameter.choices_from
    )
    procedure = Procedure(
        risk=playbook.risk,
        title={"fr": playbook.title.fr, "en": playbook.title.en},
        values=writer.values,
        rescue=tuple(sections["rescue"]),
        always=tuple(sections["always"]),
        guards=playbook.guarded_by,
        overrides=overrides,
    )
    return (*asked, *sections["steps"]), procedure


def narrowed(procedure: Procedure, windows: tuple[str, ...]) -> Procedure:
    """Bound to the windows that are named; then the window is looked at, whatever the playbook asks for."""
    if not windows or procedure.risk == "read":
        return procedure
    return replace(procedure, windows=windows, guards=tuple(dict.fromkeys((*procedure.guards, Guard.WINDOW.value))))


def _offered(name: str, parameter: Parameter) -> Step:
    """A first step that asks the target what can be chosen, and goes on only if what was chosen is there."""
    fact, _, field_name = str(parameter.choices_from).partition(".")
    step = f"choices_{name}"
    expect = f"{name} in {step}.{field_name}"
    terms = Terms(changes=False, repeats=True, timeout=DEFAULT_TIMEOUT.total_seconds(), expect=expect)
    return Step(step, "fact", {"name": fact, "given": {}}, terms)
