"""`ronde approve`, `refuse`, `rerun`: a second technician's word, and what failed done again."""

from typing import Annotated

import typer

from ronde.bootstrap import build
from ronde.cli.acting import acting
from ronde.cli.options import (
    DetachOption,
    FollowOption,
    FormerOption,
    HereOption,
    JsonOption,
    ReasonOption,
    RunArgument,
)
from ronde.cli.ordering import Manner, carry_out
from ronde.cli.out import told_errors
from ronde.cli.scope import scope_of
from ronde.engine.approving import decide_on
from ronde.engine.firing import send_due
from ronde.engine.ordering import again
from ronde.model.people import Act


def approve(reference: RunArgument, reason: ReasonOption = "", client: FormerOption = None) -> None:
    """Approve a run that waits for a second technician: exactly the plan that `ronde show` tells, once.

    Example: ronde approve 8f2c --reason "window agreed with the town hall"
    """
    _decide(reference, client, reason, agrees=True)


def refuse(
    reference: RunArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; recorded, and shown to whoever ordered it.")],
    client: FormerOption = None,
) -> None:
    """Refuse a run that waits for a second technician; nothing of it is done.

    Example: ronde refuse 8f2c --reason "not during the council"
    """
    _decide(reference, client, reason, agrees=False)


def rerun(
    reference: RunArgument,
    failed_only: Annotated[bool, typer.Option("--failed-only", help="Only targets that did not succeed.")] = False,
    reason: ReasonOption = "",
    client: FormerOption = None,
    here: HereOption = False,
    detach: DetachOption = False,
    follow: FollowOption = False,
    as_json: JsonOption = False,
) -> None:
    """Order the same again: same playbook, parameters and targets, planned anew.

    Exit status as for `ronde run`.

    Example: ronde rerun 8f2c --failed-only
    """
    with told_errors():
        services = build()
        run = services.ledger.run(scope_of(services, client, Act.ORDER), reference)
        request = again(run, acting(services).login, reason, failed_only=failed_only)
        services.close()
        carry_out(request, Manner(here, detach, follow, as_json))


def _decide(reference: str, client: str | None, reason: str, *, agrees: bool) -> None:
    with told_errors():
        services = build()
        scope = scope_of(services, client)
        run = services.ledger.run(scope, reference)
        decide_on(services.engine, scope, run, acting(services).technician, agrees=agrees, reason=reason)
        if agrees:
            send_due(services.engine, run.id)
        else:
            services.ledger.advance(run.id, services.clock.now())
        word = "approved; it starts now" if agrees else "refused; nothing of it is done"
        typer.echo(f"{run.id[:8]} is {word}.")
