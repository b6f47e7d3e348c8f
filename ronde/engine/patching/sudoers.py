"""Which exact lines of sudoers let an ordinary user patch a host with apt; packages come on standard input.

The lines are exact, and what they allow is root's all the same: whoever may install any package may do anything.
dnf, dnf5 and zypper answer root alone; on their hosts a run logs in as root.
"""

from collections.abc import Iterator

from ronde.engine.patches import sudoers_lines as audit_lines
from ronde.engine.patching.apt import AptTool
from ronde.engine.patching.running import limit_for
from ronde.engine.patching.tools import Wanted
from ronde.engine.procedure.reboots import ORDER
from ronde.engine.procedure.showing import reboot_command
from ronde.facts.detached import sudoers_line
from ronde.facts.patch.feeding import Fed
from ronde.model.command import Answer
from ronde.model.patch.audit import Integrity
from ronde.model.patch.packages import Database, Entry, Package, State, Transaction

_ANY = Package("any", "all", "1")
_HALF = Database((Entry(_ANY, State.BROKEN, "iHR"),))  # with one package of each kind that is mended by itself
_PLANS = (Transaction(new_dependencies=(_ANY,)), Transaction(new_dependencies=(_ANY,), remove=(_ANY,)))


def patch_sudoers(user: str, timeout: float) -> Iterator[str]:
    """The lines for a patch step of so many seconds.

    Raises:
        InputError: the user is no plain name.
    """
    yield from audit_lines(user)
    for order in _orders():
        yield sudoers_line(user, order.line(sudo=True), limit_for(order, timeout), order.env)
    yield sudoers_line(user, reboot_command(become=True), ORDER)


def _orders() -> Iterator[Fed]:
    """Every command that a run may give to sudo, whatever the packages: only the fixed part stands in the line."""
    tool = AptTool(_nobody)
    yield from (tool.apply(Wanted(()), plan) for plan in _PLANS)
    yield from tool.recovery(_HALF, Integrity())
    marks = tool.marks(_PLANS[0], ())
    if marks is not None:
        yield marks


def _nobody(*_: object) -> list[Answer]:
    raise AssertionError("no host is asked for the words of a command")
