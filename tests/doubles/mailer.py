"""A relay without a network: it keeps what it is given and answers as it is told.

It keeps the contract of the real adapter; tests/contract/mailer runs one suite over both.
"""

from collections import deque
from dataclasses import dataclass, field

from ronde.model.errors import MailError
from ronde.model.outbox import Posted


@dataclass
class ScriptedMailer:
    """Takes every message unless an error stands next in `script`; errors are used up one by one.

    Attributes:
        sent: what was taken, in order, even where the answer was then lost (`MailUncertain`).
        tried: ids of all messages it was asked to send.
    """

    script: deque[MailError | None] = field(default_factory=deque)
    sent: list[Posted] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    def send(self, posted: Posted) -> str:
        self.tried.append(posted.id)
        error = self.script.popleft() if self.script else None
        if error is None or error.code == "mail-uncertain":
            self.sent.append(posted)
        if error is not None:
            raise error
        return f"250 2.0.0 queued as {len(self.sent)}"
