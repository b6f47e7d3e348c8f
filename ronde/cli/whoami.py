"""`ronde whoami`: as whom you act, and what you may."""

from typing import Annotated, Any

import typer

from ronde.bootstrap import build
from ronde.cli.acting import Acting, acting
from ronde.cli.out import one_line, print_json, told_errors
from ronde.model.people import AN_APPROVAL_NEEDS_TWO, Act, Standing


def whoami(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Tell as whom you act here, how that was found, and what you may do for whom.

    Example: ronde whoami
    """
    with told_errors():
        person = acting(build())
        if as_json:
            print_json(whoami_json(person))
        else:
            typer.echo("\n".join(one_line(line) for line in whoami_lines(person)))


def whoami_lines(person: Acting) -> list[str]:
    actor, technician = person.actor, person.technician
    name = f" ({technician.name})" if technician.name else ""
    head = f"{actor.login}{name}, uid {actor.uid} ({actor.how.value})"
    match technician.standing:
        case Standing.OPEN:
            return [head, f"may do everything but approve: {AN_APPROVAL_NEEDS_TWO}"]
        case Standing.STRANGER:
            return [head, "may do nothing: is not among the technicians in provider.yml"]
        case Standing.DECLARED:
            clients = "all" if technician.clients is None else ", ".join(sorted(technician.clients))
            return [head, f"roles: {', '.join(technician.roles)}", f"clients: {clients}"]


def whoami_json(person: Acting) -> dict[str, Any]:
    """What `--json` prints; `clients` is null for all, `may` lists look, order, approve, administer."""
    actor, technician = person.actor, person.technician
    return {
        "login": actor.login,
        "uid": actor.uid,
        "how": actor.how.value,
        "account": actor.account,
        "name": technician.name or None,
        "standing": technician.standing.value,
        "roles": list(technician.roles),
        "may": [act.name.lower() for act in Act if act in technician.acts],
        "clients": None if technician.clients is None else sorted(technician.clients),
    }
