#!/bin/sh
# apk as its documentation describes it, for a machine that is no Alpine: what it says is written after the manual
# pages, and was never compared with the real one. It keeps what is installed in apk's own files; what is offered are
# lines `NAME VERSION HOW` of /srv/apk/offered, HOW being `well`, `fails`, `script` (its script fails) or `brings` (a
# new package comes along). After as many simulations as /srv/apk/patience says, other versions are on offer.
db=/lib/apk/db/installed
wait=0
while :; do
  case $1 in
    --version) echo "apk-tools 2.14.4, compiled for x86_64."; exit ;;
    --wait) wait=$2; shift 2 ;;
    --cache-max-age) shift 2 ;;
    *) break ;;
  esac
done
command=$1
shift

version_of() { awk -v name="$1" -F: '$1 == "P" {p = $2} $1 == "V" && p == name {print $2}' $db; }

record() { # NAME VERSION FLAGS
  awk -v name="$1" -v version="$2" -v flags="$3" -v RS= -v ORS='\n\n' '
    index($0, "P:" name "\n") != 1 {print}
    END {print "P:" name "\nV:" version (flags ? "\nf:" flags : "")}' $db >$db.new && mv $db.new $db
}

steps() { # NAMES: the steps of an upgrade, `ACT NAME VERSION HOW`
  while read -r name version how; do
    before=$(version_of "$name")
    [ -n "$before" ] && [ "$before" != "$version" ] || continue
    case " $* " in "  " | *" $name "*) ;; *) continue ;; esac
    [ "$how" != brings ] || [ -n "$(version_of libnew)" ] || echo "Installing libnew 1.0-r0 well"
    echo "Upgrading $name $version $how"
  done </srv/apk/offered
}

locked() {
  exec 9>>/lib/apk/db/lock
  flock -w "$wait" 9 && return
  echo "ERROR: Unable to lock database: Resource temporarily unavailable" >&2
  echo "ERROR: Failed to open apk database: Resource temporarily unavailable" >&2
  exit 99
}

told() { # NUMBER TOTAL ACT NAME VERSION
  case $3 in Upgrading) change="$(version_of "$4") -> $5" ;; *) change=$5 ;; esac
  echo "($1/$2) $3 $4 ($change)"
}

upgrade() {
  simulate=
  [ "$1" != --simulate ] || { simulate=yes && shift; }
  if [ $simulate ]; then
    left=$(cat /srv/apk/patience 2>/dev/null || echo 99)
    [ "$left" -gt 0 ] || sed -i 's/-r1 /-r2 /' /srv/apk/offered
    echo $((left - 1)) >/srv/apk/patience
  else
    locked
  fi
  steps "$@" >/run/apk.steps
  total=$(wc -l </run/apk.steps) number=0 errors=0
  while read -r act name version how; do
    number=$((number + 1))
    told $number "$total" "$act" "$name" "$version"
    [ ! $simulate ] || continue
    case $how in
      fails) echo "ERROR: $name-$version: package mentioned in index not found (try 'apk update')" >&2 && errors=1 ;;
      script) echo "ERROR: $name-$version.post-upgrade: script exited with error 1" >&2 && errors=1 &&
        record "$name" "$version" s ;;
      *) record "$name" "$version" "" ;;
    esac
  done </run/apk.steps
  [ $simulate ] || [ ! -e /srv/apk/spoils-world ] || echo busybox=1 >>/etc/apk/world
  [ $errors = 0 ] && echo "OK: 12 MiB in $(grep -c ^P: $db) packages" || echo "1 error; 12 MiB in $(grep -c ^P: $db) packages"
  exit $errors
}

case $command in
  update)
    echo "v3.20.3-305-g4f87c8a4 [https://dl-cdn.alpinelinux.org/alpine/v3.20/main]"
    echo "OK: 24172 distinct packages available"
    ;;
  info) awk -F: '$1 == "P" {p = $2} $1 == "V" {print p "-" $2}' $db ;;
  upgrade) upgrade "$@" ;;
  fix)
    locked
    echo fix >>/srv/apk/fixed
    [ -e /srv/apk/unfixable ] || sed -i /^f:/d $db
    echo "OK: 12 MiB in $(grep -c ^P: $db) packages"
    ;;
  *) echo "apk: this double does not know $command" >&2 && exit 1 ;;
esac
