"""Talking with QEMU and with a guest's agent: answers that are late, old, refused, or never come."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.vm.wire import TookTooLong, agent, monitor

Manner = Callable[[dict[str, Any]], bytes | None]
GREETING = b'{"QMP": {"version": {}}}\r\n'


@contextmanager
def server(path: Path, manner: Manner, greeting: bytes = b"") -> Iterator[None]:
    """Answers one client line by line as `manner` says; None hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            link, _ = listener.accept()
            with link, link.makefile("rb") as lines:
                link.sendall(greeting)
                for line in lines:
                    if (answer := manner(json.loads(line.lstrip(b"\xff")))) is None:
                        return
                    link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)


def said(value: Any) -> bytes:
    return json.dumps({"return": value}).encode() + b"\n"


def qemu(order: dict[str, Any]) -> bytes | None:
    match order["execute"]:
        case "qmp_capabilities":
            return said({})
        case "stop":
            return b'{"event": "STOP", "data": {}}\n' + said({})
        case "refused":
            return b'{"error": {"class": "GenericError", "desc": "no such disk"}}\n'
        case "silent":
            return b""
    return None


def guest(order: dict[str, Any]) -> bytes | None:
    if order["execute"] == "guest-sync-delimited":
        number = order["arguments"]["id"]
        # An answer that somebody else never fetched, then that to somebody else's greeting, then ours.
        return b'{"return": {"pid": 7}}\n\xff' + said(number + 1) + b"\xff" + said(number)
    return said({"pid": 8})


def test_an_event_is_no_answer(tmp_path: Path) -> None:
    with server(tmp_path / "qmp", qemu, GREETING), monitor(tmp_path / "qmp", 5) as wire:
        assert wire.ask("stop") == {}


def test_a_refusal_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with server(tmp_path / "qmp", qemu, GREETING), monitor(tmp_path / "qmp", 5) as wire:
        with pytest.raises(LabError, match="refused: no such disk"):
            wire.ask("refused")
        assert wire.ask("stop") == {}


def test_silence_ends_with_its_time(tmp_path: Path) -> None:
    with server(tmp_path / "qmp", qemu, GREETING), monitor(tmp_path / "qmp", 0.5) as wire:
        with pytest.raises(TookTooLong):
            wire.ask("silent")
        with pytest.raises(TookTooLong):
            wire.ask("stop")


def test_a_machine_that_goes_off_is_told_from_a_slow_one(tmp_path: Path) -> None:
    with server(tmp_path / "qmp", qemu, GREETING), monitor(tmp_path / "qmp", 5) as wire:
        with pytest.raises(LabError, match="went off") as caught:
            wire.ask("quit")
        assert not isinstance(caught.value, TookTooLong)


def test_answers_to_an_earlier_client_are_passed_over(tmp_path: Path) -> None:
    with server(tmp_path / "agent", guest), agent(tmp_path / "agent", 5) as wire:
        assert wire.ask("guest-exec") == {"pid": 8}


def test_nobody_listens_at_a_machine_that_is_off(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is off"), monitor(tmp_path / "qmp", 5):
        pass
