"""The named faults: what each does, what it does it to unless told otherwise, and what Ronde must then conclude."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from lab import damage
from lab.errors import LabError
from lab.mail import Behaviour, MailSink
from lab.mute import MuteListener
from lab.parts import MAIL, Parts, Server
from lab.spare import Spare
from lab.vcenter import VCenterServer

Inflict = Callable[[Parts, str, Spare, datetime], None]
Heal = Callable[[Parts, str, datetime], None]

_SLOW = 'ForceCommand sleep 1; exec "$SHELL" -c "$SSH_ORIGINAL_COMMAND"'
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Expectation:
    """What Ronde says about one subject while a fault is in place.

    Attributes:
        fault: the name to give to `break`.
        target: the host or vCenter; `subject` the backup or machine, empty for everything on the target.
        verdict: `ok`, `warning`, `failed`, `unknown`.
        rule: what the identifier of a finding, or of the job's error, contains; empty when none speaks.
    """

    fault: str
    client: str
    target: str
    subject: str
    verdict: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. It is inflicted on a backup, host, vCenter, machine or relay: `default`, unless another is named.

    What `inflict` put aside is put back first when it is mended; `heal` undoes what is not a matter of files.
    """

    name: str
    summary: str
    default: str
    inflict: Inflict
    heal: Heal = lambda _parts, _target, _now: None


def _server(parts: Parts, name: str) -> Server:
    if name not in parts.servers:
        raise LabError(f'this lab has no host "{name}"')
    return parts.servers[name]


def _vcenter(parts: Parts) -> VCenterServer:
    if parts.vcenter is None:
        raise LabError("this lab has no vCenter")
    return parts.vcenter


def _mail(parts: Parts) -> MailSink:
    if parts.mail is None:
        raise LabError("this lab has no mail relay")
    return parts.mail


def _mute(parts: Parts, name: str) -> MuteListener:
    server = _server(parts, name)
    return MuteListener(server.directory, server.address, server.port, parts.directory)


def _host_down(parts: Parts, name: str, _spare: Spare, _now: datetime) -> None:
    _server(parts, name).stop()


def _host_up(parts: Parts, name: str, _now: datetime) -> None:
    _server(parts, name).start()


def _wrong_host_key(parts: Parts, name: str, _spare: Spare, _now: datetime) -> None:
    server = _server(parts, name)
    server.stop()
    server.replace_host_keys()
    server.start()


def _right_host_key(parts: Parts, name: str, _now: datetime) -> None:
    server = _server(parts, name)
    server.stop()
    server.restore_host_keys()
    server.start()


def _slow_host(parts: Parts, name: str, _spare: Spare, _now: datetime) -> None:
    server = _server(parts, name)
    server.extra_config = [_SLOW]
    server.restart()


def _quick_host(parts: Parts, name: str, _now: datetime) -> None:
    server = _server(parts, name)
    server.extra_config = []
    server.restart()


def _mute_host(parts: Parts, name: str, _spare: Spare, _now: datetime) -> None:
    _server(parts, name).stop()
    _mute(parts, name).start()


def _talking_host(parts: Parts, name: str, _now: datetime) -> None:
    _mute(parts, name).stop()
    _server(parts, name).start()


def _old_snapshot(parts: Parts, machine: str, _spare: Spare, _now: datetime) -> None:
    _vcenter(parts).add_snapshot(machine, "avant maj", timedelta(days=9), size=38 * _GIB)


_CHAIN_DEPTH = 17  # half of the 32 that vSphere supports, and one (Broadcom KB 318825)


def _deep_chain(parts: Parts, machine: str, _spare: Spare, _now: datetime) -> None:
    _vcenter(parts).deep_chain(machine, _CHAIN_DEPTH)


def _without_snapshots(parts: Parts, machine: str, _now: datetime) -> None:
    _vcenter(parts).drop_snapshots(machine)


def _consolidation_needed(parts: Parts, machine: str, _spare: Spare, _now: datetime) -> None:
    _vcenter(parts).consolidation_needed(machine)


def _consolidated(parts: Parts, machine: str, _now: datetime) -> None:
    _vcenter(parts).consolidation_needed(machine, needed=False)


def _uncovered_vm(parts: Parts, machine: str, _spare: Spare, _now: datetime) -> None:
    _vcenter(parts).add_vm(machine)


def _without_vm(parts: Parts, machine: str, _now: datetime) -> None:
    if machine in _vcenter(parts).machines():
        _vcenter(parts).remove_vm(machine)


def _vcenter_down(parts: Parts, _name: str, _spare: Spare, _now: datetime) -> None:
    _vcenter(parts).stop()


def _vcenter_up(parts: Parts, _name: str, _now: datetime) -> None:
    _vcenter(parts).start()


def _session_expired(parts: Parts, _name: str, _spare: Spare, _now: datetime) -> None:
    # One look at the properties in mid-check meets an ended session, as after a restart of the service.
    _vcenter(parts).fault("RetrievePropertiesEx", "NotAuthenticated", times=1)


def _vcenter_mute(parts: Parts, _name: str, _spare: Spare, _now: datetime) -> None:
    _vcenter(parts).mute()


def _vcenter_mended(parts: Parts, _name: str, _now: datetime) -> None:
    _vcenter(parts).mend()


def _mail_down(parts: Parts, _name: str, _spare: Spare, _now: datetime) -> None:
    _mail(parts).stop()


def _mail_up(parts: Parts, _name: str, _now: datetime) -> None:
    _mail(parts).behave("accept")
    _mail(parts).start()


def _mail_behaves(how: Behaviour) -> Inflict:
    def inflict(parts: Parts, _name: str, _spare: Spare, _now: datetime) -> None:
        _mail(parts).behave(how)

    return inflict


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("stale-backup", "the last three nights lack", "deliberations", damage.stale_backup, damage.back_up_again),
        Fault("corrupted-pack", "a byte of a restic pack is flipped", "documents", damage.corrupted_pack),
        Fault("corrupted-segment", "a byte of a borg segment is flipped", "pedagogie", damage.corrupted_segment),
        Fault("shrunken-dump", "the newest dump is complete but tiny", "mairie-db", damage.shrunken_dump),
        Fault("truncated-dump", "the newest dump is cut off", "paie", damage.truncated_dump),
        Fault("stale-lock", "a killed backup left its lock", "partages", damage.stale_lock),
        Fault("foreign-lock", "a server that is gone left a borg lock", "compta", damage.stale_lock),
        Fault(
            "missing-path", "the newest backup lacks a source folder", "site", damage.missing_path, damage.back_up_again
        ),
        Fault("host-down", "nothing listens", "srv-cantine", _host_down, _host_up),
        Fault("wrong-host-key", "the host shows another key", "srv-biblio", _wrong_host_key, _right_host_key),
        Fault("slow-host", "every command starts a second late", "srv-archives", _slow_host, _quick_host),
        Fault("mute-host", "it accepts and never says a word", "srv-labo", _mute_host, _talking_host),
        Fault("old-snapshot", "a snapshot of nine days and 38 GiB", "GED", _old_snapshot, _without_snapshots),
        Fault("deep-chain", "seventeen snapshots on top of each other", "srv-compta", _deep_chain, _without_snapshots),
        Fault("consolidation-needed", "disks to consolidate", "srv-archives", _consolidation_needed, _consolidated),
        Fault("uncovered-vm", "a machine that nobody backs up", "srv-oublie", _uncovered_vm, _without_vm),
        Fault("vcenter-down", "nothing listens", "vc1", _vcenter_down, _vcenter_up),
        Fault("vcenter-session-expired", "a session ends in mid-check", "vc1", _session_expired, _vcenter_mended),
        Fault("vcenter-mute", "it accepts and never says a word", "vc1", _vcenter_mute, _vcenter_mended),
        Fault("mail-down", "nothing listens", MAIL, _mail_down, _mail_up),
        Fault("mail-defers", "it answers 451 to every message", MAIL, _mail_behaves("defer"), _mail_up),
        Fault("mail-refuses", "it answers 554 to every message", MAIL, _mail_behaves("refuse"), _mail_up),
        Fault("mail-drops", "it keeps messages but never says so", MAIL, _mail_behaves("drop-after-data"), _mail_up),
    )
}

_COMMUNE = "commune-exemple"
_ECOLE = "ecole-modele"

DEMO_FAULTS = (
    Expectation("stale-backup", _COMMUNE, "srv-archives", "deliberations", "failed", "backup-too-old"),
    Expectation("corrupted-pack", _COMMUNE, "srv-fichiers", "documents", "failed", "backup-corrupt"),
    Expectation("corrupted-segment", _ECOLE, "srv-ecole", "pedagogie", "failed", "backup-corrupt"),
    Expectation("shrunken-dump", _COMMUNE, "srv-compta", "mairie-db", "failed", "backup-shrunken"),
    Expectation("truncated-dump", _COMMUNE, "srv-compta", "paie", "failed", "backup-corrupt"),
    Expectation("stale-lock", _COMMUNE, "srv-fichiers", "partages", "warning", "backup-stale-lock"),
    Expectation("foreign-lock", _COMMUNE, "srv-compta", "compta", "warning", "backup-stale-lock"),
    Expectation("missing-path", _ECOLE, "srv-web", "site", "failed", "backup-missing-path"),
    Expectation("host-down", _ECOLE, "srv-cantine", "", "unknown", "unreachable"),
    Expectation("wrong-host-key", _ECOLE, "srv-biblio", "", "unknown", "host-key-changed"),
    Expectation("slow-host", _COMMUNE, "srv-archives", "etat-civil", "ok"),
    Expectation("mute-host", _ECOLE, "srv-labo", "", "unknown", "unreachable"),
    Expectation("old-snapshot", _COMMUNE, "vc1", "GED", "failed", "snap-age"),
    Expectation("deep-chain", _COMMUNE, "vc1", "srv-compta", "failed", "snap-depth"),
    Expectation("consolidation-needed", _COMMUNE, "vc1", "srv-archives", "failed", "consolidation-needed"),
    Expectation("uncovered-vm", _COMMUNE, "vc1", "srv-oublie", "warning", "vm-uncovered"),
    Expectation("vcenter-session-expired", _COMMUNE, "vc1", "vc1", "ok"),
)
"""The faults of the demo's night, all at once, and what must come of each. Everything not named here is healthy."""


def known_fault(name: str) -> Fault:
    """The fault of that name.

    Raises:
        LabError: there is none.
    """
    if name not in FAULTS:
        raise LabError(f'"{name}" is not a fault of the lab; it knows {", ".join(FAULTS)}')
    return FAULTS[name]
