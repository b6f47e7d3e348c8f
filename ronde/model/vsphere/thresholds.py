"""From where on a figure is a warning or critical: the defaults, their sources, and what an inventory changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum

from ronde.model.check import Json
from ronde.model.errors import InputError
from ronde.model.units import parse_duration, parse_size
from ronde.model.verdict import Severity
from ronde.model.vsphere.words import size, span

Overrides = Mapping[str, Mapping[str, str | int | float]]
_GRADES = ("warning", "critical")
_OFF = "off"


class Measure(StrEnum):
    """What a threshold counts; durations are held in seconds, sizes in bytes."""

    DURATION = "duration"
    SIZE = "size"
    COUNT = "count"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Two limits of one rule.

    Attributes:
        rule: the rule's id, as findings and the inventory name it.
        warning: the limit of the warning; None = the rule never warns.
        critical: the limit beyond which it is critical; None = it never is.
        source: where the default comes from.
        below: whether small figures are the bad ones.
        reached: whether the limit itself already counts; otherwise only what lies beyond.
    """

    rule: str
    measure: Measure
    warning: float | None
    critical: float | None
    source: str
    below: bool = False
    reached: bool = False

    def severity(self, figure: float) -> Severity | None:
        """How bad a figure is; None when it is in order."""
        if self.critical is not None and self._passes(figure, self.critical):
            return Severity.CRITICAL
        if self.warning is not None and self._passes(figure, self.warning):
            return Severity.WARNING
        return None

    def _passes(self, figure: float, limit: float) -> bool:
        if self.reached and figure == limit:
            return True
        return figure < limit if self.below else figure > limit

    def limit(self, severity: Severity) -> str:
        """The limit that a finding of this severity passed, for its message."""
        return self.shown(self.critical if severity is Severity.CRITICAL else self.warning)

    def shown(self, figure: float | None) -> str:
        """A figure in the rule's own measure: `3d`, `20.0 GB`, `8`, `15%`."""
        if figure is None:
            return _OFF
        if self.measure is Measure.DURATION:
            return span(timedelta(seconds=figure))
        if self.measure is Measure.SIZE:
            return size(int(figure))
        return f"{figure:g}%" if self.measure is Measure.PERCENT else f"{figure:g}"

    def objective(self) -> Mapping[str, Json]:
        """The limits as frozen with a check: raw figures, seconds and bytes."""
        return {"warning": self.warning, "critical": self.critical}


_HOUR, _DAY, _GB = 3600.0, 86400.0, 1e9

DEFAULTS: tuple[Threshold, ...] = (
    Threshold(
        "snap-age", Measure.DURATION, 24 * _HOUR, 72 * _HOUR,
        "Broadcom KB 318825 (best practices for snapshots): no single snapshot for more than 72 hours",
    ),
    Threshold("snap-count", Measure.COUNT, 3, 8, "Broadcom KB 318825: two to three snapshots for good performance"),
    Threshold(
        "snap-depth", Measure.COUNT, 16, 30,
        "Broadcom KB 318825: 32 snapshots in a chain at most; half of it, and two before the end", reached=True,
    ),
    Threshold("snap-size", Measure.SIZE, 20 * _GB, 40 * _GB, "check-vmware, check_vmware_snapshots_size: 20 and 40 GB"),
    Threshold("snap-share", Measure.PERCENT, 20, 50, "vCheck, oversized snapshots: against the size of the disks"),
    Threshold(
        "snap-growth", Measure.DURATION, 72 * _HOUR, 24 * _HOUR,
        "ours: a weekend's and a day's notice before the datastore is full", below=True,
    ),
    Threshold("ds-free", Measure.PERCENT, 15, 10, "vCheck: datastores below 15 %, critical below 10 %", below=True),
    Threshold(
        "backup-leftover", Measure.DURATION, 12 * _HOUR, 24 * _HOUR,
        "Veeam KB1790: a temporary snapshot outlives its job; half a day is longer than a backup window",
    ),
    Threshold(
        "consolidate-helper", Measure.DURATION, 0, 1 * _HOUR,
        "Broadcom KB 337175: the helper snapshot belongs to a consolidation that runs, and to none that does not",
    ),
    Threshold(
        "off-with-snapshot", Measure.DURATION, 7 * _DAY, None,
        "ours: a machine off for a week is not coming back to decide about its snapshot",
    ),
    Threshold("backup-stale", Measure.DURATION, 1 * _DAY, 2 * _DAY, "check-vmware, check_vmware_vm_backup_via_ca"),
    Threshold(
        "clock-skew", Measure.DURATION, 60, 300,
        "RFC 4120 (Kerberos): five minutes is where single sign-on fails; a minute already falsifies ages",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits in force for one vCenter, by rule id."""

    by_rule: Mapping[str, Threshold]

    def __getitem__(self, rule: str) -> Threshold:
        return self.by_rule[rule]

    def objective(self) -> Mapping[str, Json]:
        """All limits, as frozen with a check."""
        return {rule: threshold.objective() for rule, threshold in self.by_rule.items()}


def read_thresholds(overrides: Overrides) -> Thresholds:
    """The defaults with what the inventory changes: `{"snap-age": {"warning": "48h", "critical": "off"}}`.

    Raises:
        InputError: names every problem at once, with the nearest valid word.
    """
    found = problems(overrides)
    if found:
        raise InputError("; ".join(found))
    table = {threshold.rule: threshold for threshold in DEFAULTS}
    for rule, grades in overrides.items():
        table[rule] = _changed(table[rule], grades)
    return Thresholds(table)


def problems(overrides: Overrides) -> tuple[str, ...]:
    """Everything wrong with the thresholds of an inventory, each as one sentence; none when they hold."""
    table = {threshold.rule: threshold for threshold in DEFAULTS}
    found: list[str] = []
    for rule, grades in overrides.items():
        if rule not in table:
            found.append(f'"{rule}" is no rule with a threshold; {_nearest(rule, table)}')
            continue
        found.extend(f"{rule}: {problem}" for problem in _problems_of(table[rule], grades))
    return tuple(found)


def _problems_of(threshold: Threshold, grades: Mapping[str, str | int | float]) -> Iterator[str]:
    sound = True
    for grade, written in grades.items():
        if grade not in _GRADES:
            yield f'"{grade}" is not a grade; {_nearest(grade, _GRADES)}'
            sound = False
            continue
        try:
            _figure(threshold.measure, written)
        except ValueError as error:
            yield f"{grade}: {error}"
            sound = False
    if sound:
        changed = _changed(threshold, grades)
        if _crossed(changed):
            bound = "at least" if changed.below else "at most"
            limits = changed.shown(changed.warning), changed.shown(changed.critical)
            yield f"warning ({limits[0]}) must be {bound} critical ({limits[1]})"


def _crossed(threshold: Threshold) -> bool:
    if threshold.warning is None or threshold.critical is None or threshold.warning == threshold.critical:
        return False
    return (threshold.warning < threshold.critical) is threshold.below


def _changed(threshold: Threshold, grades: Mapping[str, str | int | float]) -> Threshold:
    figures = {grade: _figure(threshold.measure, written) for grade, written in grades.items()}
    return replace(
        threshold,
        warning=figures.get("warning", threshold.warning),
        critical=figures.get("critical", threshold.critical),
    )


def _figure(measure: Measure, written: str | float) -> float | None:
    """A limit as written; ValueError says how to write it."""
    if written == _OFF:
        return None
    if measure is Measure.DURATION:
        if not isinstance(written, str):
            raise ValueError(f"{written} has no unit; write it like 48h or 7d")
        return parse_duration(written).total_seconds()
    if measure is Measure.SIZE and isinstance(written, str):
        return float(parse_size(written))
    return _number(written)


def _number(written: str | float) -> float:
    try:
        figure = float(written.rstrip(" %") if isinstance(written, str) else written)
    except ValueError:
        raise ValueError(f'"{written}" is not a number') from None
    if isinstance(written, bool) or not 0 <= figure < float("inf"):
        raise ValueError(f'"{written}" is not a number from zero on')
    return figure


def _nearest(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f'did you mean "{close[0]}"?' if close else f"known are {', '.join(known)}"
