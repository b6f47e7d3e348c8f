"""`rotate_key`: the key with which we log in, replaced so that at every moment the one in force opens every host.

The new key is kept before any host hears of it, allowed beside the old one, and proven on a second connection. It is
promoted once it has opened every host that shares the secret; then each host, on its own run, loses the old one. What
is interrupted is taken up from the secret store and the host, which both tell how far it came.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ronde.engine.procedure.key_files import KeyFiles
from ronde.engine.procedure.key_slots import Held, KeySlots, fingerprint
from ronde.engine.procedure.result import Result, done, failed, failed_by
from ronde.engine.procedure.stage import Stage, exchange_of
from ronde.facts.authorized_keys import KeyFile
from ronde.facts.reading import Unreadable
from ronde.model.authorized_keys import with_key, without_key
from ronde.model.check import Exchange, Finding, Json
from ronde.model.command import Command
from ronde.model.errors import AuthRefused, SecretError
from ronde.model.inventory import Host
from ronde.model.rotation import Phase, lacking, objection, sharing, twins
from ronde.model.verdict import Severity

_HARMLESS: Final = ("true",)
_TIMEOUT: Final = 30.0  # seconds that it may take


def rotate_key(stage: Stage) -> Result:
    """Go on with the replacing of the key, as far as it can be gone on this host today.

    Raises:
        RemoteError: the host is away; another attempt takes it up.
    """
    rotating = Rotating.of(stage)
    try:
        if (why := rotating.why_not()) is not None:
            return failed(why)
        return rotating.go_on()
    except (SecretError, Unreadable) as error:
        changed = bool(stage.record.journal.get("written"))
        if isinstance(error, SecretError):
            return replace(failed_by(error), changed=changed)
        return failed(str(error), changed=changed)


@dataclass(frozen=True, slots=True)
class Rotating:
    """The replacing of one key, as seen from one host.

    Attributes:
        hosts: all that share the secret, this one among them.
    """

    stage: Stage
    slots: KeySlots
    files: KeyFiles
    hosts: tuple[str, ...]

    @classmethod
    def of(cls, stage: Stage) -> "Rotating":
        engine, client = stage.job.engine, stage.job.client
        reference = client.hosts[stage.job.target.name].key
        slots = KeySlots(engine.secrets, engine.keys, reference)
        return cls(stage, slots, KeyFiles(stage), sharing(client, reference))

    @property
    def host(self) -> str:
        return self.stage.job.target.name

    @property
    def _run(self) -> str:
        return self.stage.job.claim.run

    @property
    def _entry(self) -> Host:
        return self.stage.job.client.hosts[self.host]

    @property
    def _comment(self) -> str:
        """What is written behind the key: one line, whatever a parameter holds."""
        words = " ".join(self.stage.text("comment").split())
        return "".join(letter for letter in words if letter.isprintable())

    def why_not(self) -> str | None:
        """Why this key is not replaced; None when nothing stands against it.

        Raises:
            SecretError: the store cannot write it.
        """
        job, reference = self.stage.job, self.slots.reference
        inventory = job.engine.inventories.current()
        if (why := objection(inventory, job.client, reference)) is not None:
            return why
        self.slots.secrets.require_writable(reference)
        ours = self.slots.look().current
        for name, other in twins(job.client, reference):
            if job.engine.keys.public_line(job.engine.secrets.read(other)) == ours:
                return f"{other}, by which {name} is reached, is the same key for the same account; use one reference"
        return self._elsewhere()

    def _elsewhere(self) -> str | None:
        """Workers on other machines read other folders, and would be locked out, unless somebody knows better."""
        if self.stage.text("shared_secrets") == "true":
            return None
        engine = self.stage.job.engine
        here = engine.worker.partition(":")[0]
        machines = {worker.partition(":")[0] for worker in engine.ledger.health(engine.clock.now()).workers} - {here}
        if not machines:
            return None
        where = ", ".join(sorted(machines))
        return f"workers on {where} read their own secrets; say shared_secrets when that is the same folder"

    def go_on(self) -> Result:
        """From wherever it stands to wherever it can be brought."""
        held = self.slots.look()
        if held.phase is Phase.NONE:
            if self._is_new(held):
                return self._finished(held.current)
            held = self.slots.begin()
        self.stage.keep(new=fingerprint(held.new), old=fingerprint(held.old or held.new))
        if held.phase is Phase.ADDING:
            refusal = self._add(held)
            if refusal is not None:
                return refusal
            if left := self.slots.proven(held, self.host, self.hosts):
                return self._waits(held, left)
            held = self.slots.look()
        return self._take_away(held) if held.former is not None else self._finished(held.current)

    def _is_new(self, held: Held) -> bool:
        """Whether the key in force came of this run: of another of its jobs, or an attempt that could not say so."""
        ours = self.stage.record.journal.get("new") == fingerprint(held.current)
        return ours or self.slots.notes(held).run == self._run

    def _add(self, held: Held) -> Result | None:
        """Allow the new key beside the old one and prove it; the result when that is not possible."""
        written = []
        files = self.files.holding(held.current, held.new)
        for file in files:
            text = with_key(file.text, held.current, held.new, self._comment)
            if text != file.text:
                self.stage.say(f"~/.ssh/{file.name}: allowing {fingerprint(held.new)}")
                written.append((file, self.files.write(file, text)))
        if self.opens(self.slots.next):
            return None
        if not files:
            return failed("our key is in no file of ~/.ssh: what lets us in is kept elsewhere and is changed by hand")
        self._put_back(written)
        back = "; it was taken out again" if written else ""
        return failed(f"the host refuses the new key {fingerprint(held.new)}{back}: the old one stays in force")

    def _take_away(self, held: Held) -> Result:
        """Take the old key away, proving before and after that the one in force opens the host."""
        assert held.former is not None  # noqa: S101 - the caller has looked
        if not self.opens(self.slots.reference):
            return failed(f"the host refuses the key in force, {fingerprint(held.current)}: nothing was taken away")
        written = []
        for file in self.files.holding(held.former):
            self.stage.say(f"~/.ssh/{file.name}: taking away {fingerprint(held.former)}")
            written.append((file, self.files.write(file, without_key(file.text, held.former))))
        if not self.opens(self.slots.reference):
            self._put_back(written)
            return failed("the host refused the key in force once the old one was gone: it was put back")
        if self.opens(self.slots.former):
            words = f"the old key {fingerprint(held.former)} still opens the host: it is allowed elsewhere"
            return failed(words, changed=self._written)
        if self._entry.via is not None and not self.opens(self.slots.reference):
            words = "the way to the host was barred meanwhile: that it refuses the old key is not proven"
            return failed(words, changed=self._written)
        left = self.slots.cleaned(held, self.host, self.hosts, self._run)
        return self._left(held, left) if left else self._finished(held.current)

    def _put_back(self, written: Sequence[tuple[KeyFile, KeyFile]]) -> None:
        """Undo, over the connection that is still open, what was written: (before, after) of each file."""
        for before, after in written:
            self.files.write(after, before.text)

    def opens(self, reference: str) -> bool:
        """Whether a second connection with that key is let in, and runs a command.

        Raises:
            RemoteError: the host could not be asked, which proves nothing.
        """
        job = self.stage.job
        entry = self._entry.model_copy(update={"key": reference})
        client = job.client.model_copy(update={"hosts": {**job.client.hosts, self.host: entry}})
        line = job.engine.keys.public_line(job.engine.secrets.read(reference))
        question, started = f"log in with {fingerprint(line)}", job.engine.clock.now()
        try:
            with job.engine.shells.open(client, self.host, job.signal) as shell:
                answer = shell.run(Command(_HARMLESS, timeout=_TIMEOUT))
        except AuthRefused as error:
            said = str(error).encode()
            self.stage.asked.append(Exchange(question, started, job.engine.clock.now(), None, b"", said))
            return False
        self.stage.asked.append(exchange_of(answer, question))
        return answer.exit_status == 0

    def _waits(self, held: Held, left: tuple[str, ...]) -> Result:
        proven = len(self.hosts) - len(left)
        words = f"new key proven on {proven} of {len(self.hosts)} hosts; the old one stays until {_names(left)} have it"
        return self._open(held, words, left)

    def _left(self, held: Held, left: tuple[str, ...]) -> Result:
        words = (
            f"the new key is in force and the old one gone here; {_names(left)} still know it until they are rotated"
        )
        return self._open(held, words, left)

    def _open(self, held: Held, words: str, left: tuple[str, ...]) -> Result:
        evidence: dict[str, Json] = {"hosts": list(left)}
        finding = Finding("key-rotation-open", Severity.WARNING, f"{words}: run this again there", evidence)
        result = done(words, changed=self._written, facts=self._facts(held.new, left))
        return replace(result, findings=(finding,))

    def _finished(self, current: str) -> Result:
        words = f"{fingerprint(current)} is in force on {_names(self.hosts)}; the old key is refused and forgotten"
        return done(words, changed=True, facts=self._facts(current, ()))

    @property
    def _written(self) -> bool:
        return bool(self.stage.record.journal.get("written"))

    def _facts(self, new: str, left: tuple[str, ...]) -> dict[str, Json]:
        journal = self.stage.record.journal
        return {
            "new": fingerprint(new),
            "old": journal.get("old"),
            "hosts": list(self.hosts),
            "left": list(left),
            "complete": not left,
        }


def foretold(stage: Stage) -> tuple[bool, str]:
    """Whether `rotate_key` would act now, and in words on what, or why not; only looks."""
    rotating = Rotating.of(stage)
    try:
        if (why := rotating.why_not()) is not None:
            return False, why
        held = rotating.slots.look()
        if not rotating.files.holding(held.current, held.new):
            return False, "our key is in no file of ~/.ssh"
        return True, _words(rotating, held)
    except (SecretError, Unreadable) as error:
        return False, str(error)


def _words(rotating: Rotating, held: Held) -> str:
    notes, here = rotating.slots.notes(held), {rotating.host}
    if held.phase is Phase.REMOVING:
        left = lacking(rotating.hosts, notes.cleaned | here)
        then = f"; {_names(left)} still know it then" if left else ", and forgets it: no other host knows it"
        return f"{fingerprint(held.current)} is in force; this takes the old key away here{then}"
    left = lacking(rotating.hosts, notes.proven | here)
    then = f"the old one stays until {_names(left)} have it" if left else "then takes the old one away"
    return f"{fingerprint(held.current)} opens {_names(rotating.hosts)}; this adds a new key here, {then}"


def _names(hosts: tuple[str, ...]) -> str:
    *head, last = hosts
    return f"{', '.join(head)} and {last}" if head else last
