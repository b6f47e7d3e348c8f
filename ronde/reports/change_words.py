"""What is said of an intervention: one sentence for each way it can end, each guard, each error."""

from collections.abc import Mapping
from datetime import datetime

from ronde.model.records import JobRecord, Trouble
from ronde.model.run import JobState
from ronde.reports.phrases import Phrase, Quote, message, phrase
from ronde.reports.troubles import TROUBLES
from ronde.reports.work import changed, decisive_step

OUR_FAULT = message("A fault on our side interrupted it.")
_UNEXPLAINED = message("Our technicians have the details.")

# What a job that acts means by the codes whose sentence for a check would say the wrong thing.
_OTHERWISE: Mapping[str, str] = {
    "connection-lost": message("The connection to the server broke off."),
    "session-expired": message("The virtualisation platform ended our session."),
    "error": _UNEXPLAINED,
    "cancelled": _UNEXPLAINED,
    **dict.fromkeys(
        ("mail", "mail-relay", "mail-uncertain", "ledger", "queue", "fenced", "crashed", "lost"), OUR_FAULT
    ),
}

HELD_BACK: Mapping[str, str] = {
    "guard-window": message("No maintenance window was open."),
    "guard-finish": message("It might not have ended within the maintenance window."),
    "guard-backup": message("Not every backup of the server was verified and recent."),
    "guard-maintenance": message("Somebody had announced work on the server."),
    "guard-lock": message("Another intervention held the server."),
    "plan-changed": message("What had been agreed on had changed meanwhile."),
    "not-approved": message("No second technician agreed in time."),
    "refused": message("A second technician refused it."),
    "expired": message("It could not begin in time."),
    "cancelled": message("A technician withdrew it before it began."),
}
_AS_A_PRECAUTION = message("It was held back as a precaution.")

SET_ASIDE: Mapping[str, str] = {
    "window": message("Outside the maintenance window (reason: {reason})."),
    "finish": message("Begun although the maintenance window might be too short (reason: {reason})."),
    "backup": message("Begun without a recent, verified backup (reason: {reason})."),
    "maintenance": message("Begun although somebody had announced work on the server (reason: {reason})."),
    "lock": message("Begun although another intervention held the server (reason: {reason})."),
}
_ONE_SET_ASIDE = message("Begun although a precaution spoke against it (reason: {reason}).")


def passed_over(guard: str, reason: str) -> Phrase:
    """A guard that somebody passed over, with his reason."""
    return Phrase(SET_ASIDE.get(guard, _ONE_SET_ASIDE), {"reason": Quote(reason.rstrip(". "))})


def failure(job: JobRecord) -> tuple[Phrase, ...]:
    """Where it failed, or the trouble it met, and what had been done by then."""
    step = decisive_step(job)
    said = phrase("It failed at step “{step}”.", step=step) if step else trouble_words(job.trouble)
    return (said, *_done_by_then(job))


def unfinished(job: JobRecord) -> tuple[Phrase, ...]:
    """That a person has to look, and where to begin."""
    look = phrase("One of our technicians has to look at it.")
    return (*_done_by_then(job), look)


def unknown_outcome(job: JobRecord) -> Phrase:
    """What a person has to find out."""
    step = decisive_step(job)
    if step:
        return phrase("What came of step “{step}” is not known.", step=step)
    return phrase("How far it came is not known.")


def stopped(job: JobRecord) -> tuple[Phrase, ...]:
    return (phrase("A technician stopped it."), *_done_by_then(job))


def held_back(trouble: Trouble | None) -> Phrase:
    """Why it never began."""
    return Phrase(HELD_BACK.get(trouble.code if trouble else "", _AS_A_PRECAUTION))


def waiting(job: JobRecord, now: datetime) -> tuple[Phrase, ...]:
    """What a job that has not ended waits for."""
    if job.state is JobState.HELD:
        return (phrase("It waits for a second technician's agreement."),)
    if job.started_at is not None and job.steps:
        return (phrase("It was interrupted and is taken up again."), *_done_by_then(job))
    if job.trouble is not None:
        return (phrase("It waits for its next try."), trouble_words(job.trouble))
    if job.not_before is not None and job.not_before > now:
        return (phrase("It is to begin on {at}.", at=job.not_before),)
    return (phrase("It had not begun when this report was made."),)


def trouble_words(trouble: Trouble | None) -> Phrase:
    """An error's sentence, without a word on checks."""
    code = trouble.code if trouble else ""
    return Phrase(_OTHERWISE.get(code) or TROUBLES.get(code, _UNEXPLAINED))


def _done_by_then(job: JobRecord) -> tuple[Phrase, ...]:
    done = [record.step for record in changed(job)]
    return (phrase("Done by then: {steps}.", steps=tuple(done)),) if done else ()
