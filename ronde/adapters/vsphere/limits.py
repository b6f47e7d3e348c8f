"""How long a vCenter may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VCenterLimits:
    """Time limits of one session, in seconds, and the size of its pages.

    Attributes:
        connect: the TCP connection, and again the TLS handshake.
        silence: without a single byte, within a call.
        call: one call with its whole answer; a page of 500 machines in full detail takes a busy vCenter seconds.
        session: everything between login and logout.
        farewell: the logout, which is tried even after the vCenter has fallen silent.
        page: objects in one answer; the vCenter may send fewer.
    """

    connect: float = 10.0
    silence: float = 60.0
    call: float = 180.0
    session: float = 1800.0
    farewell: float = 5.0
    page: int = 500
