"""What a patch run would do on a host: the very plan that a run would make now, and what would stop it."""

from ronde.engine.patching import windows
from ronde.engine.patching.course import Course, sentences
from ronde.engine.patching.planning import beyond, look_and_plan
from ronde.engine.patching.telling import facts_of
from ronde.engine.procedure.result import Result
from ronde.engine.procedure.stage import Stage
from ronde.model.check import Json
from ronde.model.patch.words import left_words
from ronde.model.procedure import StepState


def foresee_patch(stage: Stage) -> Result:
    """The plan, stored with the run that asked for it, so that exactly it can be approved.

    The host reads its repositories anew, as every look at it does (a Windows has a task of ours for as long as it
    takes); nothing else on it changes.

    Raises:
        RemoteError, Fenced, Cancelled: as `Shell.run`.
    """
    course = Course.of(stage)
    found = windows.look_and_plan(course) if course.on_windows else look_and_plan(course, mend=False)
    if isinstance(found, tuple):
        course.tell(*found)
        return Result(StepState.FAILED, f"no plan can be made: {sentences(found)}", findings=course.findings)
    facts: dict[str, Json] = {**facts_of(course), "would": not found.plan.empty}
    left = left_words(found.left)
    if found.plan.empty:
        return Result(
            StepState.SKIPPED,
            _joined("nothing to do: no update is wanted", left),
            facts=facts,
            findings=course.findings,
        )
    stopped = beyond(course)
    words = _joined(f"would {found.words}", _pending(course), left, course.caveat, f"plan {found.plan.digest[:8]}")
    if stopped:
        words = f"would stop: {sentences(stopped)} To have exactly this done, give this run as approved. It {words}"
    return Result(StepState.SKIPPED, words, facts=facts, findings=(*course.findings, *stopped))


def _pending(course: Course) -> str:
    pending = course.journal["pending_reboot"]
    return f"a reboot is pending already: {pending['reason']}" if pending["needed"] else ""


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
