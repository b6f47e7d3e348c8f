"""What an error that stopped a job means to a client: one sentence for each code of `ronde.model.errors`."""

from collections.abc import Mapping

from ronde.model.records import JobRecord
from ronde.reports.phrases import Phrase, Span, counted, message, phrase

UNKNOWN_TROUBLE = message("It could not be examined.")
TROUBLES: Mapping[str, str] = {
    "error": UNKNOWN_TROUBLE,
    "bad-input": message("Our instructions for it are not valid; we are correcting them."),
    "not-allowed": message("Our instructions for it are not valid; we are correcting them."),
    "inventory": message("Our instructions for it are not valid; we are correcting them."),
    "secret": message("We could not open the key or password that we hold for it."),
    "remote": message("The server did not answer as expected."),
    "unreachable": message("The server could not be reached."),
    "host-key-changed": message(
        "The server shows another identity than the known one; as a precaution we did not log in."
    ),
    "host-key-missing": message("The server's identity has not been confirmed yet; as a precaution we did not log in."),
    "auth-refused": message("The server refused our login."),
    "timed-out": message("The server took too long to answer."),
    "connection-lost": message("The connection to the server broke off during the check."),
    "protocol": message("The server did not answer as expected."),
    "cannot-detach": message("The server lacks something that our work there needs."),
    "vcenter": message("The virtualisation platform did not answer as expected."),
    "vcenter-unreachable": message("The virtualisation platform could not be reached."),
    "certificate-changed": message(
        "The virtualisation platform shows another certificate than the known one; as a precaution we did not log in."
    ),
    "login-refused": message("The virtualisation platform refused our login."),
    "session-expired": message("The virtualisation platform ended our session during the check."),
    "vcenter-fault": message("The virtualisation platform answered with an error."),
    "mail": message("A fault on our side kept the check from running."),
    "mail-relay": message("A fault on our side kept the check from running."),
    "mail-uncertain": message("A fault on our side kept the check from running."),
    "ledger": message("A fault on our side kept the check from running."),
    "queue": message("A fault on our side kept the check from running."),
    "fenced": message("A fault on our side kept the check from running."),
    "cancelled": message("The check was stopped by a technician."),
}


def trouble_phrase(code: str, job: JobRecord) -> Phrase:
    """The sentence for an error code, with the span and the number of tries when the job tells them."""
    what = Phrase(TROUBLES.get(code, UNKNOWN_TROUBLE))
    if job.started_at is None:
        return what
    tries = counted("{n} try", "{n} tries", job.attempt)
    tried = Span(job.created_at, job.finished_at or job.started_at)
    return phrase("{what} {tries} {when}.", what=what, tries=tries, when=tried)
