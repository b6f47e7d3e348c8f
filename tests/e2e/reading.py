"""What came of the runs of an installation, read from its ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ronde.adapters.ledger import SqlLedger
from ronde.model.records import CheckRecord, JobRecord, MailRecord, OccurrenceRecord, RunRecord, Scope
from ronde.model.run import JobState
from tests.e2e.processes import Process, poll

CLIENT = "commune"
SCOPE = Scope.of(CLIENT)


@dataclass
class Reading:
    """The ledger of the installation in `directory`, and the processes that write to it."""

    directory: Path
    processes: list[Process] = field(default_factory=list, kw_only=True)

    def __post_init__(self) -> None:
        self._ledger: SqlLedger | None = None

    @property
    def ledger(self) -> SqlLedger:
        """The same ledger, opened by the test itself."""
        if self._ledger is None:
            (self.directory / "data").mkdir(mode=0o700, exist_ok=True)
            self._ledger = SqlLedger(f"sqlite:///{self.directory / 'data' / 'ledger.db'}")
            self._ledger.upgrade()
        return self._ledger

    def runs(self) -> Sequence[RunRecord]:
        return self.ledger.runs(SCOPE, since=datetime.now(UTC) - timedelta(hours=1), limit=500)

    def run(self, reference: str) -> RunRecord:
        return self.ledger.run(SCOPE, reference)

    def job(self, reference: str) -> JobRecord:
        """The only job of a run."""
        (job,) = self.run(reference).jobs
        return job

    def events(self, reference: str) -> list[str]:
        """What happened to a run and its jobs, in order."""
        return [event.action for event in self.run(reference).events]

    def occurrences(self, schedule: str) -> list[OccurrenceRecord]:
        now = datetime.now(UTC)
        found = self.ledger.occurrences(SCOPE, since=now - timedelta(hours=12), until=now + timedelta(minutes=2))
        return [occurrence for occurrence in found if occurrence.schedule == schedule]

    def checks(self) -> Sequence[CheckRecord]:
        """The newest check of every subject, as a report would read them."""
        now = datetime.now(UTC)
        return self.ledger.latest_checks(SCOPE, since=now - timedelta(hours=1), until=now)

    def mails(self) -> Sequence[MailRecord]:
        return self.ledger.mails(SCOPE, since=datetime.now(UTC) - timedelta(hours=1))

    def finished(self, reference: str, *, within: float = 40) -> RunRecord:
        """The run once it has ended."""

        def ended() -> RunRecord | None:
            record = self.run(reference)
            return record if record.finished_at else None

        try:
            return poll(ended, within=within, what=f"run {reference[:8]} ends")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.run(reference)}\n{self.events(reference)}\n{self._logs()}") from None

    def busy(self, reference: str) -> list[JobRecord]:
        """The jobs of a run that are in a worker's hands."""
        return [job for job in self.run(reference).jobs if job.state is JobState.RUNNING]

    def holder(self, reference: str) -> Process:
        """The worker that holds the only job of a run."""
        (job,) = poll(lambda: self.busy(reference), within=30, what="the job runs")
        pid = int(job.worker.split(":")[1])
        return next(process for process in self.processes if process.pid == pid)

    def _logs(self) -> str:
        return "\n".join(f"-- {process.name}\n{process.said_last()}" for process in self.processes)

    def roll_calls(self, count: int) -> None:
        """Wait for so many more roll calls."""
        for _ in range(count):
            last = self.ledger.health(datetime.now(UTC)).last_roll_call
            poll(lambda now=last: self._called_since(now), within=30, what="another roll call")  # type: ignore[misc]  # bound now

    def _called_since(self, then: datetime | None) -> bool:
        return self.ledger.health(datetime.now(UTC)).last_roll_call != then

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
