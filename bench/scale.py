from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    Attributes:
        rounds: how often everybody has a turn; `slow_rounds` for those who take minutes.
        hosts: SSH hosts; `parallel`: how many at once.
        machines: sizes of the vCenters.
        clients: how many, each with `schedules` schedules.
        jobs: of the control plane.
        lines: that one step says.
    """

    rounds: int
    slow_rounds: int
    hosts: int
    parallel: int
    machines: tuple[int, ...]
    clients: int
    schedules: int
    jobs: int
    lines: int


FULL = Scale(
    rounds=5,
    slow_rounds=2,
    hosts=100,
    parallel=32,
    machines=(1000, 5000),
    clients=500,
    schedules=20,
    jobs=2000,
    lines=100_000,
)
QUICK = Scale(
    rounds=1, slow_rounds=1, hosts=6, parallel=6, machines=(60,), clients=20, schedules=10, jobs=100, lines=2000
)
