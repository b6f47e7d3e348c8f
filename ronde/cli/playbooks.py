"""`ronde playbooks`: what there is, what one of them does, and what it needs on the hosts."""

from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ronde.adapters.files.playbooks import load_playbooks, playbook_schema
from ronde.cli.options import ParamOption
from ronde.cli.ordering import given_parameters
from ronde.cli.out import console, print_json, safe, told_errors
from ronde.engine.procedure.sudoers import sudoers_lines
from ronde.facts.host_facts import FACTS
from ronde.model.errors import InputError
from ronde.model.playbook import Named, Parameter, StepEntry, help_text
from ronde.model.units import format_duration
from ronde.model.words import hint
from ronde.settings import load_settings

app = typer.Typer(
    help="Procedures that an operator can read: list, show, check, schema, sudoers.",
    invoke_without_command=True,
    epilog="Example: ronde playbooks show adhoc/restart-service",
)
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NameArgument = Annotated[str, typer.Argument(metavar="PLAYBOOK", help="area/name")]
RISKS = {"read": "reads", "change": "changes", "destructive": "destructive"}


@app.callback()
def playbooks(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the playbooks: what each acts on, how risky it is, and what it can be asked.

    Example: ronde playbooks
    """
    if context.invoked_subcommand is not None:
        return
    with told_errors():
        known = load_playbooks(load_settings().playbooks)
        if as_json:
            print_json([_view(named) for named in known.values()])
            return
        console().print(_list(known))


@app.command()
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show one playbook: its parameters, guards and steps.

    Example: ronde playbooks show adhoc/restart-service
    """
    with told_errors():
        named = find(load_playbooks(load_settings().playbooks), name)
        if as_json:
            print_json({**_view(named), "steps": named.playbook.model_dump(mode="json", by_alias=True)["steps"]})
            return
        console().print(_page(named))


@app.command()
def check() -> None:
    """Read every playbook and say what is wrong, each mistake with file and line.

    Example: ronde playbooks check
    """
    with told_errors():
        known = load_playbooks(load_settings().playbooks)
        typer.echo(f"{len(known)} playbooks are in order.")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a playbook file, for an editor that completes it.

    Example: ronde playbooks schema > playbook.schema.json
    """
    print_json(playbook_schema())


@app.command()
def facts(as_json: JsonOption = False) -> None:
    """List the facts that a playbook can ask for, and the fields of their answers.

    Example: ronde playbooks facts
    """
    if as_json:
        print_json(
            [
                {"name": fact.name, "summary": fact.summary, "takes": dict(fact.takes), "fields": dict(fact.fields)}
                for fact in FACTS.values()
            ]
        )
        return
    lines: list[RenderableType] = []
    for fact in FACTS.values():
        takes = ", ".join(
            f"{name}={default!r}" if default is not None else name for name, default in fact.takes.items()
        )
        lines.append(Text.from_markup(f"[bold]{safe(fact.name)}[/]  {safe(fact.summary)}"))
        if takes:
            lines.append(Padding(Text(f"takes {takes}"), (0, 0, 0, 2)))
        lines.append(Padding(Text("\n".join(f"{name}: {words}" for name, words in fact.fields.items())), (0, 0, 0, 4)))
    console().print(Group(*lines))


@app.command()
def sudoers(
    name: NameArgument,
    user: Annotated[str, typer.Option("--user", help="Our login on the hosts.")] = "ronde",
    param: ParamOption = None,
) -> None:
    """Print the exact lines of sudoers that a playbook's `become` steps need, and no more.

    Example: ronde playbooks sudoers adhoc/reboot
    """
    with told_errors():
        known = load_playbooks(load_settings().playbooks)
        lines = sudoers_lines(find(known, name), known, given_parameters(param), user)
        typer.echo("\n".join(lines) if lines else f"# {name} needs no sudo.")


def find(known: dict[str, Named], name: str) -> Named:
    """The playbook of that name.

    Raises:
        InputError: there is none; the nearest is named.
    """
    if name not in known:
        raise InputError(f'There is no playbook "{name}"{hint(name, known)}')
    return known[name]


def _list(known: dict[str, Named]) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    table.add_column("playbook", no_wrap=True)
    table.add_column("on")
    table.add_column("risk")
    table.add_column("what", overflow="fold")
    for named in known.values():
        playbook = named.playbook
        asked = [f"{name}" if p.required else f"[{name}]" for name, p in playbook.parameters.items()]
        note = f" ({playbook.caution.en})" if playbook.caution else ""
        words = playbook.title.en + note + (f"\n{' '.join(asked)}" if asked else "")
        table.add_row(safe(named.name), playbook.target or "several", RISKS[playbook.risk], Text(words))
    return table


def _page(named: Named) -> RenderableType:
    playbook = named.playbook
    head = Text.from_markup(f"[bold]{safe(named.name)}[/] · {safe(playbook.title.en)} · {RISKS[playbook.risk]}")
    lines: list[RenderableType] = [head, Text(playbook.description.en)]
    if playbook.caution:
        lines.append(Text(f"Note: {playbook.caution.en}"))
    if playbook.parts:
        return Group(*lines, Text(f"Runs {', '.join(playbook.parts)} as one order."))
    guards = ", ".join(playbook.guarded_by) or "none"
    lines.append(
        Text(f"On: {playbook.target}.  Guards: {guards}.  At most {format_duration(playbook.limit)} a target.")
    )
    if playbook.risk == "destructive":
        lines.append(Text("Waits for a second technician before anything is done."))
    for name, parameter in playbook.parameters.items():
        lines.append(Padding(Text(f"--param {name}={_kind(parameter)}  {help_text(parameter)}"), (0, 0, 0, 2)))
    for section in ("steps", "rescue", "always"):
        steps: tuple[StepEntry, ...] = getattr(playbook, section)
        if steps:
            lines += [Text(""), Text(section, style="bold")]
            lines += [Padding(Text(_step(number, step)), (0, 0, 0, 2)) for number, step in enumerate(steps, start=1)]
    return Group(*lines, Text(f"\ndigest {named.digest[:16]}", style="dim"))


def _step(number: int, step: StepEntry) -> str:
    content = {key: value for key, value in step.content.items() if value not in (None, [], {}, "", False)}
    words = " ".join(f"{key}={_short(value)}" for key, value in content.items())
    when = f"  when {step.when}" if step.when else ""
    root = "  as root" if step.become else ""
    return f"{number}. {step.id}: {step.action} {words}{when}{root}"


def _short(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    first = text.strip().splitlines()[0] if text.strip() else ""
    return first if len(first) <= 60 and first == text.strip() else f"{first[:57]}…"


def _kind(parameter: Parameter) -> str:
    if parameter.choices:
        return "|".join(parameter.choices)
    default = "" if parameter.default is None else f" ({parameter.default})"
    return f"<{parameter.type}>{default}"


def _view(named: Named) -> dict[str, Any]:
    playbook = named.playbook
    return {
        "playbook": named.name,
        "title": playbook.title.model_dump(),
        "description": playbook.description.model_dump(),
        "note": playbook.caution.model_dump() if playbook.caution else None,
        "target": playbook.target,
        "risk": playbook.risk,
        "guards": list(playbook.guarded_by),
        "parts": list(playbook.parts),
        "digest": named.digest,
        "parameters": {
            name: {"type": p.type, "required": p.required, "default": p.default, "help": help_text(p)}
            for name, p in playbook.parameters.items()
        },
    }
