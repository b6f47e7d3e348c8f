"""`use` within a procedure: one of the built-in checks, recorded as itself."""

from ronde.engine.procedure.result import Result, done, failed
from ronde.engine.procedure.stage import Stage
from ronde.engine.steps import run_step
from ronde.model.verdict import Verdict, worst


def make_check(stage: Stage) -> Result:
    """Make the check; its findings stand on record under its own name, and the step tells the worst of them."""
    before = len(stage.job.checks)
    run_step(stage.job, stage.step)
    made = stage.job.checks[before:]
    verdict = worst(check.verdict for check in made)
    facts = {"verdict": verdict.value, "checks": len(made)}
    return (
        failed(f"{stage.step.use}: {verdict}", facts) if verdict is Verdict.FAILED else done(str(verdict), facts=facts)
    )
