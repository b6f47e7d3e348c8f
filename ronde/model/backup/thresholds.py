"""Every backup rule, its default threshold and where the threshold comes from: the one table, for code and for docs."""

from datetime import timedelta

from ronde.model.rules import Rule, RuleBook
from ronde.model.verdict import Severity

FUTURE_TOLERANCE = timedelta(seconds=300)
SKEW_WARNING = timedelta(seconds=60)
SKEW_FAILED = timedelta(seconds=300)
GAP_WINDOW = timedelta(days=7)
SIZE_MEDIAN_OF = 7
SIZE_WARNING = 0.8
SIZE_FAILED = 0.5
DURATION_MEDIAN_OF = 10
DURATION_FEWEST = 4
DURATION_LOW, DURATION_HIGH = 0.3, 3.0
DURATION_NOISE = timedelta(seconds=60)
FROZEN_POINTS = 3
CHURN_SHARE = 0.5
CHURN_OVER_USUAL = 3.0
CHURN_FEWEST_FILES = 20
RATIO_JUMP = 1.5
RATIO_INCOMPRESSIBLE = 0.9
LOCK_WARNING = timedelta(minutes=30)
LOCK_FAILED = timedelta(hours=24)
DELETION_SHARE = 0.5
DELETION_FEWEST = 3
SAMPLE_OVERDUE = timedelta(days=7)
UNKNOWN_PERIODS = 3
STABLE_GAP_S = 5
WRITTEN_RECENTLY_MIN = 15
SMALL_DUMP = 64 * 1024 * 1024
DATE_TOLERANCE = timedelta(hours=36)


_W, _U, _C, _I = Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL, Severity.INFO

RULES: tuple[Rule, ...] = (
    # Nothing could be learnt
    Rule("backup-unreachable", _U, "the link to the host broke or was never there", "ours"),
    Rule("backup-timed-out", _U, "the tool did not answer within its limit", "ours"),
    Rule(
        "backup-not-understood",
        _U,
        "an answer or exit status we do not know",
        "restic docs, scripting: must be failure",
    ),
    Rule("backup-answer-cut", _U, "an answer longer than its cap is never read as complete", "ours"),
    Rule("backup-tool-missing", _U, "restic, borg or a decompressor is not installed on the host", "ours"),
    Rule("backup-secret", _U, "the password could not be read where the worker runs", "ours"),
    Rule("backup-not-readable", _U, "our user may not read the repository or the files", "ours"),
    Rule("backup-locked", _U, "the repository is locked and could not be read without a lock", "ours"),
    Rule("backup-busy", _U, "damage was seen twice while another program was rewriting the repository", "ours"),
    Rule("backup-not-read", _U, "a reading that the verdict needs was not made", "ours"),
    Rule("backup-unverified-too-long", _C, "unknown for longer than three times max_age", "ours, three missed periods"),
    # The repository itself
    Rule("backup-missing", _C, "no repository or no folder at that place", "ours"),
    Rule("backup-wrong-key", _C, "the password we hold does not open the repository", "ours"),
    Rule("backup-corrupt", _C, "stored bytes or metadata are damaged", "restic and borg docs, check"),
    Rule("backup-corrupt-unresolved", _C, "damage found earlier has not been read intact since", "ours"),
    Rule("backup-incomplete", _C, "segments or packs that the index counts on are gone", "borg internals, hints"),
    Rule("backup-index-missing", _W, "the repository has no index of its last transaction", "borg internals, index"),
    Rule("backup-remark", _W, "the tool wrote warnings on standard error", "ours"),
    Rule("backup-repository-changed", _C, "another repository id than before: it was made anew", "ours"),
    Rule("backup-encryption-changed", _C, "another encryption mode than before or than declared", "ours"),
    Rule(
        "backup-relocated", _W, "the same repository id at another place than before", "borg docs, relocated repository"
    ),
    Rule("backup-unencrypted", _W, "the repository is not encrypted", "borg docs, encryption modes"),
    Rule(
        "backup-rolled-back",
        _C,
        "the newest point or state is older than one already seen",
        "borg docs, replay protection",
    ),
    Rule(
        "backup-stale-lock",
        _C,
        "a lock older than 30 min (warning) or 24 h (failed)",
        "restic source, lock_file.go: 30 min",
    ),
    Rule("backup-known-bug", _I, "a tool version with a known data-loss bug", "restic issues 4523, 4677"),
    # Restore points
    Rule(
        "backup-empty",
        _C,
        "no restore point, or nothing inside the newest",
        "borgmatic and restic: exit status 0 on empty",
    ),
    Rule(
        "backup-too-old",
        _C,
        "the newest point is older than max_age (26 h)",
        "Backup Radar and Veeam ONE alert past 24 h",
    ),
    Rule("backup-future-point", _C, "a point lies more than 5 min in the future", "ours"),
    Rule("backup-gap", _W, "two neighbouring points of the last 7 days lie further apart than max_age", "ours"),
    Rule("backup-retention-breach", _C, "fewer points than keep_at_least", "ours"),
    Rule("backup-mass-deletion", _C, "half of the points, and at least 3, gone since the last check", "ours"),
    Rule(
        "backup-damaged-point",
        _W,
        "the tool could not load a point and left it out of its list",
        "restic, seen on 0.14",
    ),
    Rule("backup-missing-path", _C, "an expected path is not in the newest point", "restic issue 4467"),
    Rule(
        "backup-shrunken",
        _C,
        "size or files below 0.8 (warning) or 0.5 (failed) of the median of 7",
        "npbackup 33, 141",
    ),
    Rule("backup-duration", _W, "took less than 0.3 of, or over 3 times the median of 10", "healthchecks issue 236"),
    Rule("backup-frozen", _W, "the last 3 points are identical although the source is active", "ours"),
    Rule(
        "backup-mass-change",
        _W,
        "half of the files changed or data became incompressible",
        "npbackup 144; Veeam event 41600",
    ),
    # Verification of stored bytes
    Rule("backup-sample-impossible", _W, "a sample is declared but cannot be read this way", "ours"),
    Rule("backup-sample-overdue", _W, "a sample is declared but none was read for 7 days", "ours"),
    # Dump files
    Rule("backup-in-progress", _U, "the newest file is still being written", "ours"),
    Rule("backup-too-small", _C, "the newest file is smaller than min_size", "ours"),
    Rule("backup-truncated", _C, "the closing mark of the format is missing", "pg_dump, mysqldump, GNU tar docs"),
    Rule("backup-wrong-format", _C, "the content is not of the declared format", "ours"),
    Rule("backup-trailing-data", _W, "bytes follow the end of the data", "GNU gzip manual: trailing garbage"),
    Rule("backup-not-changing", _W, "the newest two files are identical although the source is active", "ours"),
    Rule("backup-date-mismatch", _W, "the date inside the dump lies more than 36 h from the file's", "ours"),
    Rule(
        "clock-skew",
        _C,
        "the host's clock is off by more than 60 s (warning), 300 s (failed)",
        "healthchecks issue 888",
    ),
)

_BOOK = RuleBook(RULES)
finding, critical, warning, unknown, info = _BOOK.finding, _BOOK.critical, _BOOK.warning, _BOOK.unknown, _BOOK.info
