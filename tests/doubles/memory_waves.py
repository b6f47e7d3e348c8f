"""Runs that go in rings, in memory; see `ronde.ports.Orders.pause_run` and `ronde.ports.Jobs.advance`."""

from dataclasses import replace
from datetime import datetime

from ronde.model.advancing import Standing, is_stopped, next_wave
from ronde.model.records import Scope
from ronde.model.run import RUN_OPEN, JobEvent, JobState, change_job
from tests.doubles.memory_store import JobRow, Store


class MemoryWaves(Store):
    def pause_run(self, scope: Scope, run: str, who: str, now: datetime) -> bool:
        return self._mark(scope, run, who, now, paused=True)

    def resume_run(self, scope: Scope, run: str, who: str, now: datetime) -> bool:
        return self._mark(scope, run, who, now, paused=False)

    def _mark(self, scope: Scope, run: str, who: str, now: datetime, *, paused: bool) -> bool:
        with self._all_or_nothing():
            found = self._t.runs.get(run)
            if found is None or found.pace is None or found.state not in RUN_OPEN or bool(found.paused_by) == paused:
                return False
            clients = {job.client for job in self._jobs_of(run)}
            if not clients <= scope.clients:
                return False
            self._t.runs[run] = replace(found, paused_by=who if paused else "")
            for client in sorted(clients):
                self._tell(now, client, "run.pause" if paused else "run.resume", run, actor=who, run=run)
            self._move_on(run, now)
            return True

    def _may_begin(self, job: JobRow) -> bool:
        run = self._t.runs[job.run]
        if run.pace is None:
            return True
        return not run.paused_by and not is_stopped(self._standings(run.id), run.pace)

    def _move_on(self, run: str, now: datetime) -> None:
        found = self._t.runs[run]
        if found.pace is None:
            return
        move = next_wave(self._standings(run), found.pace, now, paused=bool(found.paused_by))
        for job in move.admit:
            self._pass_on(self._t.jobs[job], JobEvent.ADMIT, now)
        for job in move.recall:
            self._pass_on(self._t.jobs[job], JobEvent.RECALL, now)
        for job, why in move.skip:
            self._end(self._t.jobs[job], JobEvent.SKIP, now, trouble=why)
        for row in self._jobs_of(run):
            waits = row.state is JobState.WAITING and move.ready is not None
            if waits and move.ready and (row.not_before is None or row.not_before < move.ready):
                self._put(row, not_before=move.ready)

    def _pass_on(self, job: JobRow, what: JobEvent, now: datetime) -> None:
        start = max(now, job.not_before) if what is JobEvent.ADMIT and job.not_before else now
        self._put(job, state=change_job(job.state, what), sends=0, wake_at=start)
        self._tell(now, job.client, f"job.{what}", job.id, run=job.run)

    def _standings(self, run: str) -> list[Standing]:
        return [
            Standing(
                job=job.id,
                target=job.plan.target,
                place=job.plan.place,
                state=job.state,
                verdict=job.verdict,
                begun=job.started_at is not None,
                ended=job.finished_at,
                not_after=job.not_after,
                trouble=job.trouble.code if job.trouble else "",
            )
            for job in sorted(self._jobs_of(run), key=lambda job: job.position)
            if job.plan.place is not None
        ]
