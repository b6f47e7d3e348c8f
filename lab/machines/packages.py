"""The two package repositories of one machine, and what is in them now.

The machine's apt knows these two and no others (`customize.sh`), so that `apt-get update` needs no network: `main` and
`security` say of themselves what Debian's own do, `Debian:stable` and `Debian-Security:stable-security` in what
`apt-get -s` prints. They are not signed; the machine is told to trust them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.machines.debs import Deb, Repository
from lab.machines.scenarios import SCENARIOS, Scenario

INSIDE = "/srv/packages"
"""Where a machine sees its repositories; read-only."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Both repositories, in `directory`; what is built is marked with `mark`."""

    directory: Path
    mark: Path

    def publish(self) -> None:
        """Write both indexes anew."""
        for security in (False, True):
            present = {deb.file_name: deb for deb in self._present(security)}
            self._repository(security).publish(present)

    def add(self, scenario: Scenario) -> list[str]:
        """Offer a scenario's packages; return where a machine finds those to be installed before."""
        for security, deb in _placed(scenario):
            folder = self._repository(security).directory
            folder.mkdir(parents=True, exist_ok=True)
            deb.build(folder, self.mark)
        self.publish()
        return [f"{INSIDE}/main/{deb.file_name}" for deb in scenario.installed]

    def remove(self, scenario: Scenario) -> None:
        """Offer a scenario's packages no longer."""
        for security, deb in _placed(scenario):
            (self._repository(security).directory / deb.file_name).unlink(missing_ok=True)
        self.publish()

    def _present(self, wanted: bool) -> Iterator[Deb]:  # noqa: FBT001 - which of the two repositories
        folder = self._repository(wanted).directory
        for scenario in SCENARIOS.values():
            for security, deb in _placed(scenario):
                if security == wanted and (folder / deb.file_name).exists():
                    yield deb

    def _repository(self, security: bool) -> Repository:  # noqa: FBT001 - the same
        if security:
            return Repository(self.directory / "security", "Debian-Security", "stable-security", "bookworm-security")
        return Repository(self.directory / "main", "Debian", "stable", "bookworm")


def _placed(scenario: Scenario) -> Iterator[tuple[bool, Deb]]:
    """Every package of a scenario, and whether it lies in the security repository."""
    yield from ((False, deb) for deb in scenario.installed)
    yield from ((scenario.security, deb) for deb in scenario.offered)
