"""The audit's side of the engine: what goes wrong on the way, who may refresh, and what one night tells the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ronde.adapters.files.playbooks import load_playbooks
from ronde.engine.patches import AuditRequest, check_patches, unaudited
from ronde.engine.procedure.sudoers import sudoers_lines
from ronde.facts.patch import apt
from ronde.model.check import Check
from ronde.model.errors import Cancelled, Fenced, Unreachable
from ronde.model.verdict import Level, Verdict
from tests.doubles.bundled import BUNDLE, bundled
from tests.doubles.shell import Cut, Hang, Reply, ScriptedShell

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
AGO = int((NOW - timedelta(hours=3)).timestamp())
IDLE = Reply("Reading package lists...\n0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n")
UPGRADE = (
    "Inst openssl [3.0.1-1] (3.0.2-1 Debian-Security:12/stable-security [amd64])\n"
    "Conf openssl (3.0.2-1 Debian-Security:12/stable-security [amd64])\n"
    "1 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n"
)
SECURITY = "http://security.debian.org/debian-security bookworm-security/main amd64 Packages"
POLICY = f"""\
Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 {SECURITY}
     release v=12,o=Debian,a=stable-security,n=bookworm-security,l=Debian-Security,c=main,b=amd64
 500 http://deb.debian.org/debian bookworm/main amd64 Packages
     release v=12.5,o=Debian,a=stable,n=bookworm,l=Debian,c=main,b=amd64
Pinned packages:
"""
VERSIONS = f"""\
openssl:
  Installed: 3.0.1-1
  Candidate: 3.0.2-1
  Version table:
     3.0.2-1 500
        500 {SECURITY}
 *** 3.0.1-1 100
        100 /var/lib/dpkg/status
"""
LOCKED = Reply("", "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812 (apt-get)\n", 100)
REFUSED = Reply("", "sudo: a password is required\n", 1)
TARGETS = """\
'http://deb.debian.org/debian/dists/bookworm/InRelease' deb.debian.org_debian_dists_bookworm_InRelease 0
'http://security.debian.org/debian-security/dists/bookworm-security/InRelease' security.debian.org_InRelease 0
"""
LISTS = f"{AGO} deb.debian.org_debian_dists_bookworm_InRelease\n{AGO} security.debian.org_InRelease\n"
KERNEL = "6.1.0-31-amd64\n#1 SMP Debian 6.1.128-1\nnone\nii \tlinux-image-6.1.0-31-amd64\t6.1.128-1\n"
HOST: Mapping[str, Reply | Sequence[Reply]] = {
    "sh -c *-- programs --*": Reply("ID=debian\nVERSION_ID=12\n-- programs --\napt-get\n-- dnf --\n"),
    "cat /etc/os-release": Reply('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n'),
    "apt-get --version": Reply("apt 2.6.1 (amd64)\n"),
    "test -x *": Reply("", "", 1),
    "*apt-get update -q --error-on=any": Reply("Hit:1 http://deb.debian.org bookworm InRelease\n"),
    "apt-get update --print-uris": Reply(TARGETS),
    "sh -c *var/lib/apt/lists &&*": Reply(LISTS),
    "apt-cache policy": Reply(POLICY),
    "apt-cache policy ?*": Reply(VERSIONS),
    "dpkg-query *": Reply("ii \tdpkg\tamd64\t1.21.22\nii \topenssl\tamd64\t3.0.1-1\n"),
    "sh -c *proc/locks*": Reply(""),
    "ls -A /var/lib/dpkg/updates": Reply(""),
    "dpkg --audit": Reply(""),
    "apt-get check *": Reply("Reading package lists...\n"),
    "apt-get -s *": IDLE,
    "sh -c *uname -r*": Reply(KERNEL),
    "sh -c *reboot-required*": Reply(""),
    "*maps*": Reply(""),
    "*find /etc *": Reply(""),
}  # fmt: skip
NEEDED = sorted(
    HOST.keys() - {"test -x *", "apt-cache policy ?*", "apt-get update --print-uris", "sh -c *var/lib/apt/lists &&*"}
)


@dataclass(frozen=True)
class Fixed:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


class Pauses(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def request(*history: Check, now: datetime = NOW, refresh: bool = True, pause: Pauses | None = None) -> AuditRequest:
    facts = [check.facts for check in history]
    return AuditRequest("srv", now, facts, Fixed(now), Pauses() if pause is None else pause, refresh)


def changed(changes: Mapping[str, Reply | Sequence[Reply]]) -> Mapping[str, Reply | Sequence[Reply]]:
    """The host with other answers, which are looked for first."""
    return {**changes, **{pattern: reply for pattern, reply in HOST.items() if pattern not in changes}}


def audit(
    changes: Mapping[str, Reply | Sequence[Reply]] | None = None, asked: AuditRequest | None = None
) -> tuple[Check, ScriptedShell]:
    asked = asked or request()
    shell = ScriptedShell(bundled(changed(changes or {})), clock=asked.clock)
    return check_patches(shell, asked), shell


def rules(check: Check) -> set[str]:
    return {finding.rule for finding in check.findings}


def test_a_host_on_which_nothing_waits_is_ok_after_three_round_trips() -> None:
    check, shell = audit()
    assert (check.verdict, check.level, check.findings) == (Verdict.OK, Level.REACHABLE, ())
    assert (check.kind, check.subject, check.host) == ("patches", "patches", "srv")
    assert len(shell.asked) == 3
    assert {exchange.tool for exchange in check.exchanges} == {"", "apt 2.6.1"}
    assert check.facts["metadata_age_s"] == 0


@pytest.mark.parametrize("question", NEEDED)
@pytest.mark.parametrize("answer", [Reply("", "", 1), Reply("", "", 137), Reply("", "what?", 99), Reply("", "", None)])
def test_no_answer_can_be_taken_away_and_leave_the_host_ok(question: str, answer: Reply) -> None:
    check, _ = audit({question: answer})
    assert check.verdict is not Verdict.OK, question


def test_a_security_update_is_counted_dated_and_listed() -> None:
    check, shell = audit({"apt-get -s *": Reply(UPGRADE)})
    assert len(shell.asked) == 4
    assert (check.facts["pending"], check.facts["security"], check.facts["oldest_security_age_s"]) == (1, 1, 0)
    assert check.facts["packages"] == [
        {"package": "openssl:amd64", "installed": "3.0.1-1", "candidate": "3.0.2-1", "security": True,
         "origins": ["Debian-Security:12/stable-security"], "advisories": [], "kept": None, "detail": ""}
    ]  # fmt: skip


def test_the_age_of_the_oldest_fix_counts_from_the_night_it_was_first_missing() -> None:
    waits = {"apt-get -s *": Reply(UPGRADE)}
    first, _ = audit(waits)
    offline = unaudited(request(first), Unreachable("no route"))
    later, _ = audit(waits, request(offline, first, now=NOW + timedelta(days=15)))
    assert later.facts["oldest_security_age_s"] == 15 * 86400
    assert later.verdict is Verdict.FAILED


def test_a_lock_is_waited_for_and_then_the_lists_are_read() -> None:
    pause = Pauses()
    check, _ = audit({"*apt-get update -q --error-on=any": [LOCKED, LOCKED, Reply("Hit:1\n")]}, request(pause=pause))
    assert pause == [apt.LISTS_RETRY_S] * 2
    assert check.verdict is Verdict.OK


def test_a_lock_that_is_never_given_back_leaves_the_age_of_the_lists_as_judge() -> None:
    pause = Pauses()
    check, _ = audit({"*apt-get update -q --error-on=any": LOCKED}, request(pause=pause))
    assert len(pause) == apt.LISTS_RETRIES
    assert rules(check) == {"patch-not-refreshed"}
    assert check.facts["metadata_age_s"] == 3 * 3600


@pytest.mark.parametrize("lists", [
    LISTS.replace(str(AGO), str(AGO - 3 * 86400), 1),
    LISTS.splitlines()[0],
    "",
])  # fmt: skip
def test_who_may_not_refresh_is_told_nothing_of_lists_that_are_old_or_missing(lists: str) -> None:
    check, _ = audit({"*apt-get update -q --error-on=any": REFUSED, "sh -c *var/lib/apt/lists &&*": Reply(lists)})
    assert (check.verdict, check.level) == (Verdict.UNKNOWN, None)
    assert rules(check) & {"patch-metadata-old", "patch-repository-failed"}
    assert "patch-not-refreshed" in rules(check)
    assert "pending" not in check.facts


def test_an_older_apt_is_asked_in_its_own_way() -> None:
    old = {"apt-get --version": Reply("apt 2.0.9 (amd64)\n")}
    stranger = Reply("", "E: Command line option --error-on=any is not understood\n", 100)
    said = Reply("", "W: Failed to fetch http://gone.example/InRelease  Connection refused\n")
    check, shell = audit({**old, "*apt-get update -q --error-on=any": stranger, "*apt-get update -q": said})
    assert any(command.argv[-3:] == ("apt-get", "update", "-q") for command in shell.asked)
    assert rules(check) >= {"patch-repository-failed"}


def test_a_host_without_a_manager_that_we_know_is_unknown() -> None:
    check, _ = audit({"sh -c *-- programs --*": Reply("ID=void\n-- programs --\n-- dnf --\n")})
    assert rules(check) == {"patch-tool-missing"}
    assert check.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("trip", range(4))
@pytest.mark.parametrize(("broken", "rule"), [(Cut(), "patch-not-read"), (Hang(), "patch-timed-out")])
def test_wherever_the_link_breaks_the_check_is_made_and_unknown(trip: int, broken: Cut | Hang, rule: str) -> None:
    script = bundled(changed({"apt-get -s *": Reply(UPGRADE)}))
    answers = [script[BUNDLE]] * trip
    shell = ScriptedShell({BUNDLE: [*answers, broken], "*": script["*"]}, clock=Fixed())  # type: ignore[list-item]  # one each
    check = check_patches(shell, request())
    assert (check.verdict, check.findings[0].rule) == (Verdict.UNKNOWN, rule)
    assert check.exchanges


@pytest.mark.parametrize("error", [Cancelled("stop"), Fenced("lost")])
def test_a_signal_to_stop_is_heeded(error: Exception) -> None:
    class Stop:
        def check(self) -> None:
            raise error

    with pytest.raises(type(error)):
        check_patches(ScriptedShell(bundled(HOST), clock=Fixed(), signal=Stop()), request())


def test_a_host_that_nobody_could_tell_of_for_two_weeks_has_failed() -> None:
    good, _ = audit()
    gone = Unreachable("no route")
    soon = unaudited(request(good, now=NOW + timedelta(days=13)), gone)
    late = unaudited(request(soon, good, now=NOW + timedelta(days=15)), gone)
    assert (soon.verdict, late.verdict) == (Verdict.UNKNOWN, Verdict.FAILED)
    assert "patch-unverified" in rules(late)
    assert late.facts["verified_at"] == good.facts["verified_at"]


def test_the_lines_of_sudoers_are_those_of_the_questions_and_no_more() -> None:
    playbooks = load_playbooks(ROOT / "playbooks")
    lines = sudoers_lines(playbooks["patch/audit"], playbooks, {}, "ronde")
    assert len(lines) == 3
    assert lines[0].endswith(r"/usr/bin/env LC_ALL\=C TZ\=UTC /usr/bin/apt-get update -q --error-on\=any")
    assert not [line for line in lines if "*" in line.replace(r"\*", "")], "no wildcard"
