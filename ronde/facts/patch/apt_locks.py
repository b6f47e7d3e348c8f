"""Who holds the locks of dpkg and apt."""

from ronde.facts.patch import file_locks
from ronde.facts.patch.dpkg import LOCKS
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer


def holders_question() -> Question:
    return file_locks.holders_question(LOCKS)


def parse_holders(answer: Answer) -> tuple[str, ...] | Finding:
    return file_locks.parse_holders(answer, LOCKS)
