"""A firewall forgets the link to the broker: packets vanish, nobody says so, and the worker hears again all the same.

The worker lives in a network namespace of its own. nftables there drops every packet of the connections that exist at
that moment, told apart by their ports; new ones pass. No side ever sees a reset.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ronde.model.verdict import Verdict
from tests.e2e.installation import Installation, poll

pytestmark = pytest.mark.serial


class Namespace:
    """A network namespace behind a pair of virtual interfaces; needs root, like the firewall it stands for."""

    def __init__(self) -> None:
        number = os.getpid() % 60
        self.name = f"ronde-{os.getpid()}"
        self.outside, self.inside = f"192.0.2.{4 * number + 1}", f"192.0.2.{4 * number + 2}"
        self._link = f"rd{os.getpid()}"

    def make(self) -> None:
        far = f"{self._link}i"
        for words in (
            f"ip netns add {self.name}",
            f"ip link add {self._link} type veth peer name {far} netns {self.name}",
            f"ip address add {self.outside}/30 dev {self._link}",
            f"ip link set {self._link} up",
            f"ip -n {self.name} address add {self.inside}/30 dev {far}",
            f"ip -n {self.name} link set {far} up",
            f"ip -n {self.name} link set lo up",
        ):
            _do(*words.split())

    def remove(self) -> None:
        subprocess.run(["ip", "link", "delete", self._link], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)

    @property
    def enter(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]

    def links(self, port: int) -> set[str]:
        """Our ports of the connections to a port outside that are open, as the kernel inside sees them."""
        listed = _do(*self.enter, "ss", "-tnH", "state", "established", "dport", "=", f":{port}")
        return set(re.findall(rf"{re.escape(self.inside)}:(\d+)\s", listed))

    def forget(self, ports: set[str]) -> None:
        """Drop every packet of these connections from now on."""
        which = f"{{ {', '.join(sorted(ports))} }}"
        rules = (
            "table inet forgetful {\n"
            f"chain out {{ type filter hook output priority 0; tcp sport {which} counter drop; }}\n"
            f"chain in {{ type filter hook input priority 0; tcp dport {which} counter drop; }}\n"
            "}\n"
        )
        subprocess.run([*self.enter, "nft", "-f", "-"], input=rules, text=True, check=True)

    def dropped(self) -> int:
        """How many packets have vanished."""
        listed = _do(*self.enter, "nft", "list", "table", "inet", "forgetful")
        return sum(int(count) for count in re.findall(r"counter packets (\d+)", listed))


def _do(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace()
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.fixture
def behind(namespace: Namespace, tmp_path: Path) -> Iterator[Installation]:
    """An installation whose broker and host are reached through the namespace's link."""
    with Installation(tmp_path, namespace.outside) as installation:
        installation.add_host("srv-1")
        installation.broker.start()
        installation.write_inventory()
        assert installation.ledger.ping()
        yield installation


def test_a_worker_hears_again_after_its_link_was_silently_dropped(behind: Installation, namespace: Namespace) -> None:
    (worker,) = behind.start_workers("one", via=namespace.enter)
    behind.start_beat()
    first = behind.finished(behind.order())
    assert first.verdict is Verdict.OK
    links = namespace.links(behind.broker.port)
    assert links
    namespace.forget(links)
    run = behind.order()
    record = behind.finished(run, within=45)
    assert (record.verdict, record.jobs[0].attempt) == (Verdict.OK, 1)
    assert namespace.dropped() > 0
    assert worker.alive
    poll(lambda: not namespace.links(behind.broker.port) & links, within=60, what="the dead links are given up")
    assert behind.finished(behind.order()).verdict is Verdict.OK
