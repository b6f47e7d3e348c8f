"""How old what apt knows is, for a look that could not refresh it.

apt keeps no record of when a repository was last read in full: a dead one leaves its old lists in place, and the time
of a list is what its server says. What can be told without a doubt is since when a list has been what it is, and which
list is not there. So the age found here is never too young; of a repository that seldom changes it is too old, and the
look says that it is not current.
"""

import re
from datetime import UTC, datetime

from ronde.facts.patch.apt import Source, ask
from ronde.facts.patch.apt import metadata as judged
from ronde.facts.patch.reading import LOOK_LIMIT, not_understood, unusable
from ronde.facts.question import Question
from ronde.model.check import Finding
from ronde.model.command import Answer, Command
from ronde.model.patch.audit import Metadata, RepositoryFault

_LISTS = "cd /var/lib/apt/lists && for f in *_InRelease *_Release; do stat -c '%Z %n' \"$f\" 2>/dev/null; done; exit 0"
_TARGET = re.compile(r"^'([^']+)' (\S+)_InRelease \d+", re.MULTILINE)
_LIST = re.compile(r"^(\d+) (\S+)_(?:In)?Release$", re.MULTILINE)


def targets_question() -> Question:
    """Every repository that is defined, read or not; nothing is fetched."""
    return ask("apt-get", "update", "--print-uris")


def lists_question() -> Question:
    """When each list that is there became what it is (its change time: the other one is its server's)."""
    return Question(Command(("sh", "-c", _LISTS, "ronde"), timeout=LOOK_LIMIT), "stat /var/lib/apt/lists/*Release")


def aged_metadata(sources: tuple[Source, ...] | Finding, targets: Answer, lists: Answer) -> Metadata | Finding:
    """The state of the repositories by the age of their lists; one without a list has never been read."""
    bad = unusable("apt-get", targets) or unusable("stat", lists)
    if bad or (targets.text.strip() and not _TARGET.search(targets.text)):
        return bad or not_understood("apt-get update --print-uris", targets)
    changed = {name: datetime.fromtimestamp(int(at), UTC) for at, name in _LIST.findall(lists.text)}
    wanted = {name: uri.removesuffix("/InRelease") for uri, name in _TARGET.findall(targets.text)}
    never = tuple(RepositoryFault(uri, "it was never read") for name, uri in wanted.items() if name not in changed)
    whole = judged(sources, never, lists)
    if isinstance(whole, Finding):
        return whole
    oldest = min((changed[name] for name in wanted if name in changed), default=None)
    return Metadata(max(whole.repositories, len(wanted)), oldest, whole.faults)
