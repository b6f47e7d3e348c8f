"""The demo: a lab with deliberate faults, a whole installation, one night through beat, broker and workers.

It succeeds when the product behaved: every fault found, every healthy thing in order, each client told.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from lab.demo_verdict import Found, Judgement, judge
from lab.errors import LabError
from lab.faults import DEMO_FAULTS
from lab.inventory import reschedule
from lab.process import wait_until
from lab.world import Lab
from ronde.adapters.ledger import SqlLedger
from ronde.model.records import RunRecord, Scope
from ronde.model.run import JOB_OPEN, RUN_OPEN

ROOT = Path(__file__).resolve().parents[1]
RONDE = Path(sys.executable).parent / "ronde"
CLIENTS = ("commune-exemple", "ecole-modele")
SCOPE = Scope(frozenset(CLIENTS))
NETWORK = "127.77.9"
UP_SECONDS = 20  # what broker, workers and beat may take before the first schedule is due
SPARE = timedelta(seconds=3)  # between the plan and the first due instant, at the least
NIGHT_SECONDS = 180
PLAYBOOKS = {"backup/check": 2, "vsphere/snapshots": 1, "report/night": 2}  # runs of the night, by playbook


@dataclass(frozen=True, slots=True)
class Night:
    """The two instants of the demo's night, on the clock of this machine."""

    round_at: datetime
    report_at: datetime

    @classmethod
    def soon(cls, now: datetime, margin: float) -> "Night":
        """The first whole minute at least `margin` seconds away, and a report two minutes later."""
        start = now + timedelta(seconds=margin + 60)
        round_at = start.replace(second=0, microsecond=0)
        return cls(round_at, round_at + timedelta(minutes=2))

    def schedules(self) -> Mapping[str, Mapping[str, Any]]:
        """A client's `schedules` for this night; by the minute only, so that no time zone matters."""
        due = f"{self.round_at.minute} * * * *"
        return {
            "night-backups": {"playbook": "backup/check", "at": due, "on": "all", "catch_up": {"within": "30m"}},
            "snapshots": {"playbook": "vsphere/snapshots", "at": due, "on": "all", "catch_up": {"within": "30m"}},
            "morning-report": {"report": "night", "at": f"{self.report_at.minute} * * * *"},
        }


def main() -> int:
    """Run the demo; 0 when the product behaved, 1 when it did not, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="script/demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything up and say how to look around")
    parser.add_argument("--dir", type=Path, default=ROOT / "var" / "demo")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return Demo(chosen.dir.resolve(), keep=chosen.keep).run()
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: stopped; nothing is left running", file=sys.stderr)
        return 130


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Demo:
    """One demo in one directory."""

    def __init__(self, directory: Path, *, keep: bool) -> None:
        self.directory = directory
        self.keep = keep
        self.console = Console(highlight=False)
        self.lab = Lab(directory / "lab", NETWORK)
        self.environment: dict[str, str] = {}
        self.behaved = False

    def run(self) -> int:
        """The whole demo, from an empty folder to a judgement."""
        self._clean()
        with self._lab():
            night = self._plan(UP_SECONDS)
            with self._installation() as installation:
                if night.round_at - datetime.now(UTC) < SPARE:
                    night = self._plan(
                        SPARE.total_seconds()
                    )  # a slow machine: beat has missed it, the roll call will not
                runs = self._watch(night)
                self._finish(night, runs, installation)
        return 0 if self.behaved else 1

    def _finish(self, night: Night, runs: Sequence[RunRecord], installation: subprocess.Popen[bytes]) -> None:
        self._print_morning()
        judgement = self._judge(runs)
        self._keep_results(night, runs, judgement)
        self._print_judgement(judgement)
        self.behaved = judgement.behaved
        if self.keep:
            self._look_around(installation)

    def _plan(self, margin: float) -> Night:
        """Write schedules that are due at the first whole minute at least `margin` seconds away."""
        night = Night.soon(datetime.now(UTC), margin)
        reschedule(self.lab.inventory, night.schedules())
        return night

    # -- setting up

    def _clean(self) -> None:
        """A demo starts from nothing: what an earlier one left, running or not, goes first."""
        if self.directory.exists():
            self.lab.down()
            shutil.rmtree(self.directory)
        self.directory.mkdir(parents=True)

    @contextmanager
    def _lab(self) -> Iterator[None]:
        began = time.monotonic()
        self.console.print(
            "Building the lab: SSH servers, restic and borg repositories, dumps, a vCenter, a mail sink …"
        )
        with _always(self.lab.down):
            self.lab.up()
            faults = list(dict.fromkeys(expectation.fault for expectation in DEMO_FAULTS))
            for fault in faults:
                self.lab.break_(fault)
            took = time.monotonic() - began
            self.console.print(
                f"  {len(self.lab.status())} real servers up in {took:.0f} s; {len(faults)} faults put in"
            )
            yield

    @contextmanager
    def _installation(self) -> Iterator[subprocess.Popen[bytes]]:
        """`ronde up` with its embedded broker, two work processes and beat."""
        settings = {**self.lab.environment(), "RONDE_RETRY_DELAYS": "2s,4s", "RONDE_ROLL_CALL": "5s"}
        settings.pop("RONDE_BROKER_URL", None)
        self.environment = settings
        (self.directory / "ronde.env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        log = (self.directory / "ronde.log").open("wb")
        argv = [str(RONDE), "up", "--workers", "2"]
        process = subprocess.Popen(argv, env=self._env(), cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        with log, _always(lambda: _end(process)):
            self.console.print("Starting broker, one control and two work processes, and beat (ronde up --workers 2) …")
            if not wait_until(lambda: self._alive() or process.poll() is not None, UP_SECONDS * 3) or process.poll():
                raise LabError(f"ronde up did not come up; see {self.directory / 'ronde.log'}")
            yield process

    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RONDE_")}
        return {**kept, **self.environment}

    def _ledger(self) -> SqlLedger:
        return SqlLedger(f"sqlite:///{self.environment['RONDE_DATA_DIR']}/ledger.db")

    def _alive(self) -> bool:
        if not Path(self.environment["RONDE_DATA_DIR"], "ledger.db").exists():
            return False
        done = self._ronde("doctor", "--no-hosts", "--json")
        if not done.stdout.startswith("["):
            return False
        answers = {answer["part"]: answer["verdict"] for answer in json.loads(done.stdout)}
        return all(answers.get(part) == "ok" for part in ("broker", "beat", "workers on control", "workers on work"))

    def _ronde(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(RONDE), *arguments], env=self._env(), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )

    # -- the night

    def _watch(self, night: Night) -> Sequence[RunRecord]:
        """Follow the ledger until the night is over; what is late stays visible and is judged."""
        ledger = self._ledger()
        began = datetime.now(UTC) - timedelta(seconds=5)
        deadline = time.monotonic() + (night.report_at - datetime.now(UTC)).total_seconds() + NIGHT_SECONDS
        try:
            with Live(console=self.console, refresh_per_second=4, transient=not self.console.is_terminal) as live:
                while time.monotonic() < deadline:
                    runs = ledger.runs(SCOPE, since=began, limit=100)
                    live.update(_progress(night, runs, datetime.now(UTC)))
                    if self._over(ledger, runs, began):
                        break
                    time.sleep(0.25)
            return [ledger.run(SCOPE, run.id) for run in ledger.runs(SCOPE, since=began, limit=100)]
        finally:
            ledger.close()

    def _over(self, ledger: SqlLedger, runs: Sequence[RunRecord], since: datetime) -> bool:
        counts: dict[str, int] = {}
        for run in runs:
            if run.state in RUN_OPEN:
                return False
            counts[run.playbook] = counts.get(run.playbook, 0) + 1
        mails = ledger.mails(SCOPE, since=since)
        sent = bool(mails) and all(mail.accepted_at for mail in mails)
        return sent and all(counts.get(name, 0) >= least for name, least in PLAYBOOKS.items())

    def _print_morning(self) -> None:
        self.console.rule("the morning: ronde status")
        width = {"COLUMNS": str(min(self.console.width, 110))}
        subprocess.run([str(RONDE), "status"], env={**self._env(), **width}, cwd=ROOT, check=False, timeout=60)

    # -- the judgement

    def _judge(self, runs: Sequence[RunRecord]) -> Judgement:
        received = self.lab.mail.received()
        return judge(DEMO_FAULTS, [Found.of(run) for run in runs], [mail.message for mail in received])

    def _keep_results(self, night: Night, runs: Sequence[RunRecord], judgement: Judgement) -> None:
        for client in CLIENTS:
            for number, mail in enumerate(judgement.mails.get(client, ()), 1):
                suffix = "" if number == 1 else f"-{number}"
                (self.directory / f"{client}{suffix}.eml").write_bytes(mail)
        summary = {
            "behaved": judgement.behaved,
            "night": {"round": night.round_at.isoformat(), "report": night.report_at.isoformat()},
            "expectations": [asdict(line) for line in judgement.lines],
            "surprises": list(judgement.surprises),
            "runs": [json.loads(self._ronde("show", run.id, "--json").stdout) for run in runs],
        }
        (self.directory / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False))

    def _print_judgement(self, judgement: Judgement) -> None:
        self.console.rule("did the product behave?")
        table = Table(box=None, pad_edge=False)
        for name in ("", "fault", "where", "expected", "found"):
            table.add_column(name)
        for line in judgement.lines:
            table.add_row("✓" if line.right else "✗", line.fault, line.where, line.expected, line.found)
        self.console.print(table)
        for surprise in judgement.surprises:
            self.console.print(f"✗ {surprise}")
        words = "The product behaved." if judgement.behaved else "The product did NOT behave."
        names = ", ".join(sorted(path.name for path in self.directory.glob("*.eml")))
        self.console.print(f"{words} Emails: {names}; all results: summary.json, in {self.directory}")

    def _look_around(self, installation: subprocess.Popen[bytes]) -> None:
        env = f"RONDE_ENV_FILE={self.directory}/ronde.env"
        self.console.rule("everything stays up; Ctrl-C ends it")
        for command in ("status", "runs", "show RUN --output", "report night commune-exemple", "doctor", "schedule"):
            self.console.print(f"  {env} .venv/bin/ronde {command}")
        self.console.print(f"  script/lab --dir {self.lab.directory} status | break NAME | mend NAME")
        while installation.poll() is None:
            time.sleep(0.5)


@contextmanager
def _always(end: Any) -> Iterator[None]:
    """Run `end` however the block is left, and do not let a second Ctrl-C keep it from running."""
    try:
        yield
    finally:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            end()
        finally:
            signal.signal(signal.SIGINT, before)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _progress(night: Night, runs: Sequence[RunRecord], now: datetime) -> Table:
    table = Table.grid(padding=(0, 2))
    due = night.round_at if now < night.round_at else night.report_at
    what = "the round is due" if now < night.round_at else "the reports are due"
    left = max(0, int((due - now).total_seconds()))
    table.add_row(f"{now.astimezone():%H:%M:%S}", f"{what} in {left} s" if left else "", "")
    for run in sorted(runs, key=lambda run: (run.created_at, run.id)):
        done = sum(job.state not in JOB_OPEN for job in run.jobs)
        total = len(run.jobs)
        bar = "█" * (12 * done // total) + "░" * (12 - 12 * done // total)
        open_ = ", ".join(job.target.name for job in run.jobs if job.state in JOB_OPEN)
        client = run.jobs[0].target.client if run.jobs else ""
        verdict = run.verdict.value if run.verdict else open_
        table.add_row(f"{bar} {done}/{total}", f"{run.playbook} · {client}", verdict[:60])
    return table


if __name__ == "__main__":
    raise SystemExit(main())
