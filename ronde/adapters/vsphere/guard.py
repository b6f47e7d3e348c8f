"""The watch over a session: it cuts a blocked call when its time is up or when the work must stop."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from ronde.model.errors import RondeError
from ronde.ports import Signal

_TICK_SECONDS = 0.2


class Guard:
    """Watches one session from a thread of its own.

    A socket's own time limit counts from one byte to the next, so an answer that drips would never end; and a thread
    that waits for bytes cannot ask whether it should stop. The guard does both: it shuts the session's sockets down,
    which ends the wait, and the reason is raised in place of what the shut socket caused.
    """

    def __init__(self, signal: Signal, session_seconds: float) -> None:
        self._signal = signal
        self._session_end = time.monotonic() + session_seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._deadline: float | None = None
        self._heed = True
        self._reason: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="vcenter-guard", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def attach(self, link: socket.socket) -> None:
        """Put a socket under watch; it stays there until it is closed."""
        with self._lock:
            self._sockets = [known for known in self._sockets if known.fileno() >= 0]
            self._sockets.append(link)

    @contextlib.contextmanager
    def limit(self, seconds: float, *, last: bool = False) -> Iterator[None]:
        """Let a call run for at most `seconds`, and for no longer than the session and the signal allow.

        Args:
            seconds: the most that the call may take.
            last: the call ends the session: it has its seconds even when the session's time is up or the work is to
                stop.

        Raises:
            TimeoutError: the time was up; Fenced, Cancelled: the signal said stop.
        """
        if not last:
            self._signal.check()
        deadline = time.monotonic() + seconds
        with self._lock:
            self._deadline = deadline if last else min(deadline, self._session_end)
            self._heed, self._reason = not last, None
        try:
            yield
        finally:
            with self._lock:
                self._deadline = None
            if self._reason is not None:
                raise self._reason

    def _watch(self) -> None:
        while not self._over.wait(_TICK_SECONDS):
            with self._lock:
                deadline, heed = self._deadline, self._heed
            if deadline is None:
                continue
            reason = self._objection(deadline, heed=heed)
            if reason is not None:
                self._cut(deadline, reason)

    def _objection(self, deadline: float, *, heed: bool) -> Exception | None:
        if heed:
            try:
                self._signal.check()
            except RondeError as stop:  # Fenced or Cancelled; or the reason why nobody can tell
                return stop
        return TimeoutError("no complete answer in time") if time.monotonic() >= deadline else None

    def _cut(self, deadline: float, reason: Exception) -> None:
        with self._lock:
            if self._deadline != deadline:
                return  # the call ended while we were asking
            self._reason, self._deadline = reason, None
            for link in self._sockets:
                with contextlib.suppress(OSError):
                    # Past the TLS layer: its own shutdown is not made for another thread.
                    socket.socket.shutdown(link, socket.SHUT_RDWR)
