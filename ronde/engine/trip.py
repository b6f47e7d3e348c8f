"""A detached command on its way: what is known of it, and what has been fetched."""

from dataclasses import dataclass, field, replace

from ronde.facts.detached import Look
from ronde.model.detached import Carried, Launch, Next, Standing, next_act
from ronde.ports import Listener


@dataclass(slots=True)
class Trip:
    """One command, from this attempt's first word about it to its last.

    Attributes:
        seen: it is known to be, or to have been, on the host.
        announced: the host knows our fence.
        look: the newest look; its standing is `UNKNOWN` whenever the host did not answer since.
        start_until, deadline: monotonic instants.
        overdue: it had not ended at the deadline.
    """

    launch: Launch
    listen: Listener | None
    seen: bool
    start_until: float
    deadline: float
    announced: bool = False
    look: Look = field(default_factory=lambda: Look(Standing.UNKNOWN))
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)
    overdue: bool = False
    cancelled: bool = False

    @property
    def act(self) -> Next:
        return next_act(self.look.standing, seen=self.seen)

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to do or to fetch."""
        fetched = len(self.out) >= self.look.out_size and len(self.err) >= self.look.err_size
        return self.act is Next.LEAVE or (self.act in {Next.COLLECT, Next.REPORT} and fetched)

    def absorb(self, look: Look) -> None:
        """Take in a look; `listen` hears what is new."""
        self.look = look
        self.seen = self.seen or look.standing not in {Standing.ABSENT, Standing.FENCED}
        self.out += look.out
        self.err += look.err
        if self.listen is not None and look.out:
            self.listen("out", look.out)
        if self.listen is not None and look.err:
            self.listen("err", look.err)

    def stands(self, standing: Standing) -> None:
        """What is known of its standing without a look; the rest stays as it was seen."""
        self.look = replace(self.look, standing=standing)

    def carried(self) -> Carried:
        look = self.look
        return Carried(
            look.standing,
            exit_status=look.exit_status if look.standing is Standing.ENDED else None,
            stdout=bytes(self.out),
            stderr=bytes(self.err),
            truncated=look.cut,
            timed_out=look.timed_out(self.launch) or (self.overdue and look.stopped),
            stopped=look.stopped,
            cancelled=self.cancelled,
            adopted=look.by not in {0, self.launch.key.fence},
            started=look.started,
            ended=look.ended,
            boot_then=look.boot_then,
            boot_now=look.boot_now,
            alive=look.alive,
            left=look.left,
        )
