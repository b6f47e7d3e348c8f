"""Commands that run on a host by themselves: started once under a key, followed, found again, ended.

`scripts` says what they leave on the host, `questions` puts the values to them, `answers` reads what comes back.
"""

from ronde.facts.detached.answers import Look, Outcome, Raised, parse_look, parse_outcome, parse_raised
from ronde.facts.detached.questions import (
    LINE_LIMIT,
    SUDO_MARGIN,
    look_question,
    raise_question,
    start_question,
    stop_question,
    tidy_old_question,
    tidy_question,
)
from ronde.facts.detached.running import KILL_GRACE
from ronde.facts.detached.sudo import sudo_stop, sudoers_line, with_sudo

__all__ = [
    "KILL_GRACE",
    "LINE_LIMIT",
    "SUDO_MARGIN",
    "Look",
    "Outcome",
    "Raised",
    "look_question",
    "parse_look",
    "parse_outcome",
    "parse_raised",
    "raise_question",
    "start_question",
    "stop_question",
    "sudo_stop",
    "sudoers_line",
    "tidy_old_question",
    "tidy_question",
    "with_sudo",
]
