from collections.abc import Sequence

import pytest

from ronde.engine.hosts import find_host, hosts_on_file, reach
from ronde.model.command import Command
from ronde.model.errors import ConnectionLost, HostKeyChanged, InputError, RondeError, Unreachable
from ronde.model.inventory import Client, Host, Inventory, Provider
from ronde.model.verdict import Verdict
from tests.doubles.shell import Cut, NeverStop, Outcome, Reply, ScriptedShells, WallClock

HOST = Host(address="10.0.0.1", user="ronde", key="env://KEY")
PROVIDER = Provider(name="Us", sender="us@example.org")


def inventory(**clients: Sequence[str]) -> Inventory:
    made = {name: Client(client=name, name=name, hosts=dict.fromkeys(hosts, HOST)) for name, hosts in clients.items()}
    return Inventory(provider=PROVIDER, clients=made)


def test_a_host_is_found_by_its_name_alone_while_that_is_clear() -> None:
    known = inventory(acme=["srv", "db"], other=["db"])
    assert find_host(known, "srv", None).client.client == "acme"
    assert find_host(known, "db", "other").client.client == "other"
    with pytest.raises(InputError, match=r"acme, other.*--client"):
        find_host(known, "db", None)
    with pytest.raises(InputError, match='did you mean "srv"'):
        find_host(known, "srw", None)
    with pytest.raises(InputError, match='did you mean "acme"'):
        list(hosts_on_file(known, "acne"))
    assert len(list(hosts_on_file(known, None))) == 3


@pytest.mark.parametrize(
    ("script", "verdict", "error"),
    [
        ({"date*": lambda _: Reply(f"{WallClock().now().timestamp():.0f}\n")}, Verdict.OK, ""),
        ({"date*": Reply("1000000000\n")}, Verdict.FAILED, "clock-skew"),
        ({"date*": Cut()}, Verdict.UNKNOWN, "backup-unreachable"),
        (Unreachable("srv: no route to host."), Verdict.UNKNOWN, "unreachable"),
        (HostKeyChanged("srv: another key."), Verdict.FAILED, "host-key-changed"),
    ],
)
def test_reaching_a_host_is_judged(script: dict[str, Outcome] | RondeError, verdict: Verdict, error: str) -> None:
    on_file = find_host(inventory(acme=["srv"]), "srv", None)
    reached = reach(ScriptedShells({"srv": script}), on_file, WallClock(), NeverStop())
    assert (reached.verdict, reached.error) == (verdict, error)
    assert reached.words


def test_the_script_breaks_links_as_a_host_would() -> None:
    shells = ScriptedShells({"srv": {"date*": [Reply("1"), Cut("partial")]}})
    on_file = find_host(inventory(acme=["srv"]), "srv", None)
    with shells.open(on_file.client, "srv", NeverStop()) as shell:
        command = Command(("date",))
        assert shell.run(command).text == "1"
        with pytest.raises(ConnectionLost) as caught:
            shell.run(command)
    assert caught.value.exchange is not None
    assert caught.value.exchange.output == b"partial"
