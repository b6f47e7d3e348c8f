"""Durations, sizes, shares and windows as people write them, and back."""

import re
from dataclasses import dataclass
from datetime import time, timedelta

_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGTP]?i?)[Bo]?")
_SHARE = re.compile(r"1/(\d{1,3})")
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_POWERS = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
MOST_SHARES = 256  # restic refuses more groups in --read-data-subset=n/t (restic docs, "Checking integrity")


def parse_duration(text: str) -> timedelta:
    """`26h`, `30m`, `7d`, `1d12h`, `90s` as a timedelta; ValueError when it is none of these or zero."""
    match = _DURATION.fullmatch(text.strip())
    parts = [int(part or 0) for part in match.groups()] if match else []
    if not any(parts):
        raise ValueError(f'"{text}" is not a duration; write it like 26h, 30m, 7d or 1d12h')
    weeks, days, hours, minutes, seconds = parts
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def format_duration(span: timedelta) -> str:
    """The shortest exact writing of a duration in days, hours, minutes and seconds: `1d2h`, `26h` becomes `1d2h`."""
    seconds = int(span.total_seconds())
    pieces = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            pieces.append(f"{count}{unit}")
    return "".join(pieces) or "0s"


def spoken_duration(span: timedelta) -> str:
    """A duration for a sentence, coarser the longer it is: `14 min`, `3 h 20 min`, `26 h`, `3 days 4 h`.

    Hours reach up to two days, as people speak of backups. What is left over is dropped: round up before, where a
    duration must not look shorter than it is.
    """
    minutes = int(span.total_seconds()) // 60
    if minutes < 1:
        return "less than a minute"
    hours, minutes = divmod(minutes, 60)
    days, left = divmod(hours, 24)
    if days >= 2:
        return f"{days} days {left} h" if left else f"{days} days"
    return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min")) if count)


def parse_size(text: str) -> int:
    """`10MB`, `1.5GiB`, `500k` in bytes (kB = 1000, KiB = 1024); ValueError for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not a size; write it like 10MB, 1.5GiB or 500kB')
    prefix = match[2].rstrip("i")
    base = 1024 if match[2].endswith("i") else 1000
    return int(float(match[1]) * base ** _POWERS[prefix])


@dataclass(frozen=True, slots=True)
class Share:
    """One of `of` equal parts, verified in turn: `1/20` reads a twentieth a night, everything in twenty nights."""

    of: int

    @classmethod
    def parse(cls, text: str) -> "Share":
        match = _SHARE.fullmatch(text.strip())
        if match is None or not 1 <= int(match[1]) <= MOST_SHARES:
            raise ValueError(f'"{text}" is not a share; write it like 1/20 (at most 1/{MOST_SHARES})')
        return cls(int(match[1]))

    def __str__(self) -> str:
        return f"1/{self.of}"


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """A span of every day in local time; `22:00-02:00` runs over midnight. The end itself is outside."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> "DailyWindow":
        match = _WINDOW.fullmatch(text.strip())
        if match is None:
            raise ValueError(f'"{text}" is not a window; write it like "04:00-06:00"')
        numbers = [int(group) for group in match.groups()]
        window = cls(time(numbers[0], numbers[1]), time(numbers[2], numbers[3]))
        if window.start == window.end:
            raise ValueError(f'"{text}" is an empty window; its end must differ from its start')
        return window

    def holds(self, local: time) -> bool:
        """Whether a local time of day lies inside."""
        if self.start < self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"
