import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ronde.adapters.queue.pool import WakingThreads


class Loop:
    """Stands for the worker's event loop: it counts who wakes it."""

    def __init__(self) -> None:
        self.woken = threading.Semaphore(0)

    def call_soon(self, callback: Callable[[], None]) -> None:
        callback()
        self.woken.release()


@contextmanager
def pool(threads: int, loop: Loop | None) -> Iterator[WakingThreads]:
    made = WakingThreads(threads)
    if loop is not None:
        made.register_with_event_loop(loop)
    try:
        yield made
    finally:
        made.on_stop()


def hold(gate: threading.Event) -> Callable[..., None]:
    """A target as Celery's pools call it: it holds its thread until the gate opens."""

    def target(*_: object, **__: object) -> None:
        assert gate.wait(10)

    return target


def test_a_thread_that_becomes_free_of_a_full_pool_wakes_the_loop() -> None:
    loop, gates = Loop(), [threading.Event(), threading.Event()]
    with pool(2, loop) as threads:
        for gate in gates:
            threads.on_apply(hold(gate), (), {})
        gates[0].set()
        assert loop.woken.acquire(timeout=10)
        gates[1].set()


def test_a_pool_with_room_leaves_the_loop_alone() -> None:
    loop, gate = Loop(), threading.Event()
    with pool(2, loop) as threads:
        result = threads.on_apply(hold(gate), (), {})
        gate.set()
        result.wait(10)
    assert not loop.woken.acquire(blocking=False)


def test_every_thread_freed_at_once_is_noticed() -> None:
    loop, gate = Loop(), threading.Event()
    with pool(3, loop) as threads:
        results = [threads.on_apply(hold(gate), (), {}) for _ in range(3)]
        gate.set()
        for result in results:
            result.wait(10)
    assert loop.woken.acquire(timeout=10), "at least the first of them found the pool full"


def test_a_pool_without_a_loop_works_all_the_same() -> None:
    gate = threading.Event()
    gate.set()
    with pool(1, None) as threads:
        threads.on_apply(hold(gate), (), {}).wait(10)
