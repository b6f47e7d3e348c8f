"""Hosts that let in whoever holds a key of theirs: what `rotate_key` works on, with a fuse that ends it anywhere.

A host is its authorized_keys; a connection is opened with the secret that the inventory names at that moment, and
refused when its public key is in no line. The fuse is looked at before and after everything that leaves a trace.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from ronde.engine.ordering import Request, planned
from ronde.engine.parts import Engine
from ronde.engine.work import work
from ronde.facts.authorized_keys import LOOK, REPLACE
from ronde.model.authorized_keys import holds
from ronde.model.check import Check
from ronde.model.command import Answer, Command
from ronde.model.errors import AuthRefused, ConnectionLost, LedgerError
from ronde.model.inventory import Client
from ronde.model.procedure import StepRecord
from ronde.model.records import JobRecord
from ronde.ports import Claim, Listener, Secrets, Shell, Signal
from tests.doubles.engine import SCOPE, Surroundings
from tests.doubles.secrets import NumberedKeys, ScriptedSecrets


class Killed(BaseException):
    """The worker dies here: no handler runs, nothing more is recorded."""


@dataclass
class Fuse:
    """Burns down with each trace that is left; `watch` is called at each, also when nothing goes wrong.

    Attributes:
        left: traces until it goes off; None for never.
        how: what it raises then.
    """

    left: int | None = None
    how: Callable[[], BaseException] = Killed
    watch: Callable[[], None] = lambda: None

    def burn(self) -> None:
        self.watch()
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise self.how()


class FusedSecrets(ScriptedSecrets):
    """A store whose every write may be the last thing that happens; `written` is all that was ever stored."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.fuse = fuse
        self.written: list[tuple[str, bytes]] = []

    def replace(self, reference: str, content: bytes) -> None:
        self._deadly()
        super().replace(reference, content)
        self.written.append((reference, content))
        self._deadly()

    def remove(self, reference: str) -> None:
        self._deadly()
        super().remove(reference)
        self._deadly()

    def _deadly(self) -> None:
        """A link that breaks does not touch our own disk: only a death can come between these."""
        try:
            self.fuse.burn()
        except ConnectionLost as lost:
            raise Killed from lost


@dataclass
class KeyHosts:
    """Shells onto hosts in memory.

    Attributes:
        files: authorized_keys by host.
        opened: (host, secret's reference, let in) of every connection asked for.
        asked: every command that was run.
        refusing: hosts that let nobody in with a key of these.
    """

    secrets: Secrets
    keys: NumberedKeys
    fuse: Fuse
    files: dict[str, str] = field(default_factory=dict)
    opened: list[tuple[str, str, bool]] = field(default_factory=list)
    asked: list[Command] = field(default_factory=list)
    refusing: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def lets_in(self, host: str, private: bytes) -> bool:
        line = self.keys.public_line(private)
        return holds(self.files[host], line) and line not in self.refusing.get(host, frozenset())

    @contextmanager
    def open(self, client: Client, host: str, signal: Signal) -> Iterator[Shell]:
        signal.check()
        self.fuse.burn()
        reference = client.hosts[host].key
        let_in = self.lets_in(host, self.secrets.read(reference))
        self.opened.append((host, reference, let_in))
        if not let_in:
            raise AuthRefused(f"{host}: could not log in.")
        yield KeyShell(self, host)

    def put(self, host: str, command: Command) -> str:
        """What the script of the same name does, all at once; why not, otherwise."""
        _, before, after = command.argv[-3:]
        if sha256(command.stdin).hexdigest() != after or digest(self.files[host]) != before:
            return "not so"
        self.files[host] = command.stdin.decode("utf-8", "surrogateescape")
        return ""


@dataclass
class KeyShell:
    hosts: KeyHosts
    host: str

    def run(self, command: Command, listen: Listener | None = None) -> Answer:
        self.hosts.asked.append(command)
        self.hosts.fuse.burn()
        status, out = self._answer(command)
        self.hosts.fuse.burn()
        now = datetime.now(UTC)
        return Answer(command, status, out, b"", now, now)

    def close(self) -> None:
        return

    def _answer(self, command: Command) -> tuple[int, bytes]:
        if command.argv == ("true",):
            return 0, b""
        script, name = command.argv[2], command.argv[4]
        if script == LOOK:
            text = self.hosts.files[self.host]
            content = text.encode("utf-8", "surrogateescape")
            return 0, b"absent\n" if name != "authorized_keys" else digest(text).encode() + b"\n" + content
        assert script == REPLACE, command.display
        why = self.hosts.put(self.host, command)
        return (1, why.encode()) if why else (0, b"")


def fuse_ledger(around: Surroundings, fuse: Fuse) -> None:
    """A worker may die before and after each word to the ledger, which may also be away."""
    kept = around.ledger.keep_step

    def keep_step(claim: Claim, record: StepRecord, now: datetime, check: Check | None = None) -> bool:
        try:
            fuse.burn()
        except ConnectionLost as lost:
            raise LedgerError("the ledger is locked") from lost
        stored = kept(claim, record, now, check)
        try:
            fuse.burn()
        except ConnectionLost as lost:
            raise Killed from lost
        return stored

    around.ledger.keep_step = keep_step  # type: ignore[method-assign]  # a fuse around the real one


def carried_through(around: Surroundings, engine: Engine, request: Request) -> list[JobRecord]:
    """Order it, and go on until every job has ended, whatever dies meanwhile."""
    ledger, hands = around.ledger, around.hands
    run = ledger.create_run(planned(engine, request), hands.now())
    for _ in range(60):
        jobs = list(ledger.run(SCOPE, run).jobs)
        if all(job.finished_at for job in jobs):
            return jobs
        for hint in ledger.to_send(hands.now(), resend_after=60, run=run):
            with suppress(Killed):
                work(engine, hint)
        hands.move(61)
        ledger.reap(hands.now())
    raise AssertionError(f"it does not end: {jobs}")


def digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
