"""The lab as one thing: up, down, break, mend, status."""

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from lab.crew import Crew, undisturbed
from lab.errors import LabError
from lab.faults import known_fault
from lab.inventory import SCHEDULES, Schedules, Writer
from lab.mail import MailSink
from lab.parts import BROKER, DEFAULT_NETWORK, MAIL, Parts, Plan, Server
from lab.process import Process, end, marked
from lab.redis import RedisServer
from lab.spare import Spare
from lab.vcenter import VCenterServer
from lab.vcenter.build import cache_directory

_T = TypeVar("_T")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Part:
    """One server of the lab, for `status`."""

    name: str
    address: str
    port: int
    running: bool


class Lab:
    """The lab in a directory. What is up stays up when this object goes; another on the same directory finds it.

    Args:
        directory: everything of this lab.
        network: first three numbers of its addresses; that of the last `up` (127.77.0 at first) when left out.
        free_ports: whether every server takes a free port: for labs that run beside each other.
        cache: where what takes long to make is kept; `RONDELAB_CACHE` or var/lab/cache of the checkout when left out.
        now: the clock; replaced only by tests.
    """

    def __init__(
        self,
        directory: Path,
        network: str | None = None,
        *,
        free_ports: bool = False,
        cache: Path | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.directory = directory.resolve()
        self._cache = (cache or cache_directory()).resolve()
        self._now = now
        plan = Plan.load(self.directory / "lab.json")
        if plan is None or network not in {None, plan.network}:
            plan = Plan(network=network or DEFAULT_NETWORK, free_ports=free_ports)
        self._parts = Parts(self.directory, plan, self._cache)

    # ------------------------------------------------------------- its parts

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory"

    @property
    def servers(self) -> Mapping[str, Server]:
        """The hosts' SSH servers and machines by host name."""
        return self._parts.servers

    @property
    def mail(self) -> MailSink:
        return _present(self._parts.mail, MAIL)

    @property
    def broker(self) -> RedisServer:
        return _present(self._parts.broker, BROKER)

    @property
    def vcenter(self) -> VCenterServer:
        return _present(self._parts.vcenter, "vCenter")

    @property
    def parts(self) -> Parts:
        return self._parts

    def environment(self) -> dict[str, str]:
        """The RONDE_… variables of an installation that looks after this lab; also in `ronde.env`."""
        return Writer(self._parts, self._now()).settings()

    # -------------------------------------------------------------- its life

    def up(self, only: Sequence[str] = (), *, machines: Sequence[str] = (), schedules: Schedules = SCHEDULES) -> "Lab":
        """Bring the lab up, whole and healthy, whatever state it was in; leaves nothing behind when it cannot.

        Args:
            only: names of hosts, vCenters, `mail`, `broker`; jump hosts come with the hosts behind them. Empty = all.
            machines: names of hosts, wanted as well, that are whole machines with systemd instead of an sshd.
            schedules: what each client's file says under `schedules`.

        Raises:
            LabError: a program is missing, an address is taken, or a server did not come up in time.
        """
        with self._alone():
            try:
                self._sweep()
                self._set_up(only, machines, schedules)
            except BaseException:
                with undisturbed():
                    self._sweep()
                raise
        return self

    def _set_up(self, only: Sequence[str], machines: Sequence[str], schedules: Schedules) -> None:
        plan = replace(self._parts.plan, only=list(only), machines=list(machines))
        self._parts = Parts(self.directory, plan, self._cache)
        services = [part for part in (self._parts.vcenter, self._parts.mail, self._parts.broker) if part is not None]
        with Crew(self.directory, len(services) or 1) as crew:
            for service in services:
                crew.submit(service.start)
            self._parts.lay_out(self._now())
            for server in self._parts.servers.values():
                server.launch()
            for server in self._parts.servers.values():
                server.await_ready()
        self._parts.keep_ports()
        Writer(self._parts, self._now()).write(schedules)

    def down(self) -> None:
        """End all that `up` started, and nothing else; does nothing when nothing runs."""
        with self._alone(), undisturbed():
            self._sweep()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def _sweep(self) -> None:
        """End every process of this lab, those of a lab that crashed included, and undo all faults on files."""
        self._parts.end_hosts()
        end([process for _, process in self._recorded()])
        end(marked(self.directory))
        for target in self._broken():
            self._spare(target).restore()
        for server in self._parts.servers.values():
            server.restore_host_keys()
        if self._parts.mail is not None:
            self._parts.mail.behave("accept")
        (self.directory / "faults.json").unlink(missing_ok=True)

    def _recorded(self) -> Iterator[tuple[str, Process]]:
        for path in self.directory.glob("**/*process"):
            if path.is_file() and (process := Process.load(path)) is not None:
                yield path.parent.name, process

    # ------------------------------------------------------------ its faults

    def break_(self, name: str, on: str | None = None) -> None:
        """Put a fault in; does nothing when it is in. `on` names another backup, host or machine than the usual one.

        Raises:
            LabError: there is no such fault, it does not fit its target, or the lab is not up.
        """
        fault = known_fault(name)
        key = _key(name, on or fault.default)
        with self._alone():
            broken = self._broken()
            if key in broken:
                return
            self._keep_broken({**broken, key: self._now().isoformat()})
            try:
                fault.inflict(self._parts, on or fault.default, self._spare(key), self._now())
            except LabError:
                self._spare(key).restore()
                self._keep_broken(broken)
                raise

    def mend(self, name: str, on: str | None = None) -> None:
        """Take a fault out; does nothing when it is not in.

        Raises:
            LabError: there is no such fault, or a server did not come back.
        """
        fault = known_fault(name)
        key = _key(name, on or fault.default)
        with self._alone():
            broken = self._broken()
            if key in broken:
                self._spare(key).restore()
                fault.heal(self._parts, on or fault.default, self._now())
                self._keep_broken({other: since for other, since in broken.items() if other != key})

    def faults(self) -> dict[str, datetime]:
        """The faults that are in, as `NAME on TARGET`, and since when."""
        return {key: datetime.fromisoformat(since) for key, since in self._broken().items()}

    def status(self) -> list[Part]:
        """Every server of this lab and whether it runs."""
        parts = self._parts
        services = [(MAIL, parts.mail), (BROKER, parts.broker), ("vc1", parts.vcenter)]
        everything = [*parts.servers.items(), *((name, part) for name, part in services if part is not None)]
        return [Part(name, one.address, one.port, one.process is not None) for name, one in everything]

    def _spare(self, key: str) -> Spare:
        return Spare(self.directory / "spare" / key.replace(" ", "_"))

    def _broken(self) -> dict[str, str]:
        try:
            broken: dict[str, str] = json.loads((self.directory / "faults.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return broken

    def _keep_broken(self, broken: Mapping[str, str]) -> None:
        unfinished = self.directory / "faults.json.new"
        unfinished.write_text(json.dumps(broken, indent=1), encoding="utf-8")
        unfinished.rename(self.directory / "faults.json")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One command at a time on a lab."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _key(fault: str, target: str) -> str:
    return f"{fault} on {target}"


def _present(part: _T | None, name: str) -> _T:
    if part is None:
        raise LabError(f"this lab has no {name}")
    return part
