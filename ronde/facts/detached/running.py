"""What runs on a host by itself: the runner of a detached command, what watches its limit, and the command's first act.

POSIX sh, tried with dash and with BusyBox. On the host each is a file in the step's folder, so that the process list
shows a path, not a page. None holds a single quote: each travels as a quoted argument, quoting a quote costs five
characters, and the whole line may not exceed 128 KiB.
"""

START_GRACE = 30  # seconds a launched runner may take to begin; later it does nothing
LOST_GRACE = 60  # seconds after which a step without a runner is broken; well beyond START_GRACE, so it stays so
KILL_GRACE = 10  # seconds between asking a command to end at its limit and killing it
LINGER = 2  # seconds granted after the command's end while something else still holds its output open

# `up` sets u, the uptime in 1/100 s. `record` writes a small file so that it is there whole or not at all; `keep` also
# so that a power cut does not undo it (sync of old coreutils and BusyBox takes no file, but then syncs everything).
# `look` reads the state, session and start ticks of a process; a name may hold spaces, brackets and line ends.
BASE = """\
up() { read -r u _ </proc/uptime; u=${u%.*}${u#*.}; u=${u#0}; u=${u#0}; u=${u:-0}; }
flush() { sync "$@" 2>/dev/null || sync; }
record() { printf "%s\\n" "$2" >"$1.tmp" && mv -f "$1.tmp" "$1"; }
keep() { printf "%s\\n" "$2" >"$1.tmp" && flush "$1.tmp" && mv -f "$1.tmp" "$1" && flush "${1%/*}"; }
nap() { sleep "$1" 2>/dev/null || sleep 1; }
look() {
  s=
  { while IFS= read -r l || [ -n "$l" ]; do s="$s $l"; done <"/proc/$1/stat"; } 2>/dev/null
  [ -n "$s" ] || return 1
  s=${s##*) }; set -- $s
  state=$1 session=$4 ticks=${20}
  case $state in Z|X) return 1;; esac
}
alive() { [ -n "$2" ] && look "$1" && [ "$ticks" = "$2" ]; }
"""

# Ends the session of the command: `members` sets m to its living processes, `hit` signals them and the leader's group.
# A leader with other start ticks is a stranger with a used pid.
ENDING = """\
members() {
  m=
  [ -n "$pid" ] || return 0
  if look "$pid" && [ "$ticks" != "$since" ]; then return 0; fi
  for p in /proc/[0-9]*; do
    if look "${p#/proc/}" && [ "$session" = "$pid" ]; then m="$m ${p#/proc/}"; fi
  done
}
hit() {
  members
  if [ -n "$m" ]; then kill -"$1" "-$pid"; for p in $m; do kill -"$1" "$p"; done; fi 2>/dev/null
}
gone() {
  up; till=$((u + $1 * 100))
  while members; [ -n "$m" ]; do
    up; [ "$u" -lt "$till" ] || return 1
    [ -z "$2" ] || hit "$2"
    nap 0.1
  done
}
"""

# The command itself, at the head of its own session. It looks for `stop` after it is known by its pid, and who stops
# writes `stop` before looking for the pid: one of the two sees the other.
CHILD = (
    BASE
    + """\
D=$1 mask=$2; shift 2
umask 077
look $$ && record "$D/child" "$$ $ticks" || exit 125
[ ! -e "$D/stop" ] || exit 143
umask "$mask"
exec "$@"
"""
)

WATCH = (
    BASE
    + ENDING
    + f"""\
sleep "$2"
read -r pid since <"$1/child"
members
[ -n "$m" ] || exit 0
: >"$1/limit"
hit TERM
gone {KILL_GRACE} "" || {{ hit KILL; gone 3 KILL; }}
"""
)

# Runs the command and keeps its exit status. The output goes through pipes, whose readers drop what exceeds the cap and
# live on as long as anything writes to them: nothing ever blocks on us or is ended by us. dd copies what there is at a
# time (head would hold it back until its buffer is full; dd with a larger count counts a short read as a block and ends
# too soon); after little it waits, so that a slow talker does not cost a process for each line.
RUNNER = (
    BASE
    + f"""\
D=$1 in=$2 limit=$3 cap=$4 mask=$5 began=$6; shift 6
umask 077
mkdir "$D/claim" 2>/dev/null || exit 0
up
if [ $((u - began)) -gt {START_GRACE}00 ]; then [ "$in" = - ] || rm -f "$in"; exit 0; fi
look $$ && record "$D/runner" "$$ $ticks" || exit 1
if [ "$in" = - ]; then exec 3</dev/null; else exec 3<"$in"; rm -f "$in"; fi
mkfifo "$D/out.pipe" "$D/err.pipe" || exit 1
take() {{
  n=0
  while l=$((cap - n)); [ "$l" -gt 0 ]; do
    [ "$l" -le 65536 ] || l=65536
    dd bs="$l" count=1 >>"$D/$1" 2>/dev/null || {{ : >"$D/$1.cut"; break; }}
    s=$(wc -c <"$D/$1")
    [ "$s" -gt "$n" ] || break
    [ $((s - n)) -ge 4096 ] || nap 0.1
    n=$s
  done
  [ "$(head -c 1 | wc -c)" -eq 0 ] || : >"$D/$1.cut"
  cat >/dev/null
  : >"$D/$1.done"
}}
take out <"$D/out.pipe" 3<&- &
take err <"$D/err.pipe" 3<&- &
up; start=$u
setsid sh "$D/begin.sh" "$D" "$mask" "$@" <&3 >"$D/out.pipe" 2>"$D/err.pipe" 3<&- & c=$!
exec 3<&-
setsid sh "$D/watch.sh" "$D" "$limit" </dev/null & w=$!
wait "$c"; status=$?
up; spent=$((u - start))
if [ -e "$D/limit" ]; then wait "$w"; else kill -KILL "-$w" || kill -KILL "$w"; fi 2>/dev/null
n=0 open=1
while [ "$n" -lt {LINGER * 20} ]; do
  if [ -e "$D/out.done" ] && [ -e "$D/err.done" ]; then open=0; break; fi
  n=$((n + 1)); nap 0.05
done
rm -f "$D/out.pipe" "$D/err.pipe"
l=$(stat -c %s "$D/out" "$D/err")
flush "$D/out" "$D/err"
keep "$D/end" "$status $spent ${{l%%[!0-9]*}} ${{l##*[!0-9]}} $open $(date +%s)"
"""
)

# A scope, not a service: the runner stays our child, so systemd neither expands the arguments nor holds the input, and
# the unit only takes it out of the login session, whose end may be the end of all that is in it.
SCOPE = """\
unit=$1; shift
systemd-run --scope --unit="$unit" --description="${unit%.scope}" --collect --quiet -- "$@" || "$@"
"""
