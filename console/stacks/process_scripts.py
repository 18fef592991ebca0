"""The sh scripts of the process stack. POSIX sh plus `setsid`, `awk` and a `sleep` that takes tenths (GNU, busybox).

What a process is, is decided by its pid file alone (`console.stacks.layout`): process id, start time and boot id must
agree, so that a number that came to mean somebody else's process is never signalled.
"""

from __future__ import annotations

_LIB = r"""
export LC_ALL=C
read -r boot </proc/sys/kernel/random/boot_id
fields() { state=$1 start=${20}; }
living() {
  pid=
  [ -f "$1/pid" ] || return 1
  read -r p s b <"$1/pid" || return 1
  [ "$b" = "$boot" ] || return 1
  line=$(cat "/proc/$p/stat" 2>/dev/null) || return 1
  fields ${line##*) }
  case $state in Z | X) return 1 ;; esac
  [ "$start" = "$s" ] || return 1
  pid=$p
}
listens() {
  awk -v p="$(printf '%04X' "$1")" '{ n = split($2, a, ":"); if (a[n] == p && $4 == "0A") found = 1 }
    END { exit !found }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
busy() {
  awk -v p="$(printf '%04X' "$1")" '{ n = split($2, a, ":"); if (a[n] == p && $4 == "01") found++ }
    END { print found + 0 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
finish() {
  living "$1" || return 0
  kill -s TERM -- "-$pid" 2>/dev/null
  tenths=$2
  while living "$1"; do
    if [ "$tenths" -eq 0 ]; then kill -s KILL -- "-$pid" 2>/dev/null; fi
    if [ "$tenths" -le -50 ]; then echo "process $pid of $1 cannot be ended" >&2; return 1; fi
    tenths=$((tenths - 1))
    sleep 0.1
  done
}
text() { cat -- "$1" 2>/dev/null; }
"""

_SPAWN = r"""
spawn() {
  here=$1
  shift
  setsid env -i PATH="$PATH" HOME="${HOME:-/}" "$@" </dev/null >>"$here/log" 2>&1 &
  p=$!
  line=$(cat "/proc/$p/stat" 2>/dev/null) || { echo "$1 could not be started" >&2; return 1; }
  fields ${line##*) }
  printf '%s %s %s\n' "$p" "$start" "$boot" >"$here/.pid.new" && mv -f -- "$here/.pid.new" "$here/pid" || return 1
  port=$(text "$here/port")
  tenths=150
  until listens "$port" && living "$here"; do
    if ! living "$here"; then echo "it ended at once; its last words: $(tail -n 3 "$here/log")" >&2; return 1; fi
    if [ "$tenths" -eq 0 ]; then echo "it listens on no port after 15 s" >&2; return 1; fi
    tenths=$((tenths - 1))
    sleep 0.1
  done
}
filled() {
  word=$1
  while :; do
    case $word in
      *'{port}'*) word=${word%%'{port}'*}$port${word#*'{port}'} ;;
      *) break ;;
    esac
  done
}
"""

SWITCH_SCRIPT = (
    "set -u\numask 077\n"
    + _LIB
    + _SPAWN
    + r"""
dir=$1 drain=$2 first=$3 last=$4 routed=$5
shift 5
routes=
while [ "$routed" -gt 0 ]; do
  routes="$routes$1 $2
"
  shift 2
  routed=$((routed - 1))
done
cd -- "$dir" || exit
mkdir -p process || exit

pick() {
  port=$first
  while [ "$port" -le "$last" ]; do
    if ! listens "$port" && ! grep -qsx -- "$port" process/*/port; then return 0; fi
    port=$((port + 1))
  done
  echo "no port between $first and $last is free" >&2
  return 1
}
undo_starts() {
  for service in $started; do
    if finish "process/$service.next" 50; then rm -rf -- "process/$service.next"; fi
  done
  exit 1
}

services='' started=''
while [ $# -gt 0 ]; do
  service=$1 release=$2 label=$3 own=$4 n=$5
  shift 5
  now=process/$service next=process/$service.next
  services="$services $service"
  if living "$now" && [ "$(text "$now/release")" = "$release" ]; then
    echo "$service runs $release already"
    shift "$n"
    continue
  fi
  if living "$next" && [ "$(text "$next/release")" = "$release" ]; then
    shift "$n"
    continue
  fi
  finish "$next" 50 || undo_starts
  rm -rf -- "$next"
  mkdir -p -- "$next" || undo_starts
  port=$own
  if [ "$own" = - ]; then pick || undo_starts; else finish "$now" "$((drain * 10 + 50))" || undo_starts; fi
  printf '%s\n' "$port" >"$next/port" && printf '%s\n' "$release" >"$next/release" || undo_starts
  printf '%s\n' "$label" >"$next/label" || undo_starts
  started="$started $service"
  echo "starting $service of $release on port $port"
  (
    i=0 all=$#
    while [ "$i" -lt "$n" ]; do filled "$1"; shift; set -- "$@" "$word"; i=$((i + 1)); done
    shift $((all - n))
    spawn "$next" "$@"
  ) || { echo "$service of $release did not start" >&2; undo_starts; }
  shift "$n"
done

if [ -n "$routes" ]; then
  mkdir -p proxy || undo_starts
  comma=
  {
    printf '{"routes": ['
    printf '%s' "$routes" | while read -r prefix service; do
      here=process/$service
      case " $started " in
        *" $service "*) here=process/$service.next ;;
        *) if ! living "$here" && living "$here.next"; then here=$here.next; fi ;;
      esac
      printf '%s\n {"prefix": %s, "to": "127.0.0.1:%s"}' "$comma" "$prefix" "$(text "$here/port")"
      comma=,
    done
    printf '\n], "maintenance": null}\n'
  } >proxy/.routes.json.new && mv -f -- proxy/.routes.json.new proxy/routes.json || undo_starts
  echo 'the proxy routes new requests to them'
fi

for service in $services; do
  now=process/$service next=process/$service.next
  if ! living "$next"; then
    rm -rf -- "$next"
    continue
  fi
  if [ "$(text "$now/release")" != "$(text "$next/release")" ] || ! living "$now"; then
    if living "$now"; then
      old=$(text "$now/port")
      tenths=$((drain * 10))
      while [ "$tenths" -gt 0 ] && [ "$(busy "${old:-0}")" -gt 0 ]; do tenths=$((tenths - 1)); sleep 0.1; done
      finish "$now" 50 || exit 1
    fi
    rm -rf -- "$now.old"
    if [ -d "$now" ]; then mv -- "$now" "$now.old" || exit 1; fi
    mv -- "$next" "$now" || exit 1
    rm -rf -- "$now.old"
    echo "$service runs $(text "$now/release")"
  else
    finish "$next" 50 || exit 1
    rm -rf -- "$next"
  fi
done
"""
)
"""Makes services run a release; run again, it goes on from wherever it is.

$1: deploy directory, $2: seconds to drain, $3 and $4: port range, $5: how many routes follow, as `PREFIX SERVICE` with
the prefix as a JSON string, then for each service `NAME RELEASE LABEL PORT|- WORDS word…`; `{port}` in a word is filled
in. New processes start beside the old ones, then the routes file is renamed into place, then the old ones end: once
no connection to their port is open, or the time to drain is over.
"""

REMOVE_SCRIPT = (
    "set -u\n"
    + _LIB
    + r"""
cd -- "$1" || exit
shift
for service; do
  for here in "process/$service.next" "process/$service"; do
    finish "$here" 100 || exit 1
    rm -rf -- "$here"
  done
done
"""
)
"""$1: deploy directory, then services: end their processes and remove their directories."""

VERB_SCRIPT = (
    "set -u\numask 077\n"
    + _LIB
    + _SPAWN
    + r"""
verb=$1 dir=$2 service=$3
shift 3
cd -- "$dir" || exit
here=process/$service
if [ "$verb" = restart ] || [ "$verb" = stop ]; then
  finish "$here" 100 || exit 1
  echo "$service was ended"
fi
if [ "$verb" = stop ]; then
  [ ! -d "$here" ] || : >"$here/stopped"
  exit
fi
rm -f -- "$here/stopped"
if living "$here"; then echo "$service runs already"; exit 0; fi
port=$(text "$here/port")
if [ -z "$port" ]; then echo "$here/port is not there: $service was never started here" >&2; exit 1; fi
if [ -f "$here/log" ]; then mv -f -- "$here/log" "$here/log.old"; fi
i=0 n=$#
while [ "$i" -lt "$n" ]; do filled "$1"; shift; set -- "$@" "$word"; i=$((i + 1)); done
spawn "$here" "$@"
"""
)
"""$1: restart, stop or start, $2: deploy directory, $3: service, then the words that start it."""

LIVE_SCRIPT = (
    _LIB
    + r"""
cd -- "$1" 2>/dev/null || exit 0
shift
for service; do
  here=process/$service
  [ -d "$here" ] || continue
  printf '@@qd:service %s\n' "$service"
  if living "$here"; then printf '|alive %s\n' "$pid"; fi
  for file in port release label; do
    if [ -f "$here/$file" ]; then printf '|%s %s\n' "$file" "$(head -n 1 "$here/$file")"; fi
  done
  made=
  if [ -f "$here/pid" ]; then made=$(date -u -r "$here/pid" +%Y-%m-%dT%H:%M:%SZ); fi
  if [ -n "$made" ]; then printf '|made %s\n' "$made"; fi
  # One that died by itself left nothing that says when.
  if [ -z "$pid" ]; then made=; fi
  if [ -z "$pid" ] && [ -f "$here/stopped" ]; then made=$(date -u -r "$here/stopped" +%Y-%m-%dT%H:%M:%SZ); fi
  if [ -n "$made" ]; then printf '|since %s\n' "$made"; fi
done
"""
)
"""$1: deploy directory, then services."""

GROUND_SCRIPT = r"""
say() { printf '@@qd:%s\n' "$*"; }
body() { sed 's/^/|/'; printf '\n'; }
dir=$1 state=$2 before=$3 after=$4
say directory
if [ -d "$dir" ] && [ -w "$dir" ]; then echo '|writable'; elif [ -d "$dir" ]; then echo '|read-only'; fi
say info; uname -m | body
say disk; df -Pk -- "$dir" 2>/dev/null | tail -n 1 | body
say images
for d in "$before"*"$after"; do if [ -d "$d" ]; then printf '%s\n' "$d" | body; fi; done
"""
"""$1: deploy directory, $2: state directory, $3 and $4: what stands before and after the release in `artifacts`."""

READY_SCRIPT = r"""
if ! [ -d "$1" ] || ! [ -w "$1" ]; then echo "$1 cannot be written to" >&2; exit 1; fi
"""
"""$1: deploy directory."""
