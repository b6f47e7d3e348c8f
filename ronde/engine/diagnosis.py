"""What `ronde doctor` asks of every part of an installation, each question answered with what to do next."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from ronde.model.backup.thresholds import SKEW_FAILED, SKEW_WARNING
from ronde.model.check import Check
from ronde.model.errors import RondeError
from ronde.model.inventory import Client, Inventory
from ronde.model.records import Health
from ronde.model.verdict import Severity, Verdict

BEAT_SILENCE = timedelta(minutes=3)  # three roll calls
MAIL_DELAY = timedelta(hours=1)
QUEUE_DELAY = timedelta(minutes=5)
AT_ONCE = 16  # hosts and vCenters connected to at the same time; asking them is mostly waiting


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One question and its answer: `part` names what was looked at, `words` say what was found and what to do."""

    part: str
    verdict: Verdict
    words: str


@dataclass(frozen=True, slots=True)
class Probes:
    """The questions that need the outside world; each returns words for when all is well, and raises otherwise.

    `offset` is this machine's clock minus the ledger's, by which leases and due instants are judged.
    """

    inventory: Callable[[], Inventory]
    ledger: Callable[[], str]
    offset: Callable[[], timedelta]
    health: Callable[[], Health]
    broker: Callable[[], list[Diagnosis]]
    relay: Callable[[], str]
    secret: Callable[[str], object]
    host: Callable[[Client, str], Check]
    vcenter: Callable[[Client, str], str]


def diagnose(probes: Probes, now: datetime, *, hosts: bool) -> Iterator[Diagnosis]:
    """Every answer, as soon as it is known; with `hosts`, also each host's key, login and clock."""
    yield _ask("ledger", probes.ledger)
    yield _clock(probes)
    yield from _broker(probes)
    yield from _processes(probes, now)
    yield _ask("mail relay", probes.relay)
    try:
        inventory = probes.inventory()
    except RondeError as error:
        yield Diagnosis("inventory", Verdict.FAILED, str(error))
        return
    count = sum(len(client.hosts) for client in inventory.clients.values())
    yield Diagnosis("inventory", Verdict.OK, f"{_counted(len(inventory.clients), 'client')}, {_counted(count, 'host')}")
    for client in inventory.clients.values():
        yield from _secrets(probes, client)
    if hosts:
        yield from _targets(probes, inventory)
        return
    for client in inventory.clients.values():
        yield from _pins(client)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def process_answers(health: Health, now: datetime) -> Iterator[Diagnosis]:
    """Beat, workers by queue, and what has been waiting for too long."""
    beats = [name for name, seen in health.beats.items() if now - seen < BEAT_SILENCE]
    last = health.last_roll_call
    if beats:
        yield Diagnosis("beat", Verdict.OK, f"{len(beats)} alive")
    else:
        words = "never seen" if last is None else f"silent since {last:%d %b %H:%M} UTC"
        yield Diagnosis("beat", Verdict.FAILED, f"{words}; nothing is scheduled. Start `ronde up` or the beat unit.")
    queues = _fresh_queues(health, now)
    for queue in ("control", "work"):
        alive = queues.get(queue, 0)
        verdict = Verdict.OK if alive else Verdict.FAILED
        yield Diagnosis(
            f"workers on {queue}", verdict, f"{alive} alive" if alive else "none. Start `ronde up` or the unit."
        )
    yield _waiting("oldest queued job", health.oldest_queued_s, QUEUE_DELAY)
    yield _waiting("oldest unsent mail", health.oldest_unsent_s, MAIL_DELAY)
    if health.overdue_leases:
        yield Diagnosis("leases", Verdict.WARNING, f"{health.overdue_leases} ran out and wait for the roll call")


def _fresh_queues(health: Health, now: datetime) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for seen, queues in health.workers.values():
        if now - seen < BEAT_SILENCE:
            for queue in queues:
                counts[queue] = counts.get(queue, 0) + 1
    return counts


def _waiting(part: str, seconds: float | None, limit: timedelta) -> Diagnosis:
    if seconds is None:
        return Diagnosis(part, Verdict.OK, "none")
    late = seconds > limit.total_seconds()
    return Diagnosis(part, Verdict.WARNING if late else Verdict.OK, f"waiting for {seconds:.0f} s")


def _ask(part: str, question: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(part, Verdict.OK, question())
    except RondeError as error:
        return Diagnosis(part, Verdict.FAILED, str(error))


def _clock(probes: Probes) -> Diagnosis:
    """This machine's clock against the ledger's, by the rule that clients' hosts are held to."""
    try:
        offset = probes.offset()
    except RondeError as error:
        return Diagnosis("clock", Verdict.UNKNOWN, str(error))
    off = abs(offset)
    words = f"{off.total_seconds():.1f} s {'ahead of' if offset > timedelta(0) else 'behind'} the ledger's"
    if off <= SKEW_WARNING:
        return Diagnosis("clock", Verdict.OK, words if off.total_seconds() >= 1 else "agrees with the ledger's")
    return Diagnosis("clock", Verdict.FAILED if off > SKEW_FAILED else Verdict.WARNING, f"{words}; is NTP running?")


def _broker(probes: Probes) -> Iterator[Diagnosis]:
    try:
        yield from probes.broker()
    except RondeError as error:
        yield Diagnosis("broker", Verdict.FAILED, str(error))


def _processes(probes: Probes, now: datetime) -> Iterator[Diagnosis]:
    try:
        health = probes.health()
    except RondeError as error:
        yield Diagnosis("processes", Verdict.UNKNOWN, str(error))
        return
    yield from process_answers(health, now)


def _secrets(probes: Probes, client: Client) -> Iterator[Diagnosis]:
    references = dict.fromkeys(
        [host.key for host in client.hosts.values()]
        + [b.password for host in client.hosts.values() for b in host.backups if b.tool != "dump" and b.password]
        + [vcenter.password for vcenter in client.vcenters.values()]
    )
    bad = []
    for reference in references:
        try:
            probes.secret(reference)
        except RondeError as error:
            bad.append(str(error))
    part = f"{client.client} · secrets"
    if bad:
        yield Diagnosis(part, Verdict.FAILED, "; ".join(bad))
    else:
        yield Diagnosis(part, Verdict.OK, f"{len(references)} readable")


def _pins(client: Client) -> Iterator[Diagnosis]:
    for name, host in client.hosts.items():
        if not host.host_key:
            words = f"no host key is pinned; it will be refused. ronde host enrol {name} --client {client.client}"
            yield Diagnosis(f"{client.client} · {name}", Verdict.FAILED, words)


def _targets(probes: Probes, inventory: Inventory) -> Iterator[Diagnosis]:
    """Every host and vCenter, several at once and told in the inventory's order: a dead one costs its time limit."""
    clients = inventory.clients.values()
    asked: list[Callable[[], Diagnosis]] = [partial(_host, probes, one, name) for one in clients for name in one.hosts]
    asked += [partial(_vcenter, probes, one, name) for one in clients for name in one.vcenters]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="doctor") as pool:
        yield from pool.map(lambda question: question(), asked)


def _host(probes: Probes, client: Client, name: str) -> Diagnosis:
    part = f"{client.client} · {name}"
    try:
        check = probes.host(client, name)
    except RondeError as error:
        return Diagnosis(part, Verdict.FAILED if error.permanent else Verdict.UNKNOWN, str(error))
    told = [item.message for item in check.findings if item.severity is not Severity.INFO]
    return Diagnosis(part, check.verdict, "; ".join(told) or "key, login and clock are right")


def _vcenter(probes: Probes, client: Client, name: str) -> Diagnosis:
    part = f"{client.client} · {name}"
    try:
        return Diagnosis(part, Verdict.OK, probes.vcenter(client, name))
    except RondeError as error:
        return Diagnosis(part, Verdict.FAILED if error.permanent else Verdict.UNKNOWN, str(error))
