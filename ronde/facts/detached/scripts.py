"""What is asked of a host about detached commands: fixed scripts, POSIX sh, tried with dash and with BusyBox.

What a job leaves on a host, in a folder that only its user may enter (`/var/lib/ronde/jobs/<job>` for root, else
`$HOME/.local/state/ronde/jobs/<job>`):

    .lock          held while something is decided; never while something runs
    .fence         the highest attempt that was seen here
    <step>/        is there from the moment on which the command counts as begun
        began      boot id, uptime (1/100 s), time, fence that started it; on disk before anything is launched
        run.sh     the runner, and what it starts: `begin.sh` becomes the command, `watch.sh` holds it to its limit
        claim/     made by the one runner that runs the command; a second one would find it and leave
        runner     pid and start ticks (field 22 of /proc/PID/stat) of the runner; a pid alone may be somebody else's
        child      the same of the command, which leads a session of its own
        out err    what it wrote, up to the cap; `out.cut`: there was more; `out.done`: its end was reached
        limit stop why it was told to end, if it was
        unit       the systemd unit, where there is one; `launch`: what the launching complained about
        end        exit status, time taken (1/100 s), sizes of out and err, whether they were left open, time

A step's folder is made beside and renamed into place, so it is never there without `began`, but for the empty one of a
step that was told to end before it began, and so never begins. `runner`, `child`, `end`
and `.fence` are written beside and renamed, so they are never there by half.
"""

from ronde.facts.detached.running import BASE, CHILD, ENDING, LOST_GRACE, RUNNER, SCOPE, WATCH
from ronde.model.detached import CLOSED

# Who we are and where things lie; `standing` sets st and what is known of a step, `recorded` sets held.
# Liveness is asked before the end is looked for: a runner that ends in between has written its end by then.
_COMMON = (
    BASE
    + f"""\
mask=$(umask); umask 077
if [ "$(id -u)" -eq 0 ]; then root=1 base=/var/lib/ronde/jobs; else root=0 base=$HOME/.local/state/ronde/jobs; fi
job=$1 step=$2 fence=$3; shift 3
J=$base/$job D=$base/$job/$step
boot=$(cat /proc/sys/kernel/random/boot_id)
say() {{ printf "%s\\n" "ronde-job $*"; exit 0; }}
recorded() {{
  held=0
  [ ! -e "$J/.fence" ] || {{ read -r held <"$J/.fence"; }} 2>/dev/null || held={CLOSED}
}}
lock() {{
  n=0
  exec 9>>"$J/.lock"
  until flock -n 9; do n=$((n + 1)); [ "$n" -le 100 ] || say answer=busy; nap 0.1; done
  recorded
  [ "$held" -le "$fence" ] || say "${{1:-answer}}=fenced" fence="$held"
}}
standing() {{
  st=absent then= at= by= pid= since= live=0 status= spent= out=0 err=0 open=0 finished= age=0
  {{ read -r then began at by <"$D/began"; }} 2>/dev/null || return 0
  st=broken
  if [ "$then" = "$boot" ]; then
    up; age=$((u - began))
    if {{ read -r rp rt <"$D/runner"; }} 2>/dev/null; then
      if alive "$rp" "$rt"; then st=running; fi
    elif [ "$age" -le {LOST_GRACE}00 ]; then st=starting; fi
    if {{ read -r pid since <"$D/child"; }} 2>/dev/null && alive "$pid" "$since"; then live=1; fi
  fi
  if [ -e "$D/end" ]; then st=ended; read -r status spent out err open finished <"$D/end"; return 0; fi
  l=$(stat -c %s "$D/out" "$D/err")
  out=${{l%%[!0-9]*}} err=${{l##*[!0-9]}}
}}
facts() {{
  f="standing=$st fence=$held by=$by then=$then now=$boot at=$at age=$age status=$status spent=$spent"
  f="$f finished=$finished out=$out err=$err open=$open live=$live"
  for n in out.cut err.cut limit stop; do [ ! -e "$D/$n" ] || f="$f $n=1"; done
}}
"""
)

START = (
    _COMMON
    + """\
bytes=$1 limit=$2 cap=$3 runner=$4 watch=$5 child=$6 scope=$7; shift 7
for n in flock setsid mkfifo mktemp stat dd head tail wc sync; do
  command -v "$n" >/dev/null 2>&1 || say answer=unable for="$n"
done
mkdir -p "$J" || say answer=unable for=folder
in=-
if [ "$bytes" -gt 0 ]; then
  in=
  trap "rm -f \\"\\$in\\"" 0
  trap "exit 1" HUP INT PIPE TERM
  for n in "${XDG_RUNTIME_DIR:-}" /run /dev/shm "$J"; do
    if [ "$n" = "$J" ] || [ "$(stat -f -c %T "$n" 2>/dev/null)" = tmpfs ]; then
      in=$(mktemp "$n/.ronde-$job-$step.XXXXXX" 2>/dev/null) && break
    fi
  done
  [ -e "$in" ] || say answer=unable for=input
  cat >"$in"
  [ "$(wc -c <"$in")" -eq "$bytes" ] || say answer=short
fi
lock
[ "$held" -eq "$fence" ] || keep "$J/.fence" "$fence" || say answer=unable for=fence
[ ! -e "$D" ] || say answer=already
N=$J/.new
rm -rf "$N"
up
mkdir "$N" && : >"$N/out" && : >"$N/err" && printf "%s" "$runner" >"$N/run.sh" &&
  printf "%s" "$watch" >"$N/watch.sh" && printf "%s" "$child" >"$N/begin.sh" &&
  keep "$N/began" "$boot $u $(date +%s) $fence" && mv "$N" "$D" && flush "$J" || say answer=unable for=folder
set -- sh "$D/run.sh" "$D" "$in" "$limit" "$cap" "$mask" "$u" "$@"
if [ "$root" -eq 1 ] && [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1; then
  u=${job%"${job#????????}"}
  record "$D/unit" "ronde-$u-$step.scope"
  set -- sh -c "$scope" ronde "ronde-$u-$step.scope" "$@"
fi
setsid "$@" </dev/null >/dev/null 2>"$D/launch" 9>&- &
trap - 0
exec 9>&-
n=0
until [ -e "$D/runner" ] || [ "$n" -ge 100 ]; do n=$((n + 1)); nap 0.05; done
say answer=started
"""
)

LOOK = (
    _COMMON
    + """\
o=$1 e=$2 wait=$3 most=$4
up; till=$((u + wait * 100))
while recorded; standing; do
  [ "$held" -le "$fence" ] || say standing=fenced fence="$held"
  case $st in running|starting) ;; *) break;; esac
  [ "$out" -le "$o" ] && [ "$err" -le "$e" ] || break
  up; [ "$u" -lt "$till" ] || break
  nap 0.2
done
facts
a=$((out - o)) b=$((err - e))
for n in a b; do
  eval "l=\\$$n"
  [ "$l" -le "$most" ] || l=$most
  [ "$l" -ge 0 ] || l=0
  eval "$n=$l"
done
printf "%s\\n" "ronde-job $f sent_out=$a sent_err=$b"
[ "$a" -eq 0 ] || tail -c "+$((o + 1))" "$D/out" | head -c "$a"
[ "$b" -eq 0 ] || tail -c "+$((e + 1))" "$D/err" | head -c "$b"
"""
)

# A step that never began gets an empty folder: a start that is still on its way finds it, and starts nothing.
# What may not be signalled by our user (root's, behind sudo) is left to the remaining arguments, a command that may.
STOP = (
    _COMMON
    + ENDING
    + """\
grace=$1; shift
mkdir -p "$J" || say answer=unable for=folder
lock standing
[ -e "$D" ] || mkdir "$D"
standing
case $st in absent|ended) facts; say "$f";; esac
: >"$D/stop"
exec 9>&-
if [ "$then" = "$boot" ]; then
  if [ "$st" = starting ]; then nap 0.5; fi
  standing
  hit TERM
  [ "$#" -eq 0 ] || "$@" >/dev/null 2>&1
  gone "$grace" "" || { hit KILL; gone 3 KILL; }
  n=0
  while standing; [ "$st" = running ] && [ -z "$m" ] && [ "$n" -lt 100 ]; do n=$((n + 1)); nap 0.1; done
  members
  if [ -z "$m" ] && [ -e "$D/unit" ]; then systemctl kill --signal=KILL "$(cat "$D/unit")" >/dev/null 2>&1; fi
fi
standing; facts
l=
for p in $m; do l="$l,$p:$(stat -c %u "/proc/$p")"; done
say "$f left=${l#,}"
"""
)

RAISE = (
    _COMMON
    + """\
mkdir -p "$J" || say answer=unable for=folder
lock
[ "$held" -eq "$fence" ] || keep "$J/.fence" "$fence" || say answer=unable for=fence
printf "%s\\n" "ronde-job answer=raised fence=$fence"
for D in "$J"/*; do
  standing
  [ "$st" = absent ] || printf "%s\\n" "ronde-step step=${D##*/} standing=$st"
done
"""
)

_SWEEP = """\
sweep() {
  for D in "$J"/*; do
    standing
    case $st in starting|running) return 1;; esac
    [ "$live" -eq 0 ] || return 1
  done
  for D in "$J"/* "$J"/.new; do rm -rf "$D"; done
  rm -f "$J"/.ronde-* "${XDG_RUNTIME_DIR:-/run}/.ronde-$job-"* "/run/.ronde-$job-"* "/dev/shm/.ronde-$job-"*
}
"""

# The folder stays, with the highest fence there is: whoever comes late must still be refused.
TIDY = (
    _COMMON
    + _SWEEP
    + f"""\
[ -d "$J" ] || say answer=tidied
lock
sweep || say answer=running step="${{D##*/}}"
keep "$J/.fence" {CLOSED} || say answer=unable for=fence
say answer=tidied
"""
)

TIDY_OLD = (
    _COMMON
    + _SWEEP
    + """\
n=0
for job in $(find "$base" -mindepth 1 -maxdepth 1 -type d -mtime "+$1" 2>/dev/null); do
  J=$job job=${job##*/}
  exec 9>>"$J/.lock"
  flock -n 9 || continue
  if sweep; then rm -rf "$J"; n=$((n + 1)); fi
done
say answer=tidied count="$n"
"""
)

PARTS = (RUNNER, WATCH, CHILD, SCOPE)
"""What `START` takes as arguments, in its order: scripts get scripts as arguments instead of quoting them."""
