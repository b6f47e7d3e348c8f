"""Figures as a finding's message shows them: rounded for reading; the exact ones stand in its evidence."""

from datetime import timedelta

from ronde.model.units import format_duration

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def span(age: timedelta) -> str:
    """A duration rounded down: to minutes below a day, to hours above: `47m`, `3d4h`."""
    if age < timedelta(minutes=1):
        return f"{int(age.total_seconds())}s"
    grain = timedelta(minutes=1) if age < _DAY else _HOUR
    return format_duration(age // grain * grain)


def size(count: int) -> str:
    """Bytes in the largest decimal unit that leaves a figure before the point: `12.5 GB`."""
    figure = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if figure < 1000:
            return f"{figure:.1f} {unit}" if unit != "B" else f"{count} B"
        figure /= 1000
    return f"{figure:.1f} TB"
