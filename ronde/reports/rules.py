"""The sentences for the rules of `ronde.model`: what each finding means to the client, by rule id."""

from collections.abc import Mapping

from ronde.reports.machine_rules import MACHINE_MEANINGS
from ronde.reports.meanings import Cause, Figure, Meaning
from ronde.reports.patch_rules import PATCH_MEANINGS
from ronde.reports.phrases import message
from ronde.reports.troubles import TROUBLES

NOT_VERIFIED = "not-verified-"  # the engine's prefix for what a failed job did not examine, before the error's code

_UNREAD: Mapping[str, Meaning] = {
    "backup-unreachable": Meaning(message("The connection to the server broke off during the check."), gap=True),
    "backup-timed-out": Meaning(message("The backup tool did not answer in time."), gap=True),
    "backup-not-understood": Meaning(message("The backup tool gave an answer that we do not understand."), gap=True),
    "backup-answer-cut": Meaning(message("The backup tool's answer was too long to be read completely."), gap=True),
    "backup-tool-missing": Meaning(message("The backup tool is not installed on the server."), gap=True),
    "backup-secret": Meaning(message("We could not open the key or password that we hold for it."), gap=True),
    "backup-not-readable": Meaning(message("We are not allowed to read it."), gap=True),
    "backup-locked": Meaning(message("It was locked by another program during the check."), gap=True),
    "backup-busy": Meaning(message("It was being rewritten by another program during the check."), gap=True),
    "backup-not-read": Meaning(message("A reading that the verdict needs could not be made."), gap=True),
    "backup-in-progress": Meaning(message("The newest copy was still being written during the check."), gap=True),
    "backup-unverified-too-long": Meaning(
        message("It has not been possible to verify it for several nights."),
        message("It has not been possible to verify it since {since}."),
        {"since": ("since", Figure.INSTANT)},
    ),
}

_REPOSITORY: Mapping[str, Meaning] = {
    "backup-missing": Meaning(message("There is no backup at the expected place."), cause=Cause.MISSING),
    "backup-wrong-key": Meaning(message("The password that we hold no longer opens it.")),
    "backup-corrupt": Meaning(message("Stored data are damaged."), cause=Cause.DAMAGED),
    "backup-corrupt-unresolved": Meaning(
        message("Damage found earlier has not been repaired yet."), cause=Cause.DAMAGED
    ),
    "backup-incomplete": Meaning(message("Parts of the stored data are missing."), cause=Cause.DAMAGED),
    "backup-index-missing": Meaning(message("The table of contents of the stored data is missing.")),
    "backup-remark": Meaning(message("The backup tool wrote warnings.")),
    "backup-repository-changed": Meaning(
        message("The place where the copies are kept was made anew: the earlier copies are no longer there.")
    ),
    "backup-encryption-changed": Meaning(message("The way it is encrypted has changed.")),
    "backup-relocated": Meaning(message("The place where the copies are kept has moved.")),
    "backup-unencrypted": Meaning(
        message("It is not encrypted."),
        decision=message("Say whether backup “{subject}” on {host} may stay unencrypted."),
    ),
    "backup-rolled-back": Meaning(
        message("It is older than what we saw on an earlier night: newer copies have disappeared."),
        message("Newer copies have disappeared: we had already seen the one from {seen}."),
        {"seen": ("seen", Figure.INSTANT)},
        Cause.MISSING,
    ),
    "backup-stale-lock": Meaning(
        message("An interrupted run left a lock that blocks its upkeep."),
        message("An interrupted run left a lock that has blocked its upkeep since {since}."),
        {"since": ("since", Figure.INSTANT)},
    ),
    "backup-known-bug": Meaning(message("The installed version of the backup tool has a known fault.")),
}

_POINTS: Mapping[str, Meaning] = {
    "backup-empty": Meaning(message("It holds no copy."), cause=Cause.MISSING),
    "backup-too-old": Meaning(
        message("The newest copy is too old."),
        message("The newest copy is {age} old."),
        {"age": ("age_s", Figure.SECONDS)},
        Cause.MISSING,
    ),
    "backup-future-point": Meaning(message("A copy carries a date in the future: a clock is wrong.")),
    "backup-gap": Meaning(message("A copy is missing among those of the last seven days.")),
    "backup-retention-breach": Meaning(
        message("Fewer copies are kept than agreed."),
        message("Copies kept: {points}; agreed: {agreed}."),
        {"points": ("points", Figure.COUNT), "agreed": ("keep_at_least", Figure.COUNT)},
        decision=message("Say whether backup “{subject}” on {host} may keep fewer copies than agreed."),
    ),
    "backup-mass-deletion": Meaning(
        message("Many copies have disappeared since the last check."),
        message("Many copies have disappeared since the last check: {points} are left of {before}."),
        {"points": ("points", Figure.COUNT), "before": ("before", Figure.COUNT)},
    ),
    "backup-damaged-point": Meaning(message("One of the older copies cannot be read.")),
    "backup-missing-path": Meaning(message("An expected folder is not in the newest copy."), cause=Cause.DAMAGED),
    "backup-shrunken": Meaning(
        message("The newest copy is much smaller than usual."),
        message("The newest copy is much smaller than usual: {share} of its usual size."),
        {"share": ("value/median", Figure.RATIO)},
        Cause.DAMAGED,
    ),
    "backup-duration": Meaning(message("The last backup took an unusual time.")),
    "backup-frozen": Meaning(message("The last copies are identical although the data should change.")),
    "backup-mass-change": Meaning(message("An unusual share of the files has changed since the previous copy.")),
    "backup-sample-impossible": Meaning(message("The stored data cannot be read back as agreed.")),
    "backup-sample-overdue": Meaning(
        message("The stored data have not been read back for more than a week."),
        message("The stored data have not been read back since {last}."),
        {"last": ("last", Figure.INSTANT)},
    ),
}

_DUMPS: Mapping[str, Meaning] = {
    "backup-too-small": Meaning(message("The newest copy is smaller than the agreed minimum."), cause=Cause.DAMAGED),
    "backup-truncated": Meaning(message("The newest copy is cut off before its end."), cause=Cause.DAMAGED),
    "backup-wrong-format": Meaning(message("The newest copy is not of the expected kind."), cause=Cause.DAMAGED),
    "backup-trailing-data": Meaning(message("Unexpected data follow the end of the newest copy.")),
    "backup-not-changing": Meaning(message("The two newest copies are identical although the data should change.")),
    "backup-date-mismatch": Meaning(message("The date inside the newest copy does not match its file.")),
    "clock-skew": Meaning(message("Its clock is wrong.")),
}

_TROUBLES: Mapping[str, Meaning] = {NOT_VERIFIED + code: Meaning(text, gap=True) for code, text in TROUBLES.items()}

# What the steps of an intervention say of themselves.
_PROCEDURES: Mapping[str, Meaning] = {
    "step-failed": Meaning(message("A step of our work failed.")),
    "step-unclear": Meaning(message("What came of a step of our work is not known."), gap=True),
    "guard-overridden": Meaning(message("A precaution was set aside, with a reason.")),
    "assert-warning": Meaning(message("A point is to be watched; our technicians have the details.")),
    "key-rotation-open": Meaning(message("The change of our access key is not finished on every server yet.")),
}

MEANINGS: Mapping[str, Meaning] = {
    **_UNREAD,
    **_REPOSITORY,
    **_POINTS,
    **_DUMPS,
    **MACHINE_MEANINGS,
    **PATCH_MEANINGS,
    **_PROCEDURES,
    **_TROUBLES,
}
