"""Every patch rule, its default threshold and where the threshold comes from: the one table, for code and for docs."""

from datetime import timedelta

from ronde.model.rules import Rule, RuleBook
from ronde.model.verdict import Severity

CLOCK_TOLERANCE = timedelta(minutes=5)
METADATA_OLD = timedelta(hours=48)
SECURITY_WARNING = timedelta(days=7)
SECURITY_FAILED = timedelta(days=14)
REBOOT_FAILED = timedelta(days=14)
END_OF_LIFE_NOTICE = timedelta(days=90)
DISK_FREE_LOW = 0.05
LOAD_FACTOR = 2.0
LOAD_NOISE = 1.0


_W, _U, _C, _I = Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL, Severity.INFO

RULES: tuple[Rule, ...] = (
    # Nothing could be learnt
    Rule("patch-not-read", _U, "a reading that the verdict needs was not made", "ours"),
    Rule("patch-not-understood", _U, "an answer or exit status we do not know", "ours"),
    Rule("patch-answer-cut", _U, "an answer longer than its cap is never read as complete", "ours"),
    Rule("patch-timed-out", _U, "the package manager did not answer within its limit", "ours"),
    Rule("patch-tool-missing", _U, "the package manager or a helper of it is not installed", "ours"),
    Rule("patch-denied", _U, "our user may not ask or may not change", "ours"),
    Rule("patch-locked", _U, "another program holds the package manager's lock", "ansible issues 51663, 78658"),
    # The repositories
    Rule("patch-repository-failed", _U, "a repository did not answer; apt-get update ends with 0 all the same", "apt"),
    Rule("patch-no-repository", _U, "no repository is defined: nothing pending means nothing", "zypper, seen on 1.14"),
    Rule("patch-release-changed", _U, "a repository became another release than the host expects", "apt-secure(8)"),
    Rule(
        "patch-metadata-old",
        _U,
        "what is known of the repositories is older than 48 h, or of the future",
        "dnf: metadata_expire",
    ),
    Rule("patch-not-refreshed", _I, "the repositories were not read anew for this look, with the reason", "ours"),
    Rule("patch-unverified", _C, "for over 14 days nobody could tell what waits", "Cyber Essentials: within 14 days"),
    Rule(
        "patch-security-unknown", _U, "updates wait of which nothing says if they are security", "CentOS: no updateinfo"
    ),
    # What waits
    Rule(
        "patch-security-pending",
        _C,
        "a security update waits; for over 7 days a warning, over 14 days failed",
        "Cyber Essentials: within 14 days",
    ),
    Rule("patch-updates-pending", _I, "other updates wait", "ours"),
    Rule("patch-kept-back", _W, "a security update cannot be installed as things are, with the reason", "ours"),
    Rule("patch-phased", _I, "the vendor has deferred an update for this host", "apt_preferences(5), phased updates"),
    # The host
    Rule("patch-interrupted", _C, "an earlier run was cut off: its journal is not empty", "dpkg, updates/"),
    Rule("patch-broken-package", _C, "a package is not fully installed", "dpkg-query(1), status abbreviation"),
    Rule("patch-broken-dependencies", _C, "the package manager finds unmet dependencies", "apt-get(8), check"),
    Rule("patch-end-of-life", _C, "the release gets no more fixes, or (warning) within 90 days", "the vendor's dates"),
    Rule("patch-release-unknown", _U, "a release whose end of life we do not know", "ours"),
    Rule(
        "patch-reboot-pending",
        _C,
        "what was installed waits for a reboot; for over 14 days failed",
        "Cyber Essentials: a fix not in force is not applied",
    ),
    Rule("patch-reboot-unknown", _U, "no source could tell whether a reboot is needed", "needrestart issue 22"),
    Rule("patch-services-old", _W, "programs still run on libraries that were replaced", "needrestart(1)"),
    Rule("patch-windows-unverified", _U, "a Windows was looked at in a way never verified on a real one", "ours"),
    Rule("patch-config-left", _I, "new versions of configuration files wait beside the old ones", "dpkg(1), confold"),
    # The run
    Rule("patch-plan-differs", _C, "just before the run the host would do something else than was approved", "ours"),
    Rule("patch-needs-approval", _C, "the run would remove or bring packages that the policy does not allow", "ours"),
    Rule("patch-package-failed", _C, "a planned package is not at its version and fully installed", "ours"),
    Rule("patch-unplanned", _W, "a package changed that was not in the plan", "ours"),
    Rule("patch-holds-changed", _C, "packages are held or released that were not before", "ansible issue 15751"),
    Rule("patch-outcome-unknown", _U, "the package database could not be read before and after", "ours"),
    Rule("patch-no-room", _C, "a disk has less room than a run needs: 500 MB, 150 MB in /boot", "ours"),
    Rule(
        "patch-repaired", _W, "an earlier run had been cut off, and was brought to its end first", "dpkg(1), configure"
    ),
    Rule("patch-no-snapshot", _I, "the host was patched without a snapshot to go back to, with the reason", "ours"),
    Rule("patch-reboot-failed", _C, "the host did not come back from its reboot, or refused it", "ours"),
    Rule("patch-timed-out-run", _C, "the package manager was ended at its time limit in mid-run", "ours"),
    Rule("patch-probe-failed", _C, "a service does not answer as it did before the run", "ours"),
    Rule("patch-probe-was-failing", _W, "a service did not answer before the run either", "ours"),
    Rule("patch-reverted", _C, "the machine was taken back to the snapshot from before the run", "ours"),
    Rule("patch-not-reverted", _C, "the host is worse than before, and was not taken back, with the reason", "ours"),
    # The host before and after
    Rule("patch-unit-failed", _C, "a unit failed that did not fail before", "ours"),
    Rule("patch-port-closed", _C, "nothing listens where something listened before", "ours"),
    Rule("patch-mount-gone", _C, "a file system is no longer mounted", "ours"),
    Rule("patch-disk-low", _W, "a file system has less than 5 % free and had more before", "ours"),
    Rule(
        "patch-load-high", _W, "the load is over twice the number of processors and over twice that of before", "ours"
    ),
    Rule("patch-health-unknown", _U, "the state before or after could not be read in full", "ours"),
)

_BOOK = RuleBook(RULES)
finding, critical, warning, unknown, info = _BOOK.finding, _BOOK.critical, _BOOK.warning, _BOOK.unknown, _BOOK.info
