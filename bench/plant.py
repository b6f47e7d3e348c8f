"""One installation as `ronde up` runs it: a broker, a control process, a work process, a ledger on SQLite."""

import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis import Redis
from ruamel.yaml import YAML

from bench.figures import Profile
from bench.measuring import await_that, cpu_of
from bench.names import EMPTY, PROFILE
from bench.sampler import read_profile, since
from lab.process import Process, end, marked, spawn, tail
from lab.redis import RedisServer
from ronde.adapters.queue import WORK
from ronde.bootstrap import Services, build
from ronde.engine.firing import send_due
from ronde.engine.parts import Engine
from ronde.model.plan import JobPlan, Order, Trigger
from ronde.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
CLIENT = "bench"
CONTROL_THREADS = 4
_READY = 90.0  # seconds a worker may take to start on a busy machine
_RUN = 900.0  # seconds after which a run is not slow but broken


@dataclass
class Plant:
    """An installation of its own in `directory`.

    Attributes:
        threads: of the work process.
        clients: the inventory, one file each.
        profiled: whether the workers note where their time goes, which costs them a few per cent.
        workers: its processes, `control` and `work`.
    """

    directory: Path
    threads: int
    clients: Sequence[Mapping[str, Any]]
    profiled: bool = False
    workers: dict[str, Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory = self.directory.resolve()
        self.broker = RedisServer(self.directory / "broker", mark=self.directory)
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        if self._services is None:
            settings = Settings(
                inventory=self.directory / "inventory",
                data_dir=self.directory / "data",
                broker_url=self.broker.url,
                threads=self.threads,
            )
            self._services = build(settings, role="bench")
        return self._services

    @property
    def engine(self) -> Engine:
        return self.services.engine

    def prepare(self) -> None:
        """The broker, the inventory and an empty ledger; no worker yet."""
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        write_inventory(self.directory / "inventory", self.clients)
        self.broker.start()
        self.services.ledger.upgrade()

    def start_workers(self) -> None:
        """The worker processes that `ronde up` starts, and wait until both take messages."""
        for name, threads in (("control", CONTROL_THREADS), ("work", self.threads)):
            arguments = ("worker", "-Q", name, "-c", str(threads), "-n", f"{name}@bench")
            quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
            argv = [sys.executable, "-m", "celery", "--quiet", "-A", "bench.celery_app", *arguments, *quiet]
            log = self.directory / f"{name}.log"
            self.workers[name] = spawn(argv, mark=self.directory, log=log, extra=self._environment(name))
        await_that(self._all_ready, _READY, f"the workers are ready:\n{tail(self.directory / 'work.log')}")

    def _environment(self, name: str) -> dict[str, str]:
        settings = self.services.settings
        return {
            f"{PREFIX}INVENTORY": str(settings.inventory),
            f"{PREFIX}DATA_DIR": str(settings.data_dir),
            f"{PREFIX}BROKER_URL": self.broker.url,
            f"{PREFIX}THREADS": str(self.threads),
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            **({PROFILE: str(self.directory / f"{name}.json")} if self.profiled else {}),
        }

    def _all_ready(self) -> bool:
        seen = self.services.ledger.health(datetime.now(UTC)).workers
        pids = {int(name.split(":")[1]) for name in seen}
        return all(process.pid in pids for process in self.workers.values())

    # ------------------------------------------------------------- what is measured

    def order(self, jobs: Sequence[JobPlan]) -> str:
        """Record a run and wake the workers, as an order by a person does; the run's id."""
        engine = self.engine
        made = Order("bench", "0" * 64, tuple(jobs), Trigger.PERSON, "bench")
        run = engine.ledger.create_run(made, engine.clock.now())
        send_due(engine, run)
        return run

    def await_end(self, run: str) -> None:
        """Wait until the run has ended, and make sure that every job did what it should.

        Raises:
            RuntimeError: a job did not succeed: whatever was measured, it was not the work.
        """
        with closing(sqlite3.connect(self.services.settings.data_dir / "ledger.db", isolation_level=None)) as ledger:
            ended = "SELECT finished_at IS NOT NULL FROM runs WHERE id = ?"
            await_that(lambda: bool(ledger.execute(ended, (run,)).fetchone()[0]), _RUN, f"run {run} ends")
            wrong = "SELECT state, trouble, count(*) FROM jobs WHERE run_id = ? AND state <> 'succeeded' GROUP BY 1, 2"
            if failed := ledger.execute(wrong, (run,)).fetchall():
                raise RuntimeError(f"not every job succeeded: {failed}")

    def concurrency(self, run: str) -> int:
        """How many of the run's jobs were under way at once, at most."""
        with closing(sqlite3.connect(self.services.settings.data_dir / "ledger.db")) as ledger:
            spans = ledger.execute("SELECT started_at, finished_at FROM jobs WHERE run_id = ?", (run,)).fetchall()
        changes = sorted([(start, 1) for start, _ in spans] + [(finish, -1) for _, finish in spans])
        now = most = 0
        for _, change in changes:
            now += change
            most = max(most, now)
        return most

    def run_empty(self, count: int) -> None:
        """Send so many empty tasks to the work queue and wait until they were done."""
        app = self.services.app
        with Redis.from_url(self.broker.url) as redis:
            with app.producer_or_acquire() as producer, producer.batch(500):
                for number in range(count):
                    app.send_task(EMPTY, ["0" * 24, number], queue=WORK, producer=producer, retry=False)
            await_that(lambda: redis.llen(WORK) == 0 and redis.hlen("unacked") == 0, _RUN, "the queue is empty")

    def cpu(self) -> dict[str, float]:
        """Processor seconds of each process so far."""
        broker = self.broker.process
        pids = {name: process.pid for name, process in self.workers.items()} | (
            {"broker": broker.pid} if broker else {}
        )
        return {name: cpu_of(pid) for name, pid in pids.items()}

    @contextmanager
    def watched(self, into: Profile) -> Iterator[None]:
        """Add to `into` where the workers' time went while the block ran; they must be `profiled`."""
        await_that(lambda: all(self._profile(name) for name in self.workers), _READY, "the profiles begin")
        before = {name: self._profile(name) for name in self.workers}
        spent = self.cpu()
        yield
        for name in self.workers:
            last = self._profile(name)
            await_that(lambda name=name, last=last: self._profile(name) != last, 5.0, "the profiles end")  # type: ignore[misc] # a lambda's defaults
            for part, seconds in since(before[name], self._profile(name)).items():
                into[f"{name}: {part}"] = seconds
        into["broker"] = self.cpu()["broker"] - spent["broker"]

    def _profile(self, name: str) -> Profile:
        return read_profile(self.directory / f"{name}.json")

    def close(self) -> None:
        """End every process of this installation."""
        if self._services is not None:
            self._services.close()
        end(self.workers.values())
        self.broker.stop()
        end(marked(self.directory), ask=False)


@contextmanager
def running(plant: Plant) -> Iterator[Plant]:
    """The plant with its workers, for the length of the context."""
    try:
        plant.prepare()
        plant.start_workers()
        yield plant
    finally:
        plant.close()


def write_inventory(folder: Path, clients: Sequence[Mapping[str, Any]]) -> None:
    """An inventory directory with these clients."""
    (folder / "clients").mkdir(parents=True, exist_ok=True)
    yaml = YAML()
    with (folder / "provider.yml").open("w", encoding="utf-8") as file:
        yaml.dump({"name": "Bench", "sender": "ronde@bench.example"}, file)
    for client in clients:
        with (folder / "clients" / f"{client['client']}.yml").open("w", encoding="utf-8") as file:
            yaml.dump(dict(client), file)
