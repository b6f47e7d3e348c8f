"""The client's side of the lab's SSH servers."""

import base64
from pathlib import Path

import paramiko

from lab.identity import Identity


def connect(
    server: Identity, key: Path, pinned: str | None = None, through: paramiko.Channel | None = None
) -> paramiko.SSHClient:
    """A connection that accepts the pinned key alone (the server's own when left out), perhaps through a tunnel."""
    kind, content = (pinned or server.public_keys[0]).split()[:2]
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    shown = paramiko.PKey.from_type_string(kind, base64.b64decode(content))
    client.get_host_keys().add(f"[{server.address}]:{server.port}", kind, shown)
    client.connect(
        server.address,
        server.port,
        server.user,
        key_filename=str(key),
        allow_agent=False,
        look_for_keys=False,
        timeout=10,
        sock=through,
    )
    return client


def say(client: paramiko.SSHClient, command: str) -> str:
    _, output, _ = client.exec_command(command, timeout=10)
    return output.read().decode().strip()
