"""Rules over what points hold: size, number of files, change between points, time taken."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from ronde.model.backup.evidence import Churn, Point, Profile
from ronde.model.backup.freshness import lost_of
from ronde.model.backup.objective import Night, Objective
from ronde.model.backup.thresholds import (
    CHURN_FEWEST_FILES,
    CHURN_OVER_USUAL,
    CHURN_SHARE,
    DURATION_FEWEST,
    DURATION_HIGH,
    DURATION_LOW,
    DURATION_MEDIAN_OF,
    DURATION_NOISE,
    FROZEN_POINTS,
    RATIO_INCOMPRESSIBLE,
    RATIO_JUMP,
    SIZE_FAILED,
    SIZE_MEDIAN_OF,
    SIZE_WARNING,
    critical,
    finding,
    warning,
)
from ronde.model.check import Finding
from ronde.model.verdict import Severity


def shrunken(what: str, value: int, before: Sequence[int]) -> Iterator[Finding]:
    """A figure of the newest point against the median of up to seven before it (`before` newest first)."""
    if value == 0:
        yield critical("backup-empty", f"The newest point holds no {what} at all.", value=0, what=what)
        return
    usual = median(before[:SIZE_MEDIAN_OF]) if before else 0
    if usual and value < SIZE_WARNING * usual:
        severity = Severity.CRITICAL if value < SIZE_FAILED * usual else Severity.WARNING
        yield finding(
            "backup-shrunken",
            severity,
            f"The newest point holds {value} {what}, {value / usual:.0%} of the usual {usual:.0f}.",
            what=what,
            value=value,
            median=usual,
            of=len(before[:SIZE_MEDIAN_OF]),
            warning_below=SIZE_WARNING,
            failed_below=SIZE_FAILED,
        )


def judge_content(points: Sequence[Point], profiles: Mapping[str, Profile], objective: Objective) -> Iterator[Finding]:
    """Size, files, roots and change of the newest point; `points` oldest first, all with known time."""
    newest = profiles.get(points[-1].id)
    if newest is None:
        return
    before = [profiles[point.id] for point in reversed(points[:-1]) if point.id in profiles]
    yield from shrunken("bytes", newest.size, [profile.size for profile in before])
    if newest.size:
        yield from shrunken("files", newest.files, [profile.files for profile in before])
    yield from _lost_roots(newest, before)
    if objective.active:
        yield from _frozen(points, profiles)
    yield from _incompressible(newest, before)


def _lost_roots(newest: Profile, before: Sequence[Profile]) -> Iterator[Finding]:
    missing = sorted(lost_of(set(newest.roots), (profile.roots for profile in before)))
    if missing:
        yield critical(
            "backup-missing-path",
            f"The newest point does not hold {', '.join(missing[:5])}, which points before it hold.",
            missing=missing[:20],
            paths=list(newest.roots[:20]),
            declared=False,
        )


def _frozen(points: Sequence[Point], profiles: Mapping[str, Profile]) -> Iterator[Finding]:
    last = points[-FROZEN_POINTS:]
    marks = [point.tree or (profiles[point.id].digest if point.id in profiles else "") for point in last]
    if len(last) == FROZEN_POINTS and marks[0] and len(set(marks)) == 1 and len({p.paths for p in last}) == 1:
        yield warning(
            "backup-frozen",
            f"The last {FROZEN_POINTS} points are identical; either the source is not used any more or something else "
            "is mounted in its place.",
            points=[point.name for point in last],
            identity=marks[0],
        )


def _incompressible(newest: Profile, before: Sequence[Profile]) -> Iterator[Finding]:
    ratios = [profile.ratio for profile in before[:SIZE_MEDIAN_OF] if profile.ratio is not None]
    if newest.ratio is None or not ratios:
        return
    usual = median(ratios)
    if newest.ratio >= RATIO_INCOMPRESSIBLE and newest.ratio >= RATIO_JUMP * usual:
        yield warning(
            "backup-mass-change",
            f"The data no longer compresses ({usual:.2f} before, {newest.ratio:.2f} now), as encrypted files do; "
            "suspend retention until somebody has looked.",
            ratio=newest.ratio,
            median=usual,
            jump=RATIO_JUMP,
        )


def churn_share(churn: Churn, files: int) -> float:
    """Files that came, went or changed ÷ files of the newest point, at most 1; a renamed file comes and goes."""
    return round(min(1.0, (churn.added + churn.removed + churn.changed) / files), 4) if files else 0.0


def judge_churn(churn: Churn, files: int, night: Night) -> Iterator[Finding]:
    """Mass change against what is usual here: encrypting renames (added and removed) or rewrites (changed) files."""
    share = churn_share(churn, files)
    usual = median(night.memory.churn_shares) if night.memory.churn_shares else 0.0
    few = max(files, churn.removed + churn.changed) < CHURN_FEWEST_FILES
    if few or share < CHURN_SHARE or share < CHURN_OVER_USUAL * usual:
        return
    yield warning(
        "backup-mass-change",
        f"{share:.0%} of {files} files differ from the point before ({churn.added} new, {churn.removed} gone, "
        f"{churn.changed} changed), as after encryption by an attacker; suspend retention until somebody has looked.",
        added=churn.added,
        removed=churn.removed,
        changed=churn.changed,
        files=files,
        share=share,
        usual=usual,
        threshold=CHURN_SHARE,
    )


def judge_duration(points: Sequence[Point]) -> Iterator[Finding]:
    """Much faster or slower than usual; differences below a minute are noise."""
    spans = [point.took for point in points if point.took is not None]
    before = spans[-DURATION_MEDIAN_OF - 1 : -1]
    if points[-1].took is None or len(before) < DURATION_FEWEST:
        return
    took, usual = spans[-1].total_seconds(), median(span.total_seconds() for span in before)
    odd = not DURATION_LOW * usual <= took <= DURATION_HIGH * usual
    if odd and abs(took - usual) > DURATION_NOISE.total_seconds():
        yield warning(
            "backup-duration",
            f"Making the newest point took {took:.0f} s; {usual:.0f} s is usual.",
            took_s=took,
            median_s=usual,
            low=DURATION_LOW,
            high=DURATION_HIGH,
        )
