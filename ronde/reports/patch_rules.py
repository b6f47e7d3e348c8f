"""The sentences for the rules of a patch audit: what each finding means to the client."""

from collections.abc import Mapping

from ronde.reports.meanings import Figure, Meaning
from ronde.reports.phrases import message

_UNREAD: Mapping[str, Meaning] = {
    "patch-not-read": Meaning(message("A reading of the server's updates could not be made."), gap=True),
    "patch-not-understood": Meaning(message("The server gave an answer that we do not understand."), gap=True),
    "patch-answer-cut": Meaning(message("The server's answer was too long to be read completely."), gap=True),
    "patch-timed-out": Meaning(message("The server did not tell its updates in time."), gap=True),
    "patch-tool-missing": Meaning(message("We know no way to ask this server for its updates."), gap=True),
    "patch-denied": Meaning(message("We are not allowed to read everything that this needs."), gap=True),
    "patch-locked": Meaning(message("Updates were being worked on during the check."), gap=True),
    "patch-not-refreshed": Meaning(message("Its sources of updates were not read anew for the check."), gap=True),
    "patch-windows-unverified": Meaning(
        message("The way in which this Windows server was looked at has not been verified on a real Windows."), gap=True
    ),
    "patch-repository-failed": Meaning(message("A source of its updates did not answer."), gap=True),
    "patch-no-repository": Meaning(message("No source of updates is set up on it."), gap=True),
    "patch-release-changed": Meaning(message("A source of its updates has moved on to another release."), gap=True),
    "patch-metadata-old": Meaning(
        message("What it knows of its updates is too old."),
        message("What it knows of its updates is of {refreshed}."),
        {"refreshed": ("refreshed", Figure.INSTANT)},
        gap=True,
    ),
    "patch-security-unknown": Meaning(message("Its sources do not say which updates are for security."), gap=True),
    "patch-release-unknown": Meaning(message("Until when its system is maintained is not known."), gap=True),
    "patch-reboot-unknown": Meaning(message("Whether it has to be restarted cannot be told."), gap=True),
}

_FOUND: Mapping[str, Meaning] = {
    "patch-security-pending": Meaning(
        message("Security updates have been missing for too long."),
        message("Security updates have been missing since {since}."),
        {"since": ("since", Figure.INSTANT)},
    ),
    "patch-unverified": Meaning(
        message("It has not been possible to verify its updates for weeks."),
        message("It has not been possible to verify its updates since {since}."),
        {"since": ("since", Figure.INSTANT)},
    ),
    "patch-kept-back": Meaning(message("A security update cannot be installed as things are.")),
    "patch-interrupted": Meaning(message("An installation of updates was interrupted and has to be finished.")),
    "patch-broken-package": Meaning(message("A program is not completely installed.")),
    "patch-broken-dependencies": Meaning(message("Programs do not fit together, which stands in the way of updates.")),
    "patch-end-of-life": Meaning(
        message("Its system is no longer maintained, or soon will not be."),
        message("The maintenance of its system by the vendor ends on {end}."),
        {"end": ("end_of_life", Figure.DAY)},
        decision=message("Say when server {host} may be given a newer system: its own will get no more fixes."),
    ),
    "patch-reboot-pending": Meaning(
        message("A restart is needed for updates to take effect."),
        message("A restart has been needed since {since} for updates to take effect."),
        {"since": ("since", Figure.INSTANT)},
    ),
    "patch-services-old": Meaning(message("Some programs still run in their older version until they are restarted.")),
}

# What a run that installs updates says of itself and of the server before and after it.
_RUNS: Mapping[str, Meaning] = {
    "patch-package-failed": Meaning(message("An update could not be installed.")),
    "patch-outcome-unknown": Meaning(message("What came of an installation of updates is not known."), gap=True),
    "patch-health-unknown": Meaning(message("How the server stands could not be read in full."), gap=True),
    "patch-updates-pending": Meaning(message("Other updates are waiting.")),
    "patch-phased": Meaning(message("The vendor delivers an update in stages and has not reached this server yet.")),
    "patch-config-left": Meaning(message("New versions of configuration files wait beside those in use.")),
    "patch-plan-differs": Meaning(
        message("The updates to be installed were no longer those that had been looked at, so none was installed.")
    ),
    "patch-needs-approval": Meaning(
        message("The updates would add or remove programs, which one of us has to agree to first.")
    ),
    "patch-unplanned": Meaning(message("A program changed that was not among the planned updates.")),
    "patch-holds-changed": Meaning(message("The list of programs that are to stay at their version has changed.")),
    "patch-no-room": Meaning(message("There was too little disk space to install updates safely.")),
    "patch-repaired": Meaning(
        message("An earlier installation of updates had been interrupted; we finished it first.")
    ),
    "patch-no-snapshot": Meaning(message("Updates were handled without a snapshot to go back to.")),
    "patch-reboot-failed": Meaning(message("It did not come back from its restart as expected.")),
    "patch-timed-out-run": Meaning(message("The installation of updates took too long and was ended.")),
    "patch-probe-failed": Meaning(message("A service no longer answers as it did before the updates.")),
    "patch-probe-was-failing": Meaning(message("A service did not answer before the updates either.")),
    "patch-reverted": Meaning(
        message("After updates that went wrong it was taken back to its earlier state; what was written since is lost.")
    ),
    "patch-not-reverted": Meaning(
        message("After updates that went wrong it was left as it is until one of us decides.")
    ),
    "patch-unit-failed": Meaning(message("A service has failed since the updates.")),
    "patch-port-closed": Meaning(message("A service is no longer reachable since the updates.")),
    "patch-mount-gone": Meaning(message("Storage is no longer attached since the updates.")),
    "patch-disk-low": Meaning(message("Its disk space has become scarce since the updates.")),
    "patch-load-high": Meaning(message("It has been under heavy load since the updates.")),
}

PATCH_MEANINGS: Mapping[str, Meaning] = {**_UNREAD, **_FOUND, **_RUNS}
