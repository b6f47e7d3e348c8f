"""The snapshot check of a whole vCenter, against one bare RetrievePropertiesEx and against naive lazy access."""

import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim, vmodl

from bench.figures import Figure, Goal, ratios
from bench.measuring import cpu, rounds
from bench.sampler import watched
from bench.scale import Scale
from lab.vcenter import VCenterServer
from ronde.adapters.clock import SystemClock
from ronde.adapters.vsphere import PyVmomiVCenters
from ronde.engine.machines import MachinesRequest, check_machines
from ronde.facts import vsphere as facts
from ronde.model.inventory import Client
from ronde.model.inventory import VCenter as Entry

_CALLS = Goal(8)
_CPU = Goal(1.3)
_PAGE = 500  # machines in one answer, for everybody
_FURTHER = "ContinueRetrievePropertiesEx"
_WITH_SNAPSHOT = 10  # every so many machines has one
_SAMPLE = 100  # machines that lazy access is tried on
_PATHS = [*facts.SLIM_PATHS, *facts.DETAIL_PATHS]
_Collector: Any = vmodl.query.PropertyCollector


@dataclass(frozen=True, slots=True)
class Cost:
    """What one look at all machines cost: calls by the server's count, bytes of its answers, CPU seconds of ours.

    `pages` are the calls that fetched a further page of an answer; `calls` are the others.
    """

    calls: int
    pages: int
    bytes: int
    cpu: float


class NeverStop:
    """A signal that lets everything go on."""

    def check(self) -> None:
        """Nothing stops a benchmark."""


@dataclass(frozen=True, slots=True)
class Password:
    value: str

    def read(self, reference: str) -> bytes:  # noqa: ARG002 - there is only one
        return self.value.encode()


def measure(directory: Path, scale: Scale) -> Sequence[Figure]:
    figures: list[Figure] = []
    for machines in scale.machines:
        with VCenterServer(directory / str(machines), vms=machines) as server:
            names = sorted(server.machines())
            for name in names[::_WITH_SNAPSHOT]:
                server.add_snapshot(name, "before the update", timedelta(days=9))
            figures += _compare(server, machines, scale)
    return figures


def _compare(server: VCenterServer, machines: int, scale: Scale) -> list[Figure]:
    contestants = {
        "ronde": lambda: _ronde(server, machines),
        "bare": lambda: _bare(server),
        "lazy": lambda: _lazy(server, machines),
    }
    contestants["ronde"]()  # pyVmomi loads its types when they are first met; everybody has met them now
    contestants["bare"]()
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}

    def once(name: str) -> Callable[[], float]:
        def run() -> float:
            costs[name].append(_cost(server, contestants[name]))
            return costs[name][-1].cpu

        return run

    taken = rounds({name: once(name) for name in contestants}, scale.rounds)
    ours, bare = costs["ronde"][0], costs["bare"][0]
    part = min(1.0, _SAMPLE / machines)
    lazy = round(costs["lazy"][0].calls / part)
    what = f"snapshots of {machines} VMs"
    sample = "" if part == 1 else f" (from {_SAMPLE} VMs, the rest extrapolated)"
    figures = [
        Figure(
            f"{what}: calls, further pages not counted",
            [float(cost.calls) for cost in costs["ronde"]],
            "calls",
            f"naive lazy access: {lazy}{sample}",
            _CALLS,
            f"and {ours.pages} further pages; the bare fetch {bare.calls} and {bare.pages}",
        ),
        Figure(
            f"{what}: bytes",
            ratios([c.bytes for c in costs["ronde"]], [c.bytes for c in costs["bare"]]),
            "times",
            "one bare RetrievePropertiesEx by pyVmomi, same properties",
            None,
            f"{ours.bytes / 1e6:.1f} MB, bare {bare.bytes / 1e6:.1f} MB, of uncompressed answers",
        ),
        Figure(
            f"{what}: CPU, with rules and evidence",
            ratios(taken["ronde"], taken["bare"]),
            "times",
            "one bare RetrievePropertiesEx by pyVmomi, same properties",
            _CPU,
            f"{taken['ronde'][0]:.2f} s, bare {taken['bare'][0]:.2f} s",
        ),
        Figure(
            f"{what}: CPU, with rules and evidence",
            ratios(taken["ronde"], [spent / part for spent in taken["lazy"]]),
            "times",
            f"naive lazy access{sample}",
            None,
            f"lazy {taken['lazy'][0] / part:.2f} s, without the {lazy} round trips it waits for",
        ),
    ]
    return [one if one.reached in {True, None} else one.explained(watched(contestants["ronde"])) for one in figures]


def _cost(server: VCenterServer, look: Callable[[], object]) -> Cost:
    calls, sent = Counter(server.calls()), server.bytes()
    spent = cpu(look)
    made = Counter(server.calls()) - calls
    pages = made.pop(_FURTHER, 0)
    return Cost(made.total(), pages, server.bytes() - sent, spent)


def _ronde(server: VCenterServer, machines: int) -> None:
    """The product's whole check: open a session, two passes, every rule, reconciliation, evidence, log out."""
    clock = SystemClock()
    entry = Entry(
        address=server.address,
        port=server.port,
        user=server.user,
        password="env://BENCH",
        certificate=server.certificate.name,
    )
    client = Client(client="bench", name="Bench", vcenters={"vc1": entry})
    vcenters = PyVmomiVCenters(Password(server.password), clock, server.certificate.parent)
    with vcenters.open(client, "vc1", NeverStop()) as vcenter:
        checks = check_machines(vcenter, MachinesRequest(client, "vc1", datetime.now(UTC), clock))
    seen = sum(check.kind == "vm" for check in checks)
    if seen != machines:
        raise RuntimeError(f"{seen} of {machines} machines were checked")


def _bare(server: VCenterServer) -> None:
    """One question for the same properties of all machines, and its pages; the answers are thrown away."""
    with _session(server) as (service, view):
        walk = _Collector.TraversalSpec(name="all", type=vim.view.ContainerView, path="view", skip=False)
        start = _Collector.ObjectSpec(obj=view, skip=True, selectSet=[walk])
        wanted = _Collector.PropertySpec(type=vim.VirtualMachine, pathSet=_PATHS, all=False)
        question = _Collector.FilterSpec(objectSet=[start], propSet=[wanted])
        collector = service.content.propertyCollector
        page = collector.RetrievePropertiesEx([question], _Collector.RetrieveOptions(maxObjects=_PAGE))
        while page.token is not None:
            page = collector.ContinueRetrievePropertiesEx(page.token)


def _lazy(server: VCenterServer, machines: int) -> None:
    """Each property of each machine as pyVmomi offers it, which is a call each; of some machines only.

    `snapshot` is left out, in favour of lazy access: the simulator dies when it is asked for alone and there is none.
    """
    tops = sorted({path.partition(".")[0] for path in _PATHS} - {"snapshot"})
    with _session(server) as (_, view):
        for machine in view.view[: min(machines, _SAMPLE)]:
            for name in tops:
                getattr(machine, name)


@contextmanager
def _session(server: VCenterServer) -> Iterator[tuple[Any, Any]]:
    """A connection as pyVmomi makes it, with the certificate pinned as well, and a view of all machines."""
    context = ssl.create_default_context(cafile=str(server.certificate))
    service = SmartConnect(  # type: ignore[no-untyped-call] # pyVmomi
        host=server.address, port=server.port, user=server.user, pwd=server.password, sslContext=context
    )
    try:
        content = service.RetrieveContent()
        yield service, content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], recursive=True)
    finally:
        Disconnect(service)  # type: ignore[no-untyped-call] # pyVmomi
