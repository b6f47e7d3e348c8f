"""Rules about the snapshots themselves: their age, number, depth, origin."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ronde.model.check import Finding, Json
from ronde.model.verdict import Severity
from ronde.model.vsphere.history import off_since
from ronde.model.vsphere.layout import NO_MEMORY
from ronde.model.vsphere.machine import POWERED_OFF, SnapshotNode
from ronde.model.vsphere.marker import claims_to_be_ours
from ronde.model.vsphere.marks import is_consolidate_helper, made_by_backup
from ronde.model.vsphere.rules.subject import CLOCK_TOLERANCE, Subject, unknown
from ronde.model.vsphere.words import span

_MOST_SHOWN = 10


def _listed(subject: Subject, nodes: Sequence[SnapshotNode]) -> Json:
    """The first snapshots of a list as evidence."""
    return [
        {
            "id": node.id, "name": node.name, "created": node.created.isoformat(),
            "age_s": int(subject.age(node).total_seconds()),
        }
        for node in nodes[:_MOST_SHOWN]
    ]  # fmt: skip


def _oldest_first(nodes: Sequence[SnapshotNode]) -> list[SnapshotNode]:
    return sorted(nodes, key=lambda node: node.created)


def snapshot_age(subject: Subject) -> Iterator[Finding]:
    nodes = _oldest_first(subject.machine.snapshots)
    future = [node for node in nodes if subject.age(node) < -CLOCK_TOLERANCE]
    if future:
        yield unknown(
            "snap-age",
            f'Snapshot "{future[0].name}" is dated in the future: clocks differ, and its age is not known.',
            {"snapshots": _listed(subject, future)},
        )
    if nodes:
        oldest = nodes[0]
        limit = subject.scene.thresholds["snap-age"]
        seconds = subject.age(oldest).total_seconds()
        old = [node for node in nodes if limit.severity(subject.age(node).total_seconds())]
        others = f" and {len(old) - 1} more" if len(old) > 1 else ""
        text = f'Snapshot "{oldest.name}"{others} is {span(subject.age(oldest))} old; the limit is {{limit}}.'
        yield from subject.graded("snap-age", seconds, text, {"snapshots": _listed(subject, old), "count": len(old)})


def snapshot_count(subject: Subject) -> Iterator[Finding]:
    count = len(subject.machine.snapshots)
    yield from subject.graded("snap-count", count, f"The machine has {count} snapshots; the limit is {{limit}}.", {})


def snapshot_depth(subject: Subject) -> Iterator[Finding]:
    depth = subject.machine.depth
    text = f"The snapshots stand {depth} deep on each other; the limit is {{limit}}, and vSphere refuses more than 32."
    yield from subject.graded("snap-depth", depth, text, {})


def backup_leftover(subject: Subject) -> Iterator[Finding]:
    nodes = [node for node in subject.machine.snapshots if made_by_backup(node.name)]
    left = _oldest_first([node for node in nodes if not is_consolidate_helper(node.name)])
    if left:
        age = subject.age(left[0])
        text = f'A backup has left its snapshot "{left[0].name}" behind, {span(age)} ago; the limit is {{limit}}.'
        yield from subject.graded("backup-leftover", age.total_seconds(), text, {"snapshots": _listed(subject, left)})


def consolidate_helper(subject: Subject) -> Iterator[Finding]:
    left = _oldest_first([node for node in subject.machine.snapshots if is_consolidate_helper(node.name)])
    if not left or subject.machine.busy:
        return
    age = max(subject.age(left[0]), timedelta(seconds=1))
    text = f"A consolidation has left its helper snapshot behind, {span(age)} ago, and no task runs on the machine."
    if subject.machine.busy is None:
        yield unknown("consolidate-helper", "There is a consolidation's helper snapshot; its tasks could not be read.")
    else:
        yield from subject.graded(
            "consolidate-helper", age.total_seconds(), text, {"snapshots": _listed(subject, left)}
        )


def not_quiesced(subject: Subject) -> Iterator[Finding]:
    """Only what our own snapshots promise is known: the API's flag says that quiescing was asked for, no more."""
    for node in subject.machine.snapshots:
        mark = subject.marker(node)
        if mark is not None and mark.quiesced and not node.quiesced:
            text = f'Our snapshot "{node.name}" was to be consistent for applications, and was taken without quiescing.'
            yield Finding("not-quiesced", Severity.WARNING, text, {"snapshots": _listed(subject, [node])})


def ours_expired(subject: Subject) -> Iterator[Finding]:
    for node in subject.machine.snapshots:
        mark = subject.marker(node)
        if mark is not None and mark.expires < subject.scene.now:
            late = span(subject.scene.now - mark.expires)
            text = f'Our own snapshot "{node.name}" should have been removed {late} ago.'
            yield Finding(
                "ours-expired", Severity.CRITICAL, text, {"run": mark.run, "expires": mark.expires.isoformat()}
            )


def mark_unverified(subject: Subject) -> Iterator[Finding]:
    """A text that claims to be our marker and cannot be believed makes no snapshot ours: nothing of ours removes it."""
    doubtful = [
        node
        for node in subject.machine.snapshots
        if claims_to_be_ours(node.description) and subject.marker(node) is None
    ]
    if not doubtful:
        return
    name, evidence = doubtful[0].name, {"snapshots": _listed(subject, doubtful)}
    if subject.scene.key is None:
        text = f'Snapshot "{name}" says that it is ours; without the key that signs our snapshots that cannot be told.'
        yield unknown("mark-unverified", text, evidence)
    else:
        text = f'Snapshot "{name}" says that it is ours, and is not as we wrote it: it was copied, or edited.'
        yield Finding("mark-unverified", Severity.WARNING, text, evidence)


def memory_snapshot(subject: Subject) -> Iterator[Finding]:
    """With memory a revert finds the machine running in its old past; for a safety net that is wrong."""
    detail = subject.machine.detail
    frozen = detail.layout.frozen if detail is not None and detail.layout is not None else {}
    nodes = [
        node
        for node in subject.machine.snapshots
        if node.powered_on or (node.id in frozen and frozen[node.id].memory != NO_MEMORY)
    ]
    if nodes:
        ours = any(subject.marker(node) is not None for node in nodes)
        text = f'Snapshot "{nodes[0].name}" was taken with the machine\'s memory.'
        severity = Severity.WARNING if ours else Severity.INFO
        yield Finding("memory-snapshot", severity, text, {"snapshots": _listed(subject, nodes)})


def off_with_snapshot(subject: Subject) -> Iterator[Finding]:
    machine = subject.machine
    since = off_since(subject.past) if machine.power == POWERED_OFF and machine.snapshots else None
    if since is not None:
        off = subject.scene.now - since
        text = f"The machine has been off for at least {span(off)} and still has snapshots; the limit is {{limit}}."
        yield from subject.graded("off-with-snapshot", off.total_seconds(), text, {"off_since": since.isoformat()})


def template_with_snapshot(subject: Subject) -> Iterator[Finding]:
    """Only told: the base of linked clones is a template with a snapshot."""
    if subject.machine.template and subject.machine.snapshots:
        text = f"The template has {len(subject.machine.snapshots)} snapshots."
        yield Finding("template-with-snapshot", Severity.INFO, text)
