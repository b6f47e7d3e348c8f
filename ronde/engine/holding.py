"""The jobs this process holds: renewed together by one heartbeat, and told to stop when the ledger says so."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ronde.model.errors import Cancelled, CommandTimeout, Fenced
from ronde.ports import Claim, Clock, Jobs


class JobSignal:
    """Whether one held job may go on; see `ronde.ports.Signal`.

    The lease is also watched here, on this machine's monotonic clock: a process that was frozen, or that cannot reach
    the ledger, must stop by itself when its lease has run out, because somebody else may hold the job by then.

    Attributes:
        at_once: a person wanted the step in hand ended as well.
    """

    def __init__(self, lease: float, limit: float, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lease = lease
        self._lease_ends = monotonic() + lease
        self._limit_ends = monotonic() + limit
        self._limit = limit
        self._fenced = False
        self._cancelled = False
        self.at_once = False

    def check(self) -> None:
        """Return if the work may go on.

        Raises:
            Fenced, Cancelled: see the port.
            CommandTimeout: the job took longer than its playbook allows.
        """
        now = self._monotonic()
        if self._fenced or now >= self._lease_ends:
            raise Fenced("this worker no longer holds the job")
        if now >= self._limit_ends:
            raise CommandTimeout(f"the job exceeded its limit of {self._limit:.0f} s")
        if self._cancelled:
            raise Cancelled("the job was asked to stop")

    def renewed(self, asked_at: float) -> None:
        """The ledger renewed the lease; it runs from the moment we asked, which is never later than its own."""
        self._lease_ends = asked_at + self._lease

    def fence(self) -> None:
        self._fenced = True

    def cancel(self, *, at_once: bool = False) -> None:
        self._cancelled = True
        self.at_once = self.at_once or at_once

    @property
    def seconds_left(self) -> float:
        """Until the limit of the job; not below zero."""
        return max(0.0, self._limit_ends - self._monotonic())

    @property
    def fenced(self) -> bool:
        return self._fenced or self._monotonic() >= self._lease_ends


class Holding:
    """Every claim of this process. `beat` is called by one thread; `hold` by the threads that work."""

    def __init__(
        self,
        jobs: Jobs,
        clock: Clock,
        *,
        worker: str,
        lease: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = jobs
        self._clock = clock
        self._worker = worker
        self._lease = lease
        self._monotonic = monotonic
        self._held: dict[str, JobSignal] = {}
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, claim: Claim, asked_at: float) -> Iterator[JobSignal]:
        """Keep a claim alive while the block runs; `asked_at` is the monotonic time at which it was asked for."""
        signal = JobSignal(self._lease, claim.plan.limit.total_seconds(), self._monotonic)
        signal.renewed(asked_at)
        with self._lock:
            self._held[claim.token] = signal
        try:
            yield signal
        finally:
            with self._lock:
                del self._held[claim.token]

    def beat(self) -> None:
        """One heartbeat for everything held; also shows that this process lives.

        Raises:
            LedgerError: it could not be written; the leases run on and the next beat tries again.
        """
        with self._lock:
            held = dict(self._held)
        asked_at = self._monotonic()
        renewal = self._jobs.renew(self._worker, list(held), self._clock.now(), self._lease)
        for token, signal in held.items():
            if token in renewal.fenced:
                signal.fence()
                continue
            signal.renewed(asked_at)
            if token in renewal.cancelled:
                signal.cancel(at_once=token in renewal.at_once)

    @property
    def count(self) -> int:
        """How many jobs are held."""
        return len(self._held)

    def now(self) -> float:
        """The monotonic clock that leases are watched with."""
        return self._monotonic()
