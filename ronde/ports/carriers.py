"""What carries jobs to workers, what they say to those who watch, and mail to clients."""

from collections.abc import Callable, Sequence
from typing import Protocol

from ronde.model.feed import Piece
from ronde.model.outbox import Posted
from ronde.ports.claims import Hint

Ear = Callable[[str, bytes], None]
"""Hears one step as it goes: (`out`, `err` or `note`, raw bytes), and at last (`end`, nothing). Never waits or raises.

Called by one thread at a time. A note is whole lines of our own; an end must come however the step went.
"""


class Queue(Protocol):
    """Wakes workers. Losing a message loses nothing: the roll call sends again what nobody claimed."""

    def wake(self, hints: Sequence[Hint]) -> None:
        """Send one message for each job.

        Raises:
            QueueError: the broker cannot be reached; nothing needs undoing.
        """

    def advance(self, run: str) -> None:
        """Ask for a run to be moved on."""

    def deliver(self) -> None:
        """Ask for due mail to be sent."""


class Feed(Protocol):
    """Live output: a comfort, which may be lost and is told then. The ledger keeps the record."""

    def publish(self, run: str, pieces: Sequence[Piece]) -> None:
        """Append to what a run has said; a piece that is too large is split.

        Never raises and never waits longer than one answer of the broker may take. What could not be published is
        counted and dropped; the log tells once for each outage.
        """

    def read(self, run: str, after: str, wait: float) -> Sequence[tuple[str, Piece]]:
        """What came after the entry `after` ("" for the beginning), oldest first, each with its id.

        Waits at most `wait` seconds, and less when the adapter's own limits are shorter, for the first; none is a
        normal answer, also for a run that never spoke or whose output has expired. Ids only ever increase.

        Raises:
            QueueError: the broker cannot be asked; the same question may be asked again.
        """

    def forget(self, run: str) -> None:
        """Drop what a run has said; never raises, since it expires by itself."""


class Publisher(Protocol):
    """Where steps say what goes on, in a worker."""

    def listener(self, run: str, job: str, target: str, step: str) -> Ear:
        """The ear for one carrying-out of a step; `target` as `client/name`.

        A worker that re-attaches to a step names it as before and lets its whole output be heard again from the first
        byte; one that begins a step anew gives it another name (`restart, try 2`): see `ronde.model.feed.Piece`.
        """


class Mailer(Protocol):
    def send(self, posted: Posted) -> str:
        """Hand one message to the relay; its answer (with the queue id, if it gave one).

        Raises:
            MailError: it was refused, for now or for good; MailUncertain: nobody knows.
        """
