"""The words of a run with apt: exactly what was approved, and what naming it would spoil is put back."""

import pytest

from ronde.facts.patch.apt_run import (
    ENVIRONMENT,
    apply_command,
    auto_command,
    preview_question,
    recovery_commands,
    targets_of,
)
from ronde.facts.patch.apt_simulation import Run, Step, transaction_of
from ronde.model.patch.debian_version import version_key
from ronde.model.patch.packages import Change, Database, Entry, Package, Pending, State, Transaction

APPROVED = Transaction(
    upgrade=(Change("openssl", "amd64", "3.0", "3.1"), Change("zlib1g", "i386", "1:1.2", "1:1.3")),
    new_dependencies=(Package("linux-image-6.1.0-35-amd64", "amd64", "6.1.137-1"),),
)
HALF = Database((Entry(Package("openssl", "amd64", "3.0"), State.BROKEN, "iHR"),))
NATIVE = Entry(Package("dpkg", "amd64", "1.21"))


def words(approved: Transaction) -> list[str]:
    return list(apply_command(approved).argv)


def test_a_run_names_every_package_in_its_version_and_may_remove_nothing() -> None:
    argv = words(APPROVED)
    assert argv[argv.index("install") + 1 :] == [
        "linux-image-6.1.0-35-amd64:amd64=6.1.137-1",
        "openssl:amd64=3.1",
        "zlib1g:i386=1:1.3",
    ]
    assert "--no-remove" in argv
    assert "--allow-downgrades" not in argv
    assert "APT::Install-Recommends=false" in argv


def test_what_was_approved_to_go_or_to_go_back_is_allowed_to() -> None:
    argv = words(Transaction(remove=(Package("old", "all", "1"),), downgrade=(Change("a", "all", "2", "1"),)))
    assert argv[-2:] == ["a:all=1", "old:all-"]
    assert "--no-remove" not in argv
    assert "--allow-downgrades" in argv


def test_preview_and_run_are_said_with_the_same_words() -> None:
    preview = list(preview_question(APPROVED.targets, APPROVED.remove).command.argv)
    run = words(APPROVED)
    assert preview[preview.index("--no-remove") :] == run[run.index("--no-remove") :]
    assert "-s" in preview
    assert "-s" not in run


@pytest.mark.parametrize("command", [apply_command(APPROVED), *recovery_commands(HALF)])
def test_nothing_asks_a_question_or_restarts_a_service_on_its_own(command: object) -> None:
    env = dict(getattr(command, "env", ()))
    assert env == dict(ENVIRONMENT)
    assert (env["DEBIAN_FRONTEND"], env["NEEDRESTART_SUSPEND"]) == ("noninteractive", "1")
    said = " ".join(getattr(command, "argv", ()))
    assert "--force-confdef" in said
    assert "--force-confold" in said


def test_mending_comes_in_two_steps_and_may_remove_nothing() -> None:
    configure, fix = recovery_commands(Database((Entry(Package("openssl", "amd64", "3.1"), State.BROKEN, "iF"),)))
    assert configure.argv[:3] == ("dpkg", "--configure", "-a")
    assert {"--no-remove", "-f", "install"} <= set(fix.argv)


def test_a_package_that_was_being_unpacked_is_installed_anew_by_its_name_alone() -> None:
    configure, anew, fix = recovery_commands(HALF)
    assert anew.argv[-4:] == ("-f", "--reinstall", "install", "openssl:amd64")
    assert "--no-remove" in anew.argv
    assert (configure.argv[0], fix.argv[-1]) == ("dpkg", "install")


def test_what_was_automatic_is_again_and_what_came_along_is_too() -> None:
    command = auto_command(APPROVED, frozenset({"openssl", "nano"}))
    assert command is not None
    assert command.argv == ("apt-mark", "auto", "linux-image-6.1.0-35-amd64:amd64", "openssl:amd64")
    foreign = auto_command(Transaction(upgrade=APPROVED.upgrade), frozenset({"zlib1g:i386"}))
    assert foreign is not None
    assert foreign.argv[2:] == ("zlib1g:i386",)
    assert auto_command(Transaction(upgrade=APPROVED.upgrade), frozenset()) is None


def test_an_update_is_named_by_its_candidate() -> None:
    pending = Pending("openssl", "amd64", "3.0", "3.1", security=True)
    assert targets_of([pending]) == (Package("openssl", "amd64", "3.1"),)


def test_what_goes_gets_its_architecture_from_the_database() -> None:
    both = (Entry(Package("libfoo", "i386", "1")), Entry(Package("libfoo", "amd64", "1")))
    database = Database((NATIVE, *both))
    run = Run((Step("bar", "all", "2", "1", ()),), goes=(("libfoo", "1"), ("libfoo:i386", "1"), ("lost", "9")))
    transaction = transaction_of(run, database)
    assert {package.label for package in transaction.remove} == {"libfoo:amd64", "libfoo:i386", "lost"}
    assert transaction.downgrade == (Change("bar", "all", "2", "1"),)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0~rc1", "1.0"), ("1.0", "1.0a"), ("1.0a", "1.0+"), ("1.9", "1.10"), ("2.0", "1:1.0"), ("1.0-1", "1.0-1.1"),
        ("1.0-1~deb12u1", "1.0-1"), ("1.0-1", "1.0-1+deb12u1"), ("1-0~", "1"), ("6.1.0-9-amd64", "6.1.0-35-amd64"),
        ("6.12.43+deb13-amd64", "6.12.43+deb13.1-amd64"), ("5.15.0-135-generic", "6.8.0-57-generic"),
    ],
)  # fmt: skip
def test_versions_stand_in_dpkg_s_order(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)


@pytest.mark.parametrize(("one", "same"), [("1", "1-0"), ("1.0", "1.00"), ("0:1", "1"), ("1.", "1.0")])
def test_versions_that_dpkg_calls_equal(one: str, same: str) -> None:
    assert version_key(one) == version_key(same)
