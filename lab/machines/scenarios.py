"""What can come of an update, by name: the packages installed before, those offered, and what must be expected."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from lab.errors import LabError
from lab.machines.debs import Deb


@dataclass(frozen=True, slots=True)
class Scenario:
    """One update to come.

    Attributes:
        name: what `Machine.offer` is given.
        summary: what a right tool sees or suffers.
        installed: the packages the machine has before; the main repository still has them.
        offered: their updates, and what these need.
        security: whether the security repository offers them; the main one otherwise.
        held: packages on hold.
        edited: configuration files an administrator has changed (path to content).
    """

    name: str
    summary: str
    installed: tuple[Deb, ...]
    offered: tuple[Deb, ...]
    security: bool = False
    held: tuple[str, ...] = ()
    edited: Mapping[str, str] = field(default_factory=dict)

    @property
    def packages(self) -> list[str]:
        """The names of all packages it knows."""
        return sorted({deb.name for deb in (*self.installed, *self.offered)})


_REBOOT_REQUIRED = """\
if [ "$1" = configure ]; then
    echo '*** System restart required ***' >/run/reboot-required
    echo lab-kernel >>/run/reboot-required.pkgs
fi"""
_REBOOT_FORGOTTEN = 'if [ "$1" = purge ]; then rm -f /run/reboot-required /run/reboot-required.pkgs; fi'
_VERSION = "/usr/share/lab-postinst/version"
_HESITANT = """\
echo "lab: $DPKG_MAINTSCRIPT_NAME of $DPKG_MAINTSCRIPT_PACKAGE" >/dev/console 2>/dev/null || :
sleep 3"""
_CONF = "/etc/lab-conffile/lab.conf"


def _plain() -> Iterator[Scenario]:
    """Updates that go well, at once."""
    yield Scenario(
        "simple-update",
        "a newer version in main",
        (Deb("lab-simple", "1.0-1"),),
        (Deb("lab-simple", "1.1-1"),),
    )
    yield Scenario(
        "security-update",
        "a newer version in security",
        (Deb("lab-security", "1.0-1"),),
        (Deb("lab-security", "1.0-1+deb12u1"),),
        security=True,
    )


def _long() -> Iterator[Scenario]:
    """Updates that take their time, so that something can happen meanwhile."""
    yield Scenario(
        "slow-update",
        "it takes three seconds to be configured: time for something to happen meanwhile",
        (Deb("lab-slow", "1.0-1"),),
        (Deb("lab-slow", "1.1-1", scripts={"postinst": "sleep 3"}),),
    )
    yield Scenario(
        "long-update",
        "it takes half a minute to be configured, as a server's usual round of updates does",
        (Deb("lab-long", "1.0-1"),),
        (Deb("lab-long", "1.1-1", scripts={"postinst": "sleep 30"}),),
    )
    yield Scenario(
        "hesitant-scripts",
        "each script of the update says on the console that it runs, and takes three seconds: time to cut the power",
        (Deb("lab-hesitant", "1.0-1", files={"/usr/share/lab-hesitant/version": "1.0\n"}),),
        (
            Deb(
                "lab-hesitant",
                "1.1-1",
                files={"/usr/share/lab-hesitant/version": "1.1\n"},
                scripts={"preinst": _HESITANT, "postinst": _HESITANT},
            ),
        ),
    )
    yield Scenario(
        "hanging-postinst",
        "apt-get never ends",
        (Deb("lab-hanging", "1.0-1"),),
        (Deb("lab-hanging", "1.1-1", scripts={"postinst": "exec sleep infinity"}),),
    )


def _failing() -> Iterator[Scenario]:
    """Updates whose scripts fail."""
    yield Scenario(
        "failing-postinst",
        "apt-get exits with 100, and the package stays half configured (iF)",
        (Deb("lab-postinst", "1.0-1", files={_VERSION: "1.0\n"}),),
        (
            Deb(
                "lab-postinst",
                "1.1-1",
                files={_VERSION: "1.1\n"},
                scripts={"postinst": "echo 'lab-postinst: no' >&2; exit 1"},
            ),
        ),
    )
    yield Scenario(
        "failing-preinst",
        "apt-get exits with 100, and the old version stays (ii)",
        (Deb("lab-preinst", "1.0-1"),),
        (Deb("lab-preinst", "1.1-1", scripts={"preinst": "echo 'lab-preinst: no' >&2; exit 1"}),),
    )


def _kept_back() -> Iterator[Scenario]:
    """Updates that a careless run leaves out, or that take something with them."""
    yield Scenario(
        "held-package",
        "an administrator holds the old version: it is kept back",
        (Deb("lab-held", "1.0-1"),),
        (Deb("lab-held", "1.1-1"),),
        held=("lab-held",),
    )
    yield Scenario(
        "new-dependency",
        "kept back by a bare upgrade, installed by one with --with-new-pkgs",
        (Deb("lab-growing", "1.0-1"),),
        (Deb("lab-growing", "1.1-1", {"Depends": "lab-grown"}), Deb("lab-grown", "1.0-1")),
    )
    yield Scenario(
        "removes-package",
        "only a full upgrade installs it, and that removes lab-legacy",
        (Deb("lab-legacy", "1.0-1"), Deb("lab-modern", "1.0-1")),
        (Deb("lab-modern", "2.0-1", {"Conflicts": "lab-legacy"}),),
    )
    yield Scenario(
        "phased-update",
        "offered to nobody yet (Ubuntu's Phased-Update-Percentage): deferred, which is not missing",
        (Deb("lab-phased", "1.0-1"),),
        (Deb("lab-phased", "1.1-1", {"Phased-Update-Percentage": "0"}),),
    )


def _leaving() -> Iterator[Scenario]:
    """Updates that leave something to be seen to."""
    yield Scenario(
        "conffile-change",
        "the update brings another configuration file than the one an administrator has changed: dpkg asks",
        (Deb("lab-conffile", "1.0-1", files={_CONF: "limit = 10\n"}),),
        (Deb("lab-conffile", "1.1-1", files={_CONF: "limit = 20\n"}),),
        edited={_CONF: "limit = 15\n"},
    )
    yield Scenario(
        "reboot-required",
        "/run/reboot-required and its .pkgs are there afterwards",
        (Deb("lab-kernel", "6.1-1"),),
        (Deb("lab-kernel", "6.2-1", scripts={"postinst": _REBOOT_REQUIRED, "postrm": _REBOOT_FORGOTTEN}),),
    )


SCENARIOS = {scenario.name: scenario for scenario in chain(_plain(), _long(), _failing(), _kept_back(), _leaving())}


def known_scenario(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        LabError: there is none.
    """
    if name not in SCENARIOS:
        raise LabError(f'"{name}" is no scenario of the lab\'s packages; it knows {", ".join(SCENARIOS)}')
    return SCENARIOS[name]
