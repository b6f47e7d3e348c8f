"""Celery 5.7.0 ends a worker whose broker restarts under an unacknowledged message; ours goes on.

The second half proves the first can fail: the day a stock worker survives, the guard has done its service.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery

from lab.redis import RedisServer
from ronde.adapters.queue.app import make_app
from tests.e2e.installation import poll

pytestmark = pytest.mark.serial

APPLICATION = """
import time
from pathlib import Path
from ronde.adapters.queue.app import make_app

app = make_app({url!r})
app.conf.worker_consumer = {consumer!r}

@app.task(name="hold", acks_late=True)
def hold(seconds):
    Path("held").touch()
    time.sleep(seconds)

@app.task(name="touch")
def touch(name):
    Path(name).touch()
"""


@contextmanager
def worker(directory: Path, url: str, consumer: str) -> Iterator[subprocess.Popen[bytes]]:
    (directory / "sample.py").write_text(APPLICATION.format(url=url, consumer=consumer))
    with (directory / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "sample", "worker", "-Q", "work", "-c", "4", "--loglevel", "INFO"],
            cwd=directory,
            stdout=log,
            stderr=log,
        )
        try:
            said = (directory / "worker.log").read_text
            poll(lambda: "ready." in said() or process.poll() is not None, within=30, what="the worker is ready")
            yield process
        finally:
            process.kill()
            process.wait(10)


def restart_under(process: subprocess.Popen[bytes], broker: RedisServer, app: Celery, directory: Path) -> None:
    app.send_task("hold", [8], queue="work")
    poll((directory / "held").exists, within=20, what="the message is held")
    broker.stop()
    broker.start()
    assert process.pid


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


def test_our_worker_survives_a_broker_restarted_under_an_unacknowledged_message(
    tmp_path: Path, broker: RedisServer
) -> None:
    app = make_app(broker.url)
    with worker(tmp_path, broker.url, "ronde.adapters.queue.consumer:SteadyConsumer") as process:
        restart_under(process, broker, app, tmp_path)

        def hears() -> bool:
            app.send_task("touch", ["heard"], queue="work")
            return (tmp_path / "heard").exists()

        poll(hears, within=40, what="the worker hears messages again")
        assert process.poll() is None


def test_a_stock_worker_does_not(tmp_path: Path, broker: RedisServer) -> None:
    app = make_app(broker.url)
    with worker(tmp_path, broker.url, "celery.worker.consumer:Consumer") as process:
        restart_under(process, broker, app, tmp_path)
        poll(lambda: process.poll() is not None, within=40, what="the stock worker ends")
        assert "AttributeError" in (tmp_path / "worker.log").read_text()
