"""Jobs a second through broker and ledger, against a Celery task that does nothing."""

from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure, Goal, Profile, ratios, seconds
from bench.measuring import rounds, timed
from bench.plant import CLIENT, Plant, running
from bench.scale import Scale
from ronde.model.plan import JobPlan, Lane, Target, TargetKind

_INVENTORY = ({"client": CLIENT, "name": "Bench"},)
_GOAL = Goal(0.5, at_least=True)
_THREADS = 32


def jobs(count: int) -> list[JobPlan]:
    """Jobs with no step: claimed, recorded as succeeded, and counted, with nothing in between."""
    lanes = (Lane(f"client:{CLIENT}", _THREADS),)
    return [JobPlan(Target(CLIENT, TargetKind.HOST, f"host-{n}"), "bench", (), lanes) for n in range(count)]


def measure(directory: Path, scale: Scale) -> Sequence[Figure]:
    count = scale.jobs
    with running(Plant(directory, _THREADS, _INVENTORY)) as plant:
        plant.run_empty(count // 10)  # every thread and connection exists before the first round
        plant.await_end(plant.order(jobs(count // 10)))
        contestants = {
            "jobs": lambda: timed(lambda: plant.await_end(plant.order(jobs(count)))),
            "empty": lambda: timed(lambda: plant.run_empty(count)),
        }
        taken = rounds(contestants, scale.rounds)
    note = f"{count} jobs {seconds(taken['jobs'])}, {count} empty tasks {seconds(taken['empty'])}"
    figure = Figure(
        "control plane: jobs a second",
        ratios(taken["empty"], taken["jobs"]),
        "times",
        "empty Celery tasks a second, same broker and worker settings",
        _GOAL,
        note,
    )
    return [figure if figure.reached else _explained(figure, directory / "profiled", count)]


def _explained(figure: Figure, directory: Path, count: int) -> Figure:
    profile: Profile = {}
    with running(Plant(directory, _THREADS, _INVENTORY, profiled=True)) as plant:
        plant.await_end(plant.order(jobs(count // 10)))
        with plant.watched(profile):
            plant.await_end(plant.order(jobs(count)))
    return figure.explained(profile)
