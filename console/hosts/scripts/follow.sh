# Follows an attempt: its output from an offset, then how it ended.
# 1 nonce  2 directory  3 run  4 step  5 attempt  6 offset  7 seconds between two looks
nonce=$1 here=$2/.quarterdeck/runs/$3/steps/$4.$5 offset=$6 pause=$7
say() { printf '\036qd %s %s\036\n' "$nonce" "$1" >&2; }
say "group $$"
printf '\036qd %s group %s\036\n' "$nonce" "$$"
if [ ! -d "$here" ]; then
  say 'missing'
  exit 0
fi
# Until the next look. The guard holds its records locked as long as it lives, so its end wakes us at once. Before its
# command has recorded itself it may not have locked them yet, and must not find them locked by us; that is soon over.
soon=20
rest() {
  if [ -f "$here/group" ]; then
    flock -s -w "$pause" -E 74 6 2>/dev/null 6<"$here/pid"
    case $? in 0 | 74) return ;; esac
  elif [ "$soon" -gt 0 ]; then
    soon=$((soon - 1))
    sleep 0.02
    return
  fi
  sleep "$pause"
}
state=running
while :; do
  if [ -f "$here/rc" ]; then
    state=ended
  elif ! alive "$here/pid"; then
    # Its last act may have been to write rc, just after we looked.
    if [ -f "$here/rc" ]; then state=ended; else state=gone; fi
  fi
  size=0
  [ ! -f "$here/out" ] || size=$(wc -c <"$here/out")
  if [ "$((size))" -gt "$offset" ]; then
    tail -c "+$((offset + 1))" "$here/out" | head -c "$((size - offset))" || exit 1
    offset=$((size))
  fi
  case $state in
    ended)
      why=exited
      # The file is written for one reason only; on a full disk it may be there and empty.
      if [ -f "$here/ended" ] && ! read -r why <"$here/ended"; then why=deadline; fi
      read -r rc <"$here/rc"
      say "rc $rc $why"
      exit 0
      ;;
    gone)
      say 'gone'
      exit 0
      ;;
  esac
  rest
done
