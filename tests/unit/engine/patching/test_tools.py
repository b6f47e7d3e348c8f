"""The managers in the hands of a run: what they order of a host, without any host."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ronde.engine.patching.apk import ApkTool
from ronde.engine.patching.rpm import Dnf5Tool, DnfTool, ZypperTool
from ronde.engine.patching.tools import Tool, Wanted
from ronde.facts.patch import zypper_run
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer
from ronde.model.patch.packages import Change, Database, Entry, Package, Transaction

AT = datetime(2026, 11, 27, 20, tzinfo=UTC)
PLAN = Transaction(upgrade=(Change("beta", "noarch", "1.0-1", "1.1-1"), Change("alpha", "noarch", "1.0-1", "1.1-1")))


def saying(text: str, errors: str = "", status: int = 0) -> Callable[..., list[Answer]]:
    """A host that gives this answer to every question."""

    def ask(*questions: Question) -> list[Answer]:
        return [Answer(question.command, status, text.encode(), errors.encode(), AT, AT) for question in questions]

    return ask


def nobody(*_: Question) -> list[Answer]:
    raise AssertionError("no host is asked for the words of a command")


@pytest.mark.parametrize("kind", [DnfTool, Dnf5Tool, ZypperTool, ApkTool])
def test_the_line_of_a_run_is_the_same_whatever_the_packages_are(kind: type[Tool]) -> None:
    one, other = (
        kind(nobody).apply(Wanted((Package(name, "noarch", "1.1-1"),)), PLAN) for name in ("alpha", "a-very-long-name")
    )
    assert one.line(sudo=True) == other.line(sudo=True)
    assert one.words != other.words


def test_zypper_gets_back_the_marks_of_what_was_named_and_no_others() -> None:
    tool = ZypperTool(saying("# AutoInstalled generated Fri Nov 27 23:51:48 2026\n#\nnewlib\n#\nbeta\n"))
    automatic = tool.automatic()
    assert automatic == {"newlib", "beta"}
    order = tool.marks(PLAN, automatic)
    assert order is not None
    assert (order.argv[-1], order.words) == (zypper_run.AUTO, ("beta",))
    assert tool.marks(PLAN, {"newlib"}) is None


def test_a_list_of_marks_that_cannot_be_read_gives_none_back() -> None:
    assert ZypperTool(saying("", status=1)).automatic() == frozenset()


KERNEL = """\
Package      Arch   Version      Repository Size
Installing:
 kernel-core noarch 0:6.1.0-101. updates    14 B

Transaction Summary:
 Installing:         1 package

"""


@pytest.mark.parametrize(("version", "believed"), [("6.1.0-101.", True), ("6.1.0-101.el9", False)])
def test_a_preview_of_dnf5_names_what_was_asked_for_or_is_not_believed(version: str, *, believed: bool) -> None:
    tool = Dnf5Tool(saying(KERNEL, "Operation aborted by the user.\n", status=1))
    before = Database((Entry(Package("kernel-core", "noarch", "6.1.0-100.el9")),))
    found = tool.preview(Wanted((Package("kernel-core", "noarch", version),)), before)
    assert isinstance(found, Transaction) is believed
    assert believed or (isinstance(found, Finding) and found.rule == "patch-not-understood")
