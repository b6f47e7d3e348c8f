"""Our login key in the secret store, and what stands beside it while it is being replaced.

Beside the secret stand, each under the secret's reference with a word behind it: the new key until it is in force
(`.next`), the old one from then on until no host knows it any more (`.former`), and which hosts have which
(`.rotation`), which stays. Each change is one atomic write, in an order that may be cut off anywhere.
"""

from dataclasses import dataclass

from ronde.engine.redacting import KnownSecrets
from ronde.model.hostkeys import HostKey
from ronde.model.rotation import FORMER, NEXT, NOTES, Phase, Rotation, lacking, phase_of
from ronde.ports import KeyMaker


@dataclass(frozen=True, slots=True)
class Held:
    """The public keys of what is kept, as `TYPE BLOB`; None where nothing is."""

    current: str
    pending: str | None
    former: str | None

    @property
    def phase(self) -> Phase:
        return phase_of(self.current, self.pending, self.former)

    @property
    def new(self) -> str:
        """The key that every host is to have in the end."""
        return self.pending or self.current

    @property
    def old(self) -> str | None:
        """The key that goes; None when no rotation is under way."""
        return self.current if self.phase is Phase.ADDING else self.former


@dataclass(frozen=True, slots=True)
class KeySlots:
    """One secret with its slots. Methods that change something keep other workers out meanwhile.

    All raise SecretError when the store cannot be read or written, or what it holds is no key.
    """

    secrets: KnownSecrets
    keys: KeyMaker
    reference: str

    @property
    def next(self) -> str:
        """The reference of the new key, while it is not in force."""
        return self.reference + NEXT

    @property
    def former(self) -> str:
        """The reference of the old key, once it is no longer in force."""
        return self.reference + FORMER

    def look(self) -> Held:
        """What is kept, by public keys."""
        pending, former = self.secrets.find(self.next), self.secrets.find(self.former)
        return Held(
            self.keys.public_line(self.secrets.read(self.reference)),
            None if pending is None else self.keys.public_line(pending),
            None if former is None else self.keys.public_line(former),
        )

    def notes(self, held: Held) -> Rotation:
        """What is noted of the rotation under way."""
        return Rotation.decoded(self.secrets.note(self.reference + NOTES), fingerprint(held.new))

    def begin(self) -> Held:
        """Make the new key and keep it, unless one is under way already; nothing on any host knows it yet."""
        with self.secrets.exclusively(self.reference):
            held = self.look()
            if held.phase is Phase.NONE:
                self.secrets.replace(self.next, self.keys.make())
            return self.look()

    def proven(self, held: Held, host: str, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """Note that the new key opens a host, and promote it once it opens all of them.

        Returns:
            The hosts it is still to be proven on.
        """
        with self.secrets.exclusively(self.reference):
            if self.look() != held:
                return self._left(hosts)
            notes = self.notes(held).with_proven(host)
            self.secrets.keep_note(self.reference + NOTES, notes.encoded())
            left = lacking(hosts, notes.proven)
            if not left:
                self._promote()
            return left

    def _left(self, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """Whom a rotation that somebody else has moved on meanwhile still waits for."""
        held = self.look()
        return lacking(hosts, self.notes(held).proven) if held.phase is Phase.ADDING else ()

    def _promote(self) -> None:
        """The old key is kept first: at no moment is either of them in one place only that is about to be written."""
        pending = self.secrets.read(self.next)
        self.secrets.replace(self.former, self.secrets.read(self.reference))
        self.secrets.replace(self.reference, pending)
        self.secrets.remove(self.next)

    def cleaned(self, held: Held, host: str, hosts: tuple[str, ...], run: str) -> tuple[str, ...]:
        """Note that a host no longer knows the old key, and by which run; forget that key once none does.

        Returns:
            The hosts that still know it.
        """
        with self.secrets.exclusively(self.reference):
            now = self.look()
            if (now.phase, now.former) != (Phase.REMOVING, held.former):
                return ()  # it was forgotten meanwhile, on the word of another
            notes = self.notes(now).with_cleaned(host, run)
            self.secrets.keep_note(self.reference + NOTES, notes.encoded())
            left = lacking(hosts, notes.cleaned)
            if not left:
                for slot in (NEXT, FORMER):  # of the new key there may be a second copy, from a death in mid-promotion
                    self.secrets.remove(self.reference + slot)
            return left


def fingerprint(line: str) -> str:
    """`SHA256:…` of a public line."""
    return HostKey.parse(line).fingerprint
