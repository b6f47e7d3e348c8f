"""No secret of a client in any command line, environment, log, message or record, while and after it is used."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.world import Lab
from ronde.adapters.ledger import SqlLedger
from ronde.adapters.secrets import FileSecrets
from ronde.model.records import Scope

CLIENT = "commune-exemple"
SCOPE = Scope.of(CLIENT)
RONDE = Path(sys.executable).parent / "ronde"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path / "lab", "127.77.51", free_ports=True) as lab:
        lab.up(only=["srv-fichiers", "srv-compta"])
        yield lab


def secrets_of(environment: dict[str, str], inventory: Path) -> dict[str, bytes]:
    """Every secret the inventory refers to, by its reference."""
    reader = FileSecrets(Path(environment["RONDE_SECRETS_DIR"]), Path(environment["RONDE_AGE_IDENTITY"]), None)
    shown = subprocess.run(
        [str(RONDE), "inventory", "show", CLIENT, "--json"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert inventory.exists()
    references = {
        value
        for host in json.loads(shown.stdout)["hosts"].values()
        for value in [host["key"], *(backup.get("password") for backup in host["backups"])]
        if value
    }
    return {reference: reader.read(reference) for reference in references}


class Watch(threading.Thread):
    """Looks into every process's command line and environment until told to stop."""

    def __init__(self, canaries: dict[str, bytes]) -> None:
        super().__init__(daemon=True)
        self.canaries = canaries
        self.seen: set[str] = set()
        self.looks = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            self.looks += 1
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    self._look(process)

    def _look(self, process: Path) -> None:
        for name in ("cmdline", "environ"):
            try:
                content = (process / name).read_bytes()
            except OSError:
                continue  # it ended while we looked, or is the kernel's
            self.seen |= {
                f"{name} of {process.name}: {ref}" for ref, secret in self.canaries.items() if secret in content
            }


def test_secrets_stay_where_they_are(lab: Lab, tmp_path: Path) -> None:
    environment = {**lab.environment(), "RONDE_LOG_LEVEL": "debug"}
    environment.pop("RONDE_BROKER_URL", None)
    canaries = secrets_of(environment, lab.inventory)
    assert len(canaries) >= 3
    watch = Watch(canaries)
    watch.start()
    done = subprocess.run(
        [
            str(RONDE),
            "run",
            "backup/check",
            "--client",
            CLIENT,
            "--host",
            "srv-fichiers",
            "--host",
            "srv-compta",
            "--param",
            "deep=true",
            "--here",
            "--json",
        ],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )
    watch.done.set()
    watch.join(10)
    checks = [check for job in json.loads(done.stdout)["jobs"] for check in job["checks"]]
    assert {check["verdict"] for check in checks} == {"ok"}, done.stdout
    assert watch.looks > 5
    assert watch.seen == set()
    said = done.stdout + done.stderr
    assert [reference for reference, secret in canaries.items() if secret in said] == []
    assert leaks(Path(environment["RONDE_DATA_DIR"]), canaries) == []


def leaks(data: Path, canaries: dict[str, bytes]) -> list[str]:
    """Secrets in the ledger: in its files as they lie there, and in every output it unpacks."""
    ledger = SqlLedger(f"sqlite:///{data / 'ledger.db'}")
    try:
        since = datetime.now(UTC) - timedelta(hours=1)
        jobs = ledger.jobs(SCOPE, since=since, until=datetime.now(UTC) + timedelta(hours=1))
        kept = [item for job in jobs for item in ledger.evidence(SCOPE, job.id)]
        assert len(kept) > 8
        texts = [item.output + item.errors + item.question.encode() for item in kept]
    finally:
        ledger.close()
    texts += [path.read_bytes() for path in data.rglob("*") if path.is_file()]
    return [reference for reference, secret in canaries.items() for text in texts if secret in text]
