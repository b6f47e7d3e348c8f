"""The engine's side of backup checks: what goes wrong on the way, how long a reading may last, the host's clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ronde.engine.backups import BackupRequest, check_all, check_backup, check_clock, skew_of, unreached
from ronde.model.backup import PastCheck
from ronde.model.errors import Cancelled, Fenced, SecretError, Unreachable
from ronde.model.inventory import ResticBackup
from ronde.model.verdict import Level, Verdict
from tests.doubles.shell import Cut, Hang, Reply, Script, ScriptedShell

NOW = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
ID = "1" * 64
SNAPSHOTS = (
    f'[{{"time":"2026-11-24T01:00:00Z","tree":"t","paths":["/srv"],"hostname":"srv","id":"{ID}","summary":'
    '{"backup_start":"2026-11-24T01:00:00Z","backup_end":"2026-11-24T01:05:00Z","data_added":10,'
    '"data_added_packed":5,"total_files_processed":9,"total_bytes_processed":900}}]'
)
HEALTHY = {
    "*restic version": Reply("restic 0.18.0 compiled with go1.24 on linux/amd64\n"),
    "*cat config": Reply(f'{{"version":2,"id":"{ID}"}}'),
    "*list locks": Reply(""),
    "*snapshots --json": Reply(SNAPSHOTS),
    "*check*": Reply('{"message_type":"summary","num_errors":0,"broken_packs":null}\n'),
}


class Fixed:
    def __init__(self, now: datetime = NOW) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant


class Open:
    def read(self, reference: str) -> bytes:
        if reference == "env://GONE":
            raise SecretError("there is no variable GONE")
        return b"password"


def request(
    name: str = "documents", *, deep: bool = False, now: datetime = NOW, window: str | None = None,
    history: tuple[PastCheck, ...] = (), reference: str = "env://X",
) -> BackupRequest:  # fmt: skip
    backup = ResticBackup.model_validate(
        {"name": name, "tool": "restic", "repository": "/srv/r", "password": reference, "check_window": window}
    )
    return BackupRequest("commune", "srv", backup, now, ZoneInfo("Europe/Paris"), history, Fixed(), deep)


def rules(findings: object) -> set[str]:
    return {finding.rule for finding in findings}  # type: ignore[attr-defined] # always a tuple of findings


def test_a_new_restic_needs_no_question_per_point() -> None:
    shell = ScriptedShell(HEALTHY)
    check = check_backup(shell, Open(), request())
    assert (check.verdict, check.level, check.findings) == (Verdict.OK, Level.PRESENT, ())
    assert [exchange.question.split()[-2:] for exchange in check.exchanges] == [
        ["restic", "version"], ["cat", "config"], ["list", "locks"], ["snapshots", "--json"]
    ]  # fmt: skip
    assert check.facts["size"] == 900
    assert check.objective["max_age"] == "1d2h"
    assert check.evidence_at == NOW


def test_a_link_that_breaks_costs_only_what_comes_after() -> None:
    """Of three backups on one connection, the first is kept, the second half known, the third unknown."""
    script: Script = {**HEALTHY, "*snapshots --json": [Reply(SNAPSHOTS), Cut()]}
    checks = check_all(ScriptedShell(script), Open(), [request("one"), request("two"), request("three")])
    assert [check.subject for check in checks] == ["one", "two", "three"]
    assert [check.verdict for check in checks] == [Verdict.OK, Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert checks[1].facts["repository_id"] == ID
    assert checks[1].level is Level.REACHABLE
    assert [len(check.exchanges) for check in checks] == [4, 4, 1]
    assert rules(checks[2].findings) == {"backup-unreachable"}


def test_an_answer_that_never_comes_is_unknown() -> None:
    check = check_backup(ScriptedShell({**HEALTHY, "*cat config": Hang()}), Open(), request())
    assert (check.verdict, check.level) == (Verdict.UNKNOWN, None)
    assert rules(check.findings) == {"backup-timed-out"}


def test_a_secret_that_cannot_be_read_is_unknown_and_nothing_is_asked() -> None:
    shell = ScriptedShell({})
    check = check_backup(shell, Open(), request(reference="env://GONE"))
    assert (check.verdict, rules(check.findings), shell.asked) == (Verdict.UNKNOWN, {"backup-secret"}, [])


@pytest.mark.parametrize("stop", [Fenced("lost"), Cancelled("stopped")])
def test_an_order_to_stop_goes_through(stop: Exception) -> None:
    class Stopping:
        def check(self) -> None:
            raise stop

    with pytest.raises(type(stop)):
        check_all(ScriptedShell(HEALTHY, signal=Stopping()), Open(), [request()])


def test_a_host_never_reached_keeps_what_was_proven_and_escalates() -> None:
    proofs = {"1": (NOW - timedelta(days=5)).isoformat()}
    past = PastCheck(NOW - timedelta(days=5), Verdict.OK, Level.PRESENT, {"proofs": proofs}, ())
    recent = PastCheck(NOW - timedelta(days=1), Verdict.OK, Level.PRESENT, {"proofs": proofs}, ())
    long = unreached(request(history=(past,)), Unreachable("refused"))
    short = unreached(request(history=(recent,)), Unreachable("refused"))
    assert (long.verdict, long.facts["proofs"]) == (Verdict.FAILED, proofs)
    assert rules(long.findings) == {"backup-unreachable", "backup-unverified-too-long"}
    assert (short.verdict, short.level) == (Verdict.UNKNOWN, None)


@pytest.mark.parametrize(
    ("now", "window", "seconds"),
    [
        (NOW, None, 4 * 3600),
        (datetime(2026, 11, 24, 4, 30, tzinfo=UTC), "04:00-06:00", 1800),  # 05:30 in Paris
        (datetime(2026, 11, 24, 5, 0, tzinfo=UTC) - timedelta(seconds=5), "04:00-06:00", 60),
        (datetime(2026, 11, 24, 21, 30, tzinfo=UTC), "22:00-02:00", 3 * 3600 + 1800),
        (datetime(2026, 11, 24, 12, 0, tzinfo=UTC), "04:00-06:00", 4 * 3600),  # a technician asked, outside of it
        (datetime(2026, 10, 24, 23, 30, tzinfo=UTC), "01:00-03:30", 3 * 3600),  # the night of 25 hours
    ],
)
def test_a_reading_of_bytes_ends_with_its_window(now: datetime, window: str | None, seconds: int) -> None:
    shell = ScriptedShell(HEALTHY)
    check_backup(shell, Open(), request(deep=True, now=now, window=window))
    command = next(asked for asked in shell.asked if "check" in asked.argv)
    assert command.argv[4] == str(seconds)
    assert command.timeout > seconds + 30


@pytest.mark.parametrize(
    ("off", "verdict"),
    [(0, Verdict.OK), (60, Verdict.OK), (-61, Verdict.WARNING), (300, Verdict.WARNING), (301, Verdict.FAILED)],
)
def test_the_host_s_clock(off: int, verdict: Verdict) -> None:
    half = NOW + timedelta(milliseconds=500)  # whole seconds are half a second old on average
    shell = ScriptedShell({"date *": Reply(f"{int(NOW.timestamp()) + off}\n")}, clock=Fixed(half))
    check = check_clock(shell, "srv", Fixed(half))
    assert (check.verdict, skew_of(check)) == (verdict, timedelta(seconds=off))
    assert rules(check.findings) == (set() if verdict is Verdict.OK else {"clock-skew"})


@pytest.mark.parametrize("reply", [Reply("soon\n"), Reply("", exit_status=1), Cut(), Reply("9" * 40)])
def test_a_clock_that_cannot_be_read_is_unknown(reply: Reply | Cut) -> None:
    check = check_clock(ScriptedShell({"date *": reply}), "srv", Fixed())
    assert (check.verdict, skew_of(check)) == (Verdict.UNKNOWN, timedelta(0))
