# Shared by the scripts below: who a recorded process is, and whether it still is that one.
# A pid alone proves nothing after a reboot or a wrap; with its start time (field 22 of /proc/PID/stat) and the
# machine's boot id it does.

start_of() { # PID; its start time goes to $started, empty if there is no such process (a zombie counts as none)
  started=
  if IFS= read -r line 2>/dev/null <"/proc/$1/stat"; then
    # shellcheck disable=SC2086 # the fields after the name are to be split
    set -- ${line##*) }
    if [ "${1:-Z}" != Z ] && [ "$1" != X ]; then started=${20}; fi
  fi
  return 0
}

boot_id() { # the machine's boot id goes to $boot
  boot=none
  IFS= read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id || :
}

alive() { # FILE holding "pid start boot": sets $pid; true if that very process still runs
  pid='' begun='' booted=''
  if [ ! -f "$1" ] || ! read -r pid begun booted <"$1"; then return 1; fi
  boot_id
  [ "$booted" = "$boot" ] || return 1
  start_of "$pid"
  [ -n "$started" ] && [ "$started" = "$begun" ]
}

in_group() { # PGID SID: true if any process that is not a zombie is in that group of that session
  for stat in /proc/[0-9]*/stat; do
    IFS= read -r line 2>/dev/null <"$stat" || continue
    # shellcheck disable=SC2086
    set -- "$1" "$2" ${line##*) }
    case $3 in
      [ZX]) ;;
      *) if [ "$5" = "$1" ] && [ "$6" = "$2" ]; then return 0; fi ;;
    esac
  done
  return 1
}

signal() { # SIGNAL PGID BECOME: to every process of the group; a command under sudo is root's, so sudo ends it
  if [ "$3" = sudo ]; then
    sudo -n kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" -- "-$2" 2>/dev/null
  else
    kill -s "$1" -- "-$2" 2>/dev/null
  fi
}

end_group() { # PGID SID TENTHS BECOME: TERM, wait, KILL, wait; true once nothing of it is left
  in_group "$1" "$2" || return 0
  signal TERM "$1" "$4" || :
  for signal in KILL none; do
    left=$3
    while [ "$left" -gt 0 ]; do
      in_group "$1" "$2" || return 0
      sleep 0.1
      left=$((left - 1))
    done
    if [ "$signal" = KILL ]; then signal KILL "$1" "$4" || :; fi
  done
  ! in_group "$1" "$2"
}
