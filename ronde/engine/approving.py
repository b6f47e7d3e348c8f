"""A second technician's word on a run that waits for it."""

from ronde.engine.ordering import planned, request_from
from ronde.engine.parts import Engine
from ronde.model.approvals import Answer, Approval, decide
from ronde.model.errors import InputError, NotAllowed
from ronde.model.people import Technician
from ronde.model.records import RunRecord, Scope


def decide_on(
    engine: Engine, scope: Scope, run: RunRecord, by: Technician, *, agrees: bool, reason: str = ""
) -> Approval:
    """Approve or refuse a run. What is approved is made anew first: another plan than the stored one is not approved.

    Raises:
        InputError: the run waits for nobody, or its plan cannot be made any more.
        NotAllowed: this technician may not decide, somebody else was first, or the plan has become another one.
        LedgerError: nothing was decided.
    """
    approval = engine.ledger.approval(scope, run.id)
    if approval is None:
        raise InputError(f"Run {run.id[:8]} waits for nobody's approval.")
    now = engine.clock.now()
    decided = decide(approval, by, now, Answer(agrees, approval.request.plan_digest, reason))
    if agrees:
        _still_that_plan(engine, run, approval)
    if not engine.ledger.decide_run(decided, now):
        again = engine.ledger.approval(scope, run.id) or approval
        decide(again, by, engine.clock.now(), Answer(agrees, again.request.plan_digest, reason))  # says what came first
        raise NotAllowed(f"Run {run.id[:8]} was decided by somebody else meanwhile.")
    return decided


def _still_that_plan(engine: Engine, run: RunRecord, approval: Approval) -> None:
    request = request_from(run.request, approval.request.requested_by, run.reason)
    fresh = planned(engine, request, held_up=False).plan
    if fresh != approval.request.plan_digest:
        raise NotAllowed(
            f"The plan of run {run.id[:8]} would now be {fresh[:8]}, not {approval.request.plan_digest[:8]} as it was "
            "ordered: the inventory or the playbook has changed. Order it again."
        )
