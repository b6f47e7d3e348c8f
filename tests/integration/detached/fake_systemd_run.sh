#!/bin/sh
# A FAKE systemd-run, for tests: remembers units, refuses a name that is taken, and runs scopes as the real one does,
# by becoming the command. STATE holds `units/<name>` with the options, and what makes it misbehave:
#   refuse   says that there is no bus, and runs nothing
#   lie      runs the command to its end, and says that it failed all the same
state=$(dirname "$0")/../state
unit=
scope=0
said=$*
while [ "$1" != -- ]; do
    case $1 in
        --unit=*) unit=${1#--unit=} ;;
        --scope) scope=1 ;;
        --collect | --quiet | --description=*) ;;
        *) echo "fake systemd-run: unknown option $1" >&2; exit 1 ;;
    esac
    shift
done
shift
if [ -e "$state/refuse" ]; then echo "Failed to connect to bus" >&2; exit 1; fi
mkdir "$state/units/$unit" 2>/dev/null || { echo "Unit $unit already exists" >&2; exit 1; }
[ "$scope" = 1 ] || { echo "fake systemd-run: only scopes" >&2; exit 1; }
printf '%s\n' "${said%% -- *}" >"$state/units/$unit/options"
if [ -e "$state/lie" ]; then "$@"; echo "Connection timed out" >&2; exit 1; fi
exec "$@"
