"""The envelope in which restic and borg run on a host: a private folder, a time limit, the secret on standard input.

The folder is removed whatever happens, also when the connection, the wrapper or the tool is killed: a watchdog in a
session of its own holds the reading end of a pipe whose writing ends are held by the wrapper and the tool alone, so it
wakes up when the last of them is gone. It then passes on the exit status that the wrapper left (137 if it left none).

`timeout -k 30` ends the tool on the host when nobody waits for it any more; our own limit is longer than that.

For borg the tool never sees the real repository but a *view* of it in that folder: a copy of `config`, and symbolic
links to the rest, in folders of their own. Even a reading borg may otherwise write into a repository: it replays
segments whose index was not saved, rebuilds a damaged index, deletes uncommitted segments (those of a backup that is
just running), and `check` rewrites `config` and overwrites the old copy with noise. In the view all that, and the lock,
only ever touches the private folder.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from ronde.facts.question import Question
from ronde.model.command import OUTPUT_CAP, Command

KILL_GRACE = 30  # seconds between asking the tool to stop and killing it
OUR_GRACE = 60.0  # seconds our own limit is longer than the host's; more than KILL_GRACE
NO_PLACE = "ronde: no repository"
NO_ACCESS = "ronde: not readable"
NO_REPOSITORY = "ronde: not a repository"
CHANGING = "ronde: changed while being looked at"
NO_WORKSPACE = "ronde: no private folder"

_STRANGERS = (
    "RESTIC_PASSWORD RESTIC_PASSWORD_FILE RESTIC_PASSWORD_COMMAND RESTIC_REPOSITORY RESTIC_REPOSITORY_FILE "
    "BORG_REPO BORG_PASSPHRASE BORG_PASSCOMMAND BORG_NEW_PASSPHRASE BORG_CACHE_DIR BORG_CONFIG_DIR BORG_SECURITY_DIR "
    "BORG_KEYS_DIR BORG_KEY_FILE"
)

_OPEN = f"""\
umask 077
unset {_STRANGERS}
limit=$1; place=$2; part=$3; of=$4; shift 4
d=$(mktemp -d "${{TMPDIR:-/tmp}}/ronde.XXXXXXXX") || {{ echo "{NO_WORKSPACE}" >&2; exit 125; }}
exec 3>&1
{{
"""

_RUN = """\
{ cat | TMPDIR="$d" timeout -k %(grace)d "$limit" "$@"; echo $? >"$d/rc"; } %(filter)s >&3 3>&-
"""

_CLOSE = """\
} 5>&1 | setsid sh -c 'cat >/dev/null; r=$(cat "$1/rc" 2>/dev/null); rm -rf -- "$1"; exit "${r:-137}"' ronde "$d" 3>&-
"""

# Makes the view of a borg repository. `part` of `of`: only segments whose number falls into that part, and the last
# committed one (its number is the suffix of `index.N`), without which borg would not know where the repository ends.
_VIEW = f"""\
refuse() {{ echo "$1" >&2; echo 125 >"$d/rc"; exit 125; }}
[ -d "$place" ] || refuse "{NO_PLACE}"
real=$(cd -- "$place" 2>/dev/null && pwd -P) || refuse "{NO_ACCESS}"
[ -e "$real/config" ] && [ -d "$real/data" ] || refuse "{NO_REPOSITORY}"
mkdir "$d/view" "$d/base" "$d/view/data"
cp -- "$real/config" "$d/view/config" 2>/dev/null || refuse "{NO_ACCESS}"
last=
for f in "$real"/*; do
  case ${{f##*/}} in
    config|data|lock.*) ;;
    *) ln -s -- "$f" "$d/view/"; case ${{f##*/}} in index.*[!0-9]*) ;; index.*) last=${{f##*.}};; esac ;;
  esac
done
if [ "$of" -le 1 ]; then
  cp -Rs -- "$real/data/." "$d/view/data/" 2>"$d/complaints" || {{
    grep -q "Permission denied" "$d/complaints" && refuse "{NO_ACCESS}"
    refuse "{CHANGING}"
  }}
else
  for f in "$real"/data/*/*; do
    n=${{f##*/}}
    case $n in *[!0-9]*) continue;; esac
    [ "$n" = "$last" ] || [ $((n % of)) -eq $((part - 1)) ] || continue
    s=${{f%/*}}; s=$d/view/data/${{s##*/}}
    [ -d "$s" ] || mkdir "$s"
    ln -s -- "$f" "$s/"
  done
fi
cd "$d"
export BORG_BASE_DIR="$d/base" BORG_PASSPHRASE_FD=0
"""

# For a repository behind ssh://, of which no view can be made: the same private folder, borg's own lock bypass.
_FAR = """\
mkdir "$d/base"
export BORG_BASE_DIR="$d/base" BORG_PASSPHRASE_FD=0
"""

PLAIN, VIEW, FAR = "", _VIEW, _FAR


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a tool is wrapped.

    Attributes:
        secret: what the tool reads from standard input.
        limit: seconds the host grants the tool.
        prepare: `PLAIN`, `VIEW` (of the borg repository at `place`; the tool finds it as `view`) or `FAR`.
        part: which part of how many of the segments the view shows.
        env: harmless variables besides the locale and the zone.
        cap: bytes kept of each stream.
    """

    secret: bytes = field(repr=False)
    limit: int
    prepare: str = PLAIN
    place: str = ""
    part: tuple[int, int] = (1, 1)
    env: tuple[tuple[str, str], ...] = ()
    cap: int = OUTPUT_CAP

    def question(self, argv: Sequence[str], condense: str = "") -> Question:
        """The question that runs `argv` so wrapped; `condense` is fixed shell text, `| …`, never operator text."""
        script = _OPEN + self.prepare + _RUN % {"grace": KILL_GRACE, "filter": condense} + _CLOSE
        wrapped = ("sh", "-c", script, "ronde", str(self.limit), self.place, *map(str, self.part), *argv)
        env = (*Command(()).env, *self.env)
        command = Command(wrapped, stdin=self.secret, timeout=self.limit + OUR_GRACE, cap=self.cap, env=env)
        return Question(command, shlex.join(self._real(word) for word in argv))

    def _real(self, word: str) -> str:
        if self.prepare != VIEW:
            return word
        return self.place + word.removeprefix("view") if word == "view" or word.startswith("view::") else word
