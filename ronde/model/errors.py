"""Everything that can go wrong, as one tree.

RondeError                      something a person can be told, with what to do next
├── InputError                  what was asked or written is wrong (inventory, playbook, command line); permanent
│   ├── InventoryError          one or more problems in inventory files, each with its place
│   └── NotAllowed              who asks may not do that; nothing was done
├── SecretError                 a secret could not be read; permanent
├── RemoteError                 a target did not do what was asked of it
│   ├── Unreachable             no connection: refused, no route, name unknown, connect time limit
│   ├── HostKeyChanged          the host shows another key than the pinned one; permanent, an incident
│   ├── HostKeyMissing          no key is pinned for the host; permanent
│   ├── AuthRefused             the host refused our login; permanent
│   ├── CommandTimeout          a command exceeded its total or idle limit
│   ├── ConnectionLost          the link broke while a command ran
│   ├── ProtocolFault           the other side speaks something we do not understand
│   └── CannotDetach            the host lacks what a detached command needs (a tool, room); nothing ran; permanent
├── VCenterError                a vCenter did not do what was asked of it
│   ├── VCenterUnreachable      no connection, or no answer in time
│   ├── CertificateChanged      it shows another certificate than the pinned one; permanent, an incident
│   ├── LoginRefused            wrong user or password; permanent
│   ├── SessionExpired          the session ended under us and could not be renewed
│   └── VCenterFault            it answered with a fault
├── MailError                   a relay did not take a message
│   ├── RelayUnusable           the relay itself cannot be used: no link, no TLS, login refused; all mail would meet it
│   └── MailUncertain           the link broke after the message was handed over: accepted or not is not known
├── LedgerError                 the ledger could not be read or written (locked, full, gone)
├── QueueError                  the broker could not be reached or refused
├── Fenced                      this worker no longer holds the job; stop at once, record nothing
└── Cancelled                   a person asked for the job to stop
"""

from ronde.model.check import Exchange


def with_advice(message: str, advice: str) -> str:
    """Both in one line, as sentences."""
    if not advice:
        return message
    return f"{message} {advice}" if message.endswith((".", "?", "!", ":")) else f"{message}. {advice}"


class RondeError(Exception):
    """Something went wrong that a person can be told about.

    Attributes:
        code: stable lower-case identifier with dashes; shown in reports and used by rules.
        permanent: whether trying again could not help without somebody changing something first.
        advice: what to do next; empty when the message says it all.
        exchange: what was run and what came back before it went wrong, if anything was.
    """

    code = "error"
    permanent = False

    def __init__(self, message: str, *, advice: str = "", exchange: Exchange | None = None) -> None:
        super().__init__(message)
        self.advice = advice
        self.exchange = exchange

    def __str__(self) -> str:
        return with_advice(str(self.args[0]) if self.args else self.code, self.advice)

    @property
    def message(self) -> str:
        return str(self.args[0])


class InputError(RondeError):
    code = "bad-input"
    permanent = True


class InventoryError(InputError):
    """Problems found in inventory files, all of them, each as `file:line: path: what is wrong`."""

    code = "inventory"

    def __init__(self, problems: tuple[str, ...], *, advice: str = "") -> None:
        super().__init__("\n".join(problems), advice=advice)
        self.problems = problems


class NotAllowed(InputError):
    code = "not-allowed"


class SecretError(RondeError):
    code = "secret"
    permanent = True


class RemoteError(RondeError):
    code = "remote"


class Unreachable(RemoteError):
    code = "unreachable"


class HostKeyChanged(RemoteError):
    code = "host-key-changed"
    permanent = True


class HostKeyMissing(RemoteError):
    code = "host-key-missing"
    permanent = True


class AuthRefused(RemoteError):
    code = "auth-refused"
    permanent = True


class CommandTimeout(RemoteError):
    code = "timed-out"


class ConnectionLost(RemoteError):
    code = "connection-lost"


class ProtocolFault(RemoteError):
    code = "protocol"


class CannotDetach(RemoteError):
    code = "cannot-detach"
    permanent = True


class VCenterError(RondeError):
    code = "vcenter"


class VCenterUnreachable(VCenterError):
    code = "vcenter-unreachable"


class CertificateChanged(VCenterError):
    code = "certificate-changed"
    permanent = True


class LoginRefused(VCenterError):
    code = "login-refused"
    permanent = True


class SessionExpired(VCenterError):
    code = "session-expired"


class VCenterFault(VCenterError):
    """A vCenter's answer was a fault, or none that we understand.

    Attributes:
        fault: the API's name of the fault, `NoPermission`; empty when the answer was not understood.
    """

    code = "vcenter-fault"

    def __init__(self, message: str, *, fault: str = "", advice: str = "", exchange: Exchange | None = None) -> None:
        super().__init__(message, advice=advice, exchange=exchange)
        self.fault = fault


class MailError(RondeError):
    """A relay did not take a message; `permanent` is decided per answer (5xx, or 4xx and no answer)."""

    code = "mail"

    def __init__(
        self, message: str, *, permanent: bool = False, smtp_code: int | None = None, advice: str = ""
    ) -> None:
        super().__init__(message, advice=advice)
        self.permanent = permanent
        self.smtp_code = smtp_code


class RelayUnusable(MailError):
    code = "mail-relay"


class MailUncertain(MailError):
    code = "mail-uncertain"


class LedgerError(RondeError):
    code = "ledger"


class QueueError(RondeError):
    code = "queue"


class Fenced(RondeError):
    code = "fenced"


class Cancelled(RondeError):
    code = "cancelled"
