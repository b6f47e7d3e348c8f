"""Which exact lines of sudoers let an ordinary user audit a host with apt: each for one command that only looks."""

from ronde.engine.patches.apt import MODERN, refresh_question
from ronde.engine.patches.look import FIND, NEEDRESTART
from ronde.facts.detached.sudo import plain_sudoers_line
from ronde.facts.patch.leftovers import DPKG, leftovers_question
from ronde.facts.patch.needrestart import restart_question
from ronde.facts.patch.rights import as_root, sudo_words


def sudoers_lines(user: str) -> tuple[str, ...]:
    """The lines: reading the repositories anew, needrestart (which must be installed), new configuration files.

    dnf, dnf5, zypper and apk answer root alone; on their hosts the audit logs in as root.

    Raises:
        InputError: the user is no plain name.
    """
    asked = (
        refresh_question(MODERN),
        as_root(NEEDRESTART, restart_question()),
        as_root(FIND, leftovers_question(DPKG)),
    )
    return tuple(plain_sudoers_line(user, sudo_words(question)) for question in asked)
