"""The installation on a Windows host: one task for the planned updates, and one more for those of them that failed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ronde.engine.patches.windows_task import follow, result_of, where
from ronde.engine.patching.course import Course
from ronde.engine.patching.windows.asking import MOST_TRIES, line_of, task_of
from ronde.facts.patch.windows import (
    INSTALL_LIMIT_S,
    NEVER_RUN,
    Progress,
    Result,
    State,
    install_question,
    judge_install,
    parse_progress,
)
from ronde.model.check import Finding, Json
from ronde.model.patch.outcome import Outcome
from ronde.model.patch.packages import Package
from ronde.model.patch.thresholds import unknown
from ronde.model.patch.transaction import PatchEvent

_SHARE: Final = 2 / 3  # of the step's time; the rest is for the reboot, the proof, and the way back
_MARGIN: Final = 60.0  # seconds left to put on record how it stands, before the job's own limit
_DONE: Final = 2


def patching(course: Course) -> PatchEvent:
    """`PATCHING`: the installation; from here on nobody's wish ends it.

    A later attempt finds the tasks that an earlier one started, with what they came to: they are taken away only when
    the event is on record.

    Raises:
        As `Line.ask`; another attempt goes on.
    """
    course.stage.gate.shield()
    wanted: Sequence[Package] = course.plan.install
    merged: Result | None = None
    for turn in range(1, MOST_TRIES + 1):
        found = _installed(course, turn, wanted)
        if isinstance(found, PatchEvent):
            return found
        merged = found if merged is None else _merged(merged, found)
        wanted = [package for package in wanted if _again(merged, package)]
        if not wanted:
            break
        course.stage.say(f"{len(wanted)} updates failed in try {turn} of {MOST_TRIES}")
    assert merged is not None  # noqa: S101 - there is at least one turn
    return _judged(course, merged, judge_install(course.plan.install, merged))


def _installed(course: Course, turn: int, wanted: Sequence[Package]) -> Result | PatchEvent:
    """What one task left; the event that it comes to when it left nothing."""
    line, task = line_of(course), task_of(course, f"install-{turn}")
    begun = parse_progress(line.ask(install_question(task, wanted)), task)
    if isinstance(begun, Finding) and _never_begun(where(line, task)):
        course.tell(begun)
        return PatchEvent.NOT_BEGUN if turn == 1 else PatchEvent.FAIL
    found = result_of(follow(line, task, _patience(course)))
    if isinstance(found, Result):
        return found
    words = f"What the installation came to cannot be told: {found.message}"
    course.tell(unknown("patch-outcome-unknown", words))
    return PatchEvent.LOSE


def _never_begun(progress: Progress | Finding) -> bool:
    """Whether a start that was refused really started nothing; an earlier one may have."""
    if isinstance(progress, Finding):
        return False
    return progress.state is State.ABSENT or progress.code == NEVER_RUN


def _patience(course: Course) -> float:
    stage = course.stage
    return max(1.0, min(INSTALL_LIMIT_S, stage.terms.timeout * _SHARE, stage.gate.seconds_left() - _MARGIN))


def _again(result: Result, package: Package) -> bool:
    """Whether another try could help: it was tried, and did not succeed."""
    code, _ = result.results.get((package.name, int(package.version)), (None, ""))
    return code is not None and code != _DONE


def _merged(first: Result, then: Result) -> Result:
    """Both tries as one; an update that was not offered any more the second time stays as the first try left it."""
    tried: Mapping[tuple[str, int], tuple[int | None, str]] = {
        key: outcome for key, outcome in then.results.items() if outcome[0] is not None
    }
    return replace(then, results={**first.results, **tried}, updates=first.updates)


def _judged(course: Course, result: Result, outcome: Outcome) -> PatchEvent:
    """By Windows' own code for each update; whether they are really there is told by the search afterwards."""
    done: list[Json] = [[package.name, package.arch, package.version] for package in outcome.done]
    titles = course.journal["titles"]
    course.tell(*outcome.findings)
    course.note(
        done=done,
        failed=[[titles.get(miss.label, miss.label), miss.meant, miss.found] for miss in outcome.failed],
        restart={"needed": result.reboot.needed, "reason": result.reboot.reason, "evidence": result.reboot.evidence},
    )
    return PatchEvent.SUCCEED if outcome.succeeded else PatchEvent.FAIL
