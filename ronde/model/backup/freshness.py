"""Rules over the list of restore points: how new, how many, how regular, and whether they hold what they should."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from ronde.model.backup.evidence import Point, Points
from ronde.model.backup.objective import Night, Objective
from ronde.model.backup.thresholds import (
    DELETION_FEWEST,
    DELETION_SHARE,
    FUTURE_TOLERANCE,
    GAP_WINDOW,
    critical,
    warning,
)
from ronde.model.check import Finding
from ronde.model.inventory import Backup, BorgBackup, ResticBackup
from ronde.model.units import format_duration

_PATHS_BACK = 14  # points looked back on for paths that went missing; two weeks of nights


def usable(points: Points, night: Night) -> tuple[Point, ...]:
    """The points whose time can be believed: none in the future, oldest first."""
    return tuple(point for point in points.all if point.at <= night.horizon)


def select(points: Points, backup: Backup) -> Points:
    """The points that belong to a declared backup: by host, tags and paths (restic), by name (borg).

    Repositories are shared; another host's fresh point must not make this one look fresh.
    """
    match backup:
        case ResticBackup():
            wanted = (point for point in points.all if _of_restic(point, backup))
        case BorgBackup():
            wanted = (point for point in points.all if point.name.startswith(backup.prefix))
        case _:
            return points
    return Points(tuple(wanted), points.remarks)


def _of_restic(point: Point, backup: ResticBackup) -> bool:
    ours = not backup.paths or bool(set(backup.paths) & set(point.paths))
    return ours and backup.backup_host in {"", point.host} and set(backup.tags) <= set(point.tags)


def judge_points(points: Points, objective: Objective, night: Night) -> Iterator[Finding]:
    """Everything the list alone can tell."""
    yield from future(points, night)
    yield from damaged(points)
    believed = usable(points, night)
    times = [point.at for point in believed]
    yield from stale(times, objective, night)
    if not believed:
        return
    yield from retention(len(believed), objective, night)
    yield from rolled_back(times[-1], night)
    yield from gaps(times, objective, night)
    yield from missing_paths(believed, objective)


def future(points: Points, night: Night) -> Iterator[Finding]:
    """A point in the future would look fresh for ever: restic and borg both name it as the latest."""
    late = [point for point in points.all if point.at > night.horizon]
    if late:
        yield critical(
            "backup-future-point",
            f"{len(late)} point(s) lie in the future, the furthest at {late[-1].at:%Y-%m-%d %H:%M} UTC; the clock of "
            "the backed-up host was or is wrong, and these points do not count as fresh.",
            points=[point.name for point in late[:10]],
            furthest=late[-1].at.isoformat(),
            tolerance_s=int(FUTURE_TOLERANCE.total_seconds()),
        )


def damaged(points: Points) -> Iterator[Finding]:
    if points.remarks:
        yield warning(
            "backup-damaged-point",
            f"The tool complained while listing the points: {points.remarks[0]}",
            remarks=list(points.remarks[:10]),
        )


def stale(times: Sequence[datetime], objective: Objective, night: Night) -> Iterator[Finding]:
    """No point at all, or the newest older than allowed. `times` ascending."""
    if not times:
        yield critical("backup-empty", "There is no restore point that counts.", location=objective.location)
        return
    age = max(night.now - times[-1], timedelta(0))
    if age > objective.max_age:
        yield critical(
            "backup-too-old",
            f"The newest point is from {times[-1]:%Y-%m-%d %H:%M} UTC, {_span(age)} ago; at most "
            f"{_span(objective.max_age)} is agreed.",
            newest=times[-1].isoformat(),
            age_s=int(age.total_seconds()),
            max_age_s=int(objective.max_age.total_seconds()),
        )


def retention(count: int, objective: Objective, night: Night) -> Iterator[Finding]:
    """Fewer points than agreed, or many gone at once (a retention change, a mistake, or an attack)."""
    if count < objective.keep_at_least:
        yield critical(
            "backup-retention-breach",
            f"{count} restore point(s) exist; at least {objective.keep_at_least} are agreed.",
            points=count,
            keep_at_least=objective.keep_at_least,
        )
    before = night.memory.points
    lost = before - count if before is not None else 0
    if before is not None and lost >= DELETION_FEWEST and lost >= DELETION_SHARE * before:
        yield critical(
            "backup-mass-deletion",
            f"{lost} of {before} restore points are gone since the last check.",
            points=count,
            before=before,
            share=DELETION_SHARE,
        )


def rolled_back(newest: datetime, night: Night) -> Iterator[Finding]:
    """A newest point older than one already seen: deleted, or the repository was put back to an earlier state."""
    before = night.memory.newest
    if before is not None and newest < before <= night.horizon:
        yield critical(
            "backup-rolled-back",
            f"The newest point is from {newest:%Y-%m-%d %H:%M} UTC, but one from {before:%Y-%m-%d %H:%M} UTC had "
            "already been seen.",
            newest=newest.isoformat(),
            seen=before.isoformat(),
        )


def gaps(times: Sequence[datetime], objective: Objective, night: Night) -> Iterator[Finding]:
    """Missed runs between neighbouring points of the last days.

    Old points are thinned by retention, so the list is only trusted for its newest `keep_at_least` points; what
    earlier checks saw as newest fills in the rest.
    """
    listed = times[-max(2, objective.keep_at_least) :]
    since = night.now - GAP_WINDOW
    seen = sorted({*listed, *(at for at in night.memory.newest_seen if at <= night.horizon)})
    holes = [(a, b) for a, b in pairwise(seen) if b - a > objective.max_age and b > since]
    if holes:
        begin, end = holes[-1]
        yield warning(
            "backup-gap",
            f"{len(holes)} gap(s) in the last {GAP_WINDOW.days} days: nothing between {begin:%Y-%m-%d %H:%M} and "
            f"{end:%Y-%m-%d %H:%M} UTC, {_span(end - begin)} apart.",
            gaps=[[a.isoformat(), b.isoformat()] for a, b in holes],
            max_age_s=int(objective.max_age.total_seconds()),
        )


def missing_paths(points: Sequence[Point], objective: Objective) -> Iterator[Finding]:
    """Declared paths that the newest point lacks, or a newest point that holds only part of what points held before.

    Restic before 0.19 leaves a vanished source out and still ends with status 0.
    """
    newest = set(points[-1].paths)
    expected = set(objective.paths) or lost_of(newest, (point.paths for point in points[-_PATHS_BACK:-1]))
    missing = sorted(expected - newest)
    if missing:
        yield critical(
            "backup-missing-path",
            f"The newest point does not hold {', '.join(missing[:5])}.",
            missing=missing[:20],
            paths=sorted(newest)[:20],
            declared=bool(objective.paths),
        )


def lost_of(newest: set[str], earlier: Iterable[Iterable[str]]) -> set[str]:
    """What earlier points held beyond a newest one that holds a true part of it.

    A wholly different set is another job in the same repository and says nothing.
    """
    return set().union(*(paths for paths in map(set, earlier) if newest < paths)) if newest else set()


def _span(span: timedelta) -> str:
    return format_duration(timedelta(minutes=int(span.total_seconds() // 60))) if span >= timedelta(minutes=1) else "1m"
