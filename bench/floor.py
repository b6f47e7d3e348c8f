"""Bare paramiko in a thread pool, in a process of its own: what no program on top of paramiko can undercut.

`python -m bench.floor ORDER.json` prints seconds and CPU seconds as JSON. Imports are not counted: a worker
that runs already has done its own.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko
from paramiko.hostkeys import HostKeyEntry


def run_on(host: Mapping[str, Any], key: paramiko.PKey, commands: Sequence[str]) -> None:
    """Connect with the pinned key, run the commands one after the other, and keep nothing.

    Raises:
        RuntimeError: a command failed: what was measured would not be the work.
    """
    client = paramiko.SSHClient()
    name = f"[{host['address']}]:{host['port']}"
    entry = HostKeyEntry.from_line(f"{name} {host['host_key']}")
    if entry is None or entry.key is None:
        raise RuntimeError(f"{name} has no host key")
    client.get_host_keys().add(name, entry.key.get_name(), entry.key)
    client.connect(
        host["address"], host["port"], host["user"], pkey=key, allow_agent=False, look_for_keys=False, timeout=60
    )
    try:
        for command in commands:
            _, output, errors = client.exec_command(command, timeout=60)
            output.read()
            errors.read()
            if status := output.channel.recv_exit_status():
                raise RuntimeError(f"exit status {status} on {name}")
    finally:
        client.close()


def main(path: Path) -> None:
    order = json.loads(path.read_text(encoding="utf-8"))
    key = paramiko.Ed25519Key.from_private_key_file(order["key"])
    start, spent = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(order["parallel"]) as pool:
        list(pool.map(lambda host: run_on(host, key, order["commands"]), order["hosts"]))
    print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time() - spent}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
