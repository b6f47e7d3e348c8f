"""Root's commands under an ordinary user, with the real sudo: allowed by exact lines, limited, and ended.

Each session of the host drops to `nobody`, in a mount namespace of its own where our lines are all of /etc/sudoers.
"""

import os
import shutil
import signal as signals
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ronde.facts.detached import parse_look, stop_question, sudoers_line, with_sudo
from ronde.model.command import Command
from ronde.model.detached import Launch, Standing
from tests.doubles.ssh_hosts import Grounds
from tests.integration.detached.conftest import Target, living, until

HOSTILE = (
    "a,b:c=d",
    "back\\slash \\\\ \\n",
    "* ? [a-z] !x ^y$",
    "#comment",
    "\"quoted\" and 'quoted'",
    "$(id) ${HOME} ; | & < >",
    "  spaces  and more ",
    "-x",
    "%group",
    "",
    "é",
)
BECOMES = "Defaults !pam_session, !pam_setcred"  # nothing to do afterwards: sudo becomes the command
STAYS = "Defaults pam_session"  # sudo stays, and passes signals on


@dataclass
class Site:
    target: Target
    sudoers: Path

    def allow(self, *lines: str) -> None:
        self.sudoers.write_text("".join(f"{line}\n" for line in lines))
        self.sudoers.chmod(0o440)
        subprocess.run(["visudo", "-cqf", str(self.sudoers)], check=True)

    @property
    def sleep(self) -> tuple[str, ...]:
        """A command of this test's own: the line that ends it ends all that look like it."""
        return ("/bin/sh", "-c", "id -u; sleep 300 & echo $! $$; sleep 300", str(self.sudoers))

    def launch(self, limit: int) -> Launch:
        return Launch(self.target.key(), self.sleep, limit=limit, sudo=True)

    def pids(self, launch: Launch) -> list[int]:
        until(lambda: self.target.look(launch.key).out.count(b"\n") == 2)
        user, *pids = map(int, self.target.look(launch.key).out.split())
        assert user == 0
        return pids


@pytest.fixture
def site() -> Iterator[Site]:
    with TemporaryDirectory(prefix="ronde-sudo-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # `nobody` passes through to its home
        grounds = Grounds(folder / "ssh")
        home = folder / "home"
        for made in (grounds.directory, home):
            made.mkdir()
        shutil.chown(home, 65534, 65534)
        become = f"exec setpriv --reuid=65534 --regid=65534 --clear-groups env HOME={home}"
        inner = f'mount --bind {folder}/sudoers /etc/sudoers && cd {home} && {become} sh -c "$SSH_ORIGINAL_COMMAND"'
        with grounds.server("srv", extra_config=[f"ForceCommand exec unshare --mount sh -c '{inner}'"]) as server:
            grounds.hosts["srv"] = grounds.entry(server)
            yield Site(Target(grounds, home, home / ".local/state/ronde/jobs"), folder / "sudoers")


def test_sudo_lets_exactly_that_command_through(site: Site) -> None:
    allowed = ("/usr/bin/printf", "%s|", *HOSTILE)
    site.allow(sudoers_line("nobody", allowed, 30))
    answer = site.target.ask(Command(with_sudo(allowed, 30)))
    assert answer.text == "|".join(HOSTILE) + "|", answer.error_text
    for other in ((*allowed, "more"), (*allowed[:2], "a,b:c=e", *allowed[3:]), ("/usr/bin/id",)):
        assert site.target.ask(Command(with_sudo(other, 30))).exit_status == 1
    assert site.target.ask(Command(with_sudo(allowed, 31))).exit_status == 1


def test_a_pattern_in_an_argument_is_no_pattern_in_sudoers(site: Site) -> None:
    site.allow(sudoers_line("nobody", ("/usr/bin/printf", "%s", "*"), 30))
    assert site.target.ask(Command(with_sudo(("/usr/bin/printf", "%s", "*"), 30))).text == "*"
    assert site.target.ask(Command(with_sudo(("/usr/bin/printf", "%s", "anything"), 30))).exit_status == 1


def test_variables_reach_a_program_behind_sudo(site: Site) -> None:
    env = (("DEBIAN_FRONTEND", "noninteractive"), ("A", "b c"))
    launch = Launch(site.target.key(), ("/usr/bin/env",), env=env, limit=30, sudo=True)
    site.allow(sudoers_line("nobody", launch.argv, 30, env))
    with site.target.carrier() as carrier:
        carried = carrier.carry(launch)
    assert carried.succeeded, carried
    assert {b"DEBIAN_FRONTEND=noninteractive", b"A=b c"} <= set(carried.stdout.splitlines())


@pytest.mark.parametrize("manner", [BECOMES, STAYS])
def test_the_limit_ends_what_is_roots(site: Site, manner: str) -> None:
    site.allow(manner, sudoers_line("nobody", site.sleep, 2))
    with site.target.carrier() as carrier:
        carried = carrier.carry(site.launch(2))
    assert (carried.standing, carried.exit_status, carried.timed_out) == (Standing.ENDED, 124, True), carried
    assert [pid for pid in map(int, carried.stdout.split()[1:]) if living(pid)] == []


@pytest.mark.parametrize("manner", [BECOMES, STAYS])
def test_a_stop_ends_what_is_roots(site: Site, manner: str) -> None:
    launch = site.launch(300)
    site.allow(manner, sudoers_line("nobody", site.sleep, 300))
    site.target.start(launch)
    pids = site.pids(launch)
    look = parse_look(site.target.ask(stop_question(launch, 1).command))
    assert (look.standing, look.stopped, look.left) == (Standing.ENDED, True, ())
    assert [pid for pid in pids if living(pid)] == []


def test_a_stop_that_may_not_end_it_says_so(site: Site) -> None:
    """Only the start is allowed: the second half of the line is missing."""
    launch = site.launch(300)
    site.allow(BECOMES, sudoers_line("nobody", site.sleep, 300).rpartition(", /usr/bin/pkill")[0])
    site.target.start(launch)
    pids = site.pids(launch)
    look = parse_look(site.target.ask(stop_question(launch, 1).command))
    assert (look.standing, look.stopped, look.alive) == (Standing.RUNNING, True, True)
    assert {f"{pid}:0" for pid in pids} <= set(look.left)
    assert all(map(living, pids))
    for word in look.left:
        os.kill(int(word.partition(":")[0]), signals.SIGKILL)


def test_without_a_line_the_command_ends_with_what_sudo_says(site: Site) -> None:
    site.allow("# nothing")
    with site.target.carrier() as carrier:
        carried = carrier.carry(site.launch(30))
    assert (carried.standing, carried.exit_status, carried.timed_out) == (Standing.ENDED, 1, False)
    assert b"sudo" in carried.stderr
