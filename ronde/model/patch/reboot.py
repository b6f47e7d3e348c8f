"""Whether a host must be rebooted for what was installed to take effect: one answer from several signals.

No single signal can be trusted: a marker file is only there if something on the host writes it, needrestart does not
know every kernel, and a container's kernel is its host's. Each signal therefore has three values, and a "no" only
counts where that signal could have said "yes".
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signal:
    """One source's word.

    Attributes:
        name: the source: `marker`, `needrestart`, `kernel`, `services`.
        needed: True, False, or None when the source cannot tell.
        reason: one sentence with the figures in it.
        evidence: what was read, in a line (`running 6.1.0-31-amd64, newest 6.1.0-35-amd64`).
        settles: whether its "no" is an answer by itself. The absence of a marker file that nothing would have written
            is none.
    """

    name: str
    needed: bool | None
    reason: str
    evidence: str = ""
    settles: bool = True


@dataclass(frozen=True, slots=True)
class Reboot:
    """The answer: `needed` True, False or None (cannot be told), the reason, and every signal behind it."""

    needed: bool | None
    reason: str
    signals: tuple[Signal, ...] = ()


def reboot_needed(signals: Iterable[Signal]) -> Reboot:
    """Any signal that says yes decides; a no needs one that settles it; a signal that cannot tell falls through."""
    said = tuple(signals)
    yes = [signal for signal in said if signal.needed]
    if yes:
        return Reboot(needed=True, reason=" ".join(signal.reason for signal in yes), signals=said)
    no = [signal for signal in said if signal.needed is False and signal.settles]
    if no:
        return Reboot(needed=False, reason=no[0].reason, signals=said)
    told = " ".join(signal.reason for signal in said if signal.needed is None)
    return Reboot(needed=None, reason=told or "No source could tell.", signals=said)
