"""A real sshd whose commands run under one shell or the other, and the jobs that tests leave there."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex

import pytest

from ronde.adapters.ssh import SshShells
from ronde.engine.carrying import Carrier, Pace
from ronde.facts.detached import Look, Outcome, look_question, parse_look, parse_outcome, start_question
from ronde.model.command import Answer, Command
from ronde.model.detached import Key, Launch, Standing
from ronde.ports import Shell, Signal
from tests.doubles.shell import NeverStop
from tests.doubles.ssh_hosts import Grounds, Proxy
from tests.integration.ssh.conftest import shells_with

PATIENCE = 60.0
BRISK = Pace(wait=5, grace=60.0, ending=3, delays=(0.05, 0.1, 0.2))


def until(what: Callable[[], bool], message: str = "it never came to that") -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def living(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_of(step: Path) -> list[int]:
    """What runs for a step: its folder is an argument of each of them, but not of the command itself."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if os.fsencode(step) in words:
            found.append(int(process.name))
    return found


@dataclass
class Target:
    """A host over real SSH.

    Attributes:
        jobs: where the host keeps what is detached.
        used: ids of the jobs that are cleared away in the end.
    """

    grounds: Grounds
    home: Path
    jobs: Path
    shells: SshShells = field(default_factory=shells_with)
    used: list[str] = field(default_factory=list)

    def key(self, step: str = "step", fence: int = 1) -> Key:
        """The key of a new job."""
        self.used.append(token_hex(12))
        return Key(self.used[-1], step, fence)

    @contextmanager
    def shell(self, signal: Signal | None = None, host: str = "srv") -> Iterator[Shell]:
        with self.shells.open(self.grounds.client(), host, signal or NeverStop()) as shell:
            yield shell

    def ask(self, command: Command) -> Answer:
        """One command on a connection of its own."""
        with self.shell() as shell:
            return shell.run(command)

    def start(self, launch: Launch) -> Outcome:
        return parse_outcome(self.ask(start_question(launch).command))

    def look(self, key: Key, *, wait: int = 0) -> Look:
        return parse_look(self.ask(look_question(key, 0, 0, wait=wait, most=10_000_000).command))

    def ended(self, key: Key) -> Look:
        """The look after the end."""
        deadline = time.monotonic() + PATIENCE
        while (look := self.look(key, wait=1)).standing in {Standing.STARTING, Standing.RUNNING}:
            assert time.monotonic() < deadline, "it never ended"
        return look

    @contextmanager
    def carrier(self, signal: Signal | None = None, host: str = "srv", pace: Pace = BRISK) -> Iterator[Carrier]:
        with ExitStack() as stack:

            def reopen(heeding: Signal) -> Shell:
                return stack.enter_context(self.shells.open(self.grounds.client(), host, heeding))

            yield Carrier(reopen, signal or NeverStop(), time.sleep, pace=pace)

    @contextmanager
    def proxied(self, name: str) -> Iterator[Proxy]:
        """The same host behind a link that can be cut, as host `name`."""
        entry = self.grounds.hosts["srv"]
        with Proxy(entry.address, entry.port) as proxy:
            self.grounds.hosts[name] = entry.model_copy(update={"address": proxy.address, "port": proxy.port})
            yield proxy

    def step(self, key: Key) -> Path:
        return self.jobs / key.job / key.step


def in_the_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def retried(launch: Launch, fence: int) -> Launch:
    """The same step in a later attempt."""
    return replace(launch, key=replace(launch.key, fence=fence))


def jobs_folder(home: Path) -> Path:
    return Path("/var/lib/ronde/jobs") if os.geteuid() == 0 else home / ".local/state/ronde/jobs"


def busybox_path(folder: Path) -> Path:
    """A folder of BusyBox's programs, for the front of PATH. Debian's has no flock: util-linux's serves."""
    folder.mkdir()
    names = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout
    for name in names.split():
        (folder / name).symlink_to("/usr/bin/busybox")
    return folder


@pytest.fixture(scope="module", params=["dash", "busybox"])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    directory = tmp_path_factory.mktemp(request.param)
    grounds = Grounds(directory)
    forced: list[str] = []
    if request.param == "busybox":
        path = busybox_path(directory / "bin")
        forced = [f'ForceCommand PATH={path}:$PATH; export PATH; exec sh -c "$SSH_ORIGINAL_COMMAND"']
    with grounds.server("srv", extra_config=forced) as server:
        grounds.hosts["srv"] = grounds.entry(server)
        made = Target(grounds, server.home, jobs_folder(server.home))
        yield made
    for job in made.used:
        shutil.rmtree(made.jobs / job, ignore_errors=True)
