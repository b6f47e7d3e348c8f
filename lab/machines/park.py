"""Several machines that boot side by side and open to one client key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.keys import client_key
from lab.machines.hypervisor import cut_power
from lab.machines.machine import Machine


@dataclass
class MachinePark:
    """Machines below `directory`, up for the length of the context.

    Attributes:
        names: their names.
        network: the first three numbers of their addresses, which are .1 for the first machine and so on.
        options: what each is made with, as `Machine` takes it.
        machines: the machines by name.
    """

    directory: Path
    names: Sequence[str]
    network: str = "127.79.0"
    options: Mapping[str, Any] = field(default_factory=dict)
    machines: Mapping[str, Machine] = field(init=False)

    def __post_init__(self) -> None:
        line = client_key(self.directory)[1]
        usual = {"authorized_keys": [line], "mark": self.directory.resolve()}
        self.machines = {
            name: Machine(name, self.directory / name, f"{self.network}.{number}", **{**usual, **self.options})
            for number, name in enumerate(self.names, 1)
        }

    @property
    def key(self) -> Path:
        """The private key that opens all of them."""
        return client_key(self.directory)[0]

    def __enter__(self) -> Self:
        try:
            for machine in self.machines.values():
                machine.launch()
            for machine in self.machines.values():
                machine.await_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cut the power of all machines."""
        cut_power([machine.hypervisor for machine in self.machines.values()])
