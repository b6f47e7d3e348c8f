"""Who acts: the login session, then sudo where it can have been sudo, then the process; never what `$USER` says."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.adapters.identity import UNSET, Actor, How, Machine, who_acts

RONDE, ALICE, BOB = 990, 1001, 1002
NAMES = {0: "root", RONDE: "ronde", ALICE: "alice", BOB: "bob"}
DATA = Path("/var/lib/ronde")


def machine(
    *, loginuid: str = str(UNSET), sudo: str | None = None, user: int = BOB, owner: int | None = RONDE
) -> Machine:
    environment = {"USER": "alice", "LOGNAME": "alice", "USERNAME": "alice"}
    if sudo is not None:
        environment |= {"SUDO_UID": sudo, "SUDO_USER": "alice"}
    return Machine(lambda: loginuid, environment, lambda: user, lambda: user, lambda _path: owner, NAMES.get)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        # the kernel's word stands, whatever sudo and the process say
        (machine(loginuid="1001\n", sudo="1002", user=RONDE), Actor("alice", ALICE, How.LOGIN, RONDE)),
        (machine(loginuid="1002", user=0), Actor("bob", BOB, How.LOGIN, 0)),
        (machine(loginuid="0", user=0), Actor("root", 0, How.LOGIN, 0)),
        # no login: sudo, where it can have been sudo
        (machine(sudo="1001", user=RONDE), Actor("alice", ALICE, How.SUDO, RONDE)),
        (machine(sudo="1001", user=0), Actor("alice", ALICE, How.SUDO, 0)),
        (machine(sudo="1001", user=0, owner=None), Actor("alice", ALICE, How.SUDO, 0)),
        # and not where anybody may have written the variable
        (machine(sudo="1001", user=BOB), Actor("bob", BOB, How.PROCESS, BOB)),
        (machine(sudo="1001", user=BOB, owner=None), Actor("bob", BOB, How.PROCESS, BOB)),
        (machine(sudo="1001", user=RONDE, owner=None), Actor("ronde", RONDE, How.PROCESS, RONDE)),
        # a service, a container
        (machine(user=RONDE), Actor("ronde", RONDE, How.PROCESS, RONDE)),
        (machine(loginuid="", user=0), Actor("root", 0, How.PROCESS, 0)),
        # an account that the passwd database does not know
        (machine(loginuid="1234"), Actor("uid:1234", 1234, How.LOGIN, BOB)),
    ],
)
def test_who_acts(seen: Machine, expected: Actor) -> None:
    assert who_acts(DATA, seen) == expected


@pytest.mark.parametrize("text", ["", "alice", "-1", "4294967295", "4294967296", "1001 0", "\u0661", "0x3e9", "1e3"])
def test_what_is_no_number_of_a_user_is_not_believed(text: str) -> None:
    assert who_acts(DATA, machine(loginuid=text)).how is How.PROCESS
    assert who_acts(DATA, machine(sudo=text, user=0)).how is How.PROCESS


@given(st.dictionaries(st.sampled_from(["USER", "LOGNAME", "SUDO_USER", "SUDO_UID", "SUDO_GID"]), st.text()))
def test_an_environment_that_somebody_wrote_himself_changes_nothing(environment: dict[str, str]) -> None:
    seen = Machine(lambda: "", environment, lambda: BOB, lambda: BOB, lambda _path: RONDE, NAMES.get)
    assert who_acts(DATA, seen) == Actor("bob", BOB, How.PROCESS, BOB)


def test_rights_are_lent_where_the_process_has_another_s() -> None:
    assert who_acts(DATA, machine(loginuid="1001", user=RONDE)).lent
    assert not who_acts(DATA, machine(loginuid="1002")).lent


def test_this_machine_answers_as_its_kernel_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "mallory")
    monkeypatch.delenv("SUDO_UID", raising=False)
    path = Path("/proc/self/loginuid")
    login = int(path.read_text()) if path.exists() else UNSET
    actor = who_acts(tmp_path)
    assert (actor.uid, actor.account) == (os.getuid() if login == UNSET else login, os.geteuid())
    assert actor.login == pwd.getpwuid(actor.uid).pw_name


def test_the_owner_of_a_directory_that_is_not_there_is_nobody(tmp_path: Path) -> None:
    real: Callable[[Path], int | None] = Machine().owner
    assert real(tmp_path) == os.geteuid()
    assert real(tmp_path / "none") is None


def test_an_account_without_a_name_has_a_number() -> None:
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    free = next(uid for uid in range(60_000, 65_000) if uid not in taken)
    assert Machine().name(free) is None
