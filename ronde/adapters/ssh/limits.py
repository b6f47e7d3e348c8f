from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SshLimits:
    """How long each stage of a connection may take, in seconds, for each host on the way.

    Attributes:
        connect: TCP connection, or the jump host's connection to the next host (ASVS 13.1.3 asks for a bound; the
            usual ten seconds).
        banner: from there until the keys are agreed; what a host that accepts and says nothing is given.
        login: the answer to our public key.
        channel: the start of one command on an open connection.
        queue: waiting for a turn at a jump host that many connections go through.
        keepalive: silence after which the other side is asked for a sign of life; `silence`: until it counts as gone.
        close: leaving, whatever the state of the other side.
        linger: quiet granted after a command's exit while something it left behind still holds its output open.
        handshakes: connections in their handshake at one jump host at once; sshd starts to drop them at random from
            ten on (sshd_config, MaxStartups 10:30:100).
    """

    connect: float = 10.0
    banner: float = 10.0
    login: float = 15.0
    channel: float = 10.0
    queue: float = 60.0
    keepalive: float = 15.0
    silence: float = 45.0
    close: float = 2.0
    linger: float = 5.0
    handshakes: int = 8
