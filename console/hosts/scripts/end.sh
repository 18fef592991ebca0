# Ends an attempt: the command's process group, its one-off container, the guard. The last line says whether all is
# gone. An attempt that has ended keeps what it left running on purpose (a service that it started).
# 1 directory  2 run  3 step  4 attempt  5 tenths of a second from TERM to KILL  6 none|sudo  7 container or ''
# 8 name of the engine's program  9 fence of whoever wants it ended
here=$1/.quarterdeck/runs/$2/steps/$3.$4 tenths=$5 become=$6 container=$7 engine=$8
# A runner that slept through a take-over must not end what its successor follows.
if [ -f "$1/.quarterdeck/fence" ]; then
  found=
  IFS= read -r found 2>/dev/null <"$1/.quarterdeck/fence" || :
  if [ "$found" != "$9" ]; then
    printf 'fence\n'
    exit 0
  fi
fi
engine() { if [ "$become" = sudo ]; then sudo -n "$engine" "$@"; else "$engine" "$@"; fi; }
gone=1
if [ -d "$here" ] && [ ! -f "$here/rc" ]; then
  leader='' begun='' how=none
  living=0
  if alive "$here/pid"; then living=1; fi
  guard=${pid:-}
  [ ! -f "$here/group" ] || read -r leader begun how <"$here/group"
  if [ "$living" = 1 ] && [ -z "$leader" ]; then
    # Still before the gate: it goes without having executed anything.
    kill -s TERM "$guard" 2>/dev/null || :
    left=$tenths
    while alive "$here/pid" && [ ! -f "$here/group" ] && [ "$left" -gt 0 ]; do
      sleep 0.1
      left=$((left - 1))
    done
    [ ! -f "$here/group" ] || read -r leader begun how <"$here/group"
  fi
  boot_id
  booted=$boot
  [ ! -f "$here/pid" ] || read -r _ _ booted <"$here/pid"
  if [ -n "$leader" ] && [ "$booted" = "$boot" ]; then
    start_of "$leader"
    # The leader may be gone and its group not; a leader with another start time is a stranger.
    if [ -z "$started" ] || [ "$started" = "$begun" ]; then end_group "$leader" "$leader" "$tenths" "$how" || gone=0; fi
  fi
  left=$tenths
  while alive "$here/pid" && [ "$left" -gt 0 ]; do
    sleep 0.1
    left=$((left - 1))
  done
  if alive "$here/pid"; then end_group "$guard" "$guard" "$tenths" none || gone=0; fi
fi
if [ -n "$container" ]; then
  engine stop -t "$(((tenths + 9) / 10))" "$container" >/dev/null 2>&1 || :
  engine rm -f "$container" >/dev/null 2>&1 || :
  if left=$(engine ps -a -q --filter "name=^/$container\$"); then
    [ -z "$left" ] || gone=0
  else
    gone=0
  fi
fi
printf 'gone %s\n' "$gone"
