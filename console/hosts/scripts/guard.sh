# The guard: lets one changing command through, or nothing at all. See DESIGN section 4, Fencing.
# What it says to its caller is one line in a frame that carries the caller's nonce; after `started` everything on
# standard output and error is the command's own.
#  1 nonce      2 attached|detached  3 directory   4 run         5 step        6 attempt
#  7 fence      8 record or ''       9 gate wait s 10 beat s     11 beats to the deadline  12 beats to KILL after it
# 13 stdin: none | stream | bytes   14 none|sudo  15 directory of the command or ''
# 16 bytes of earlier records that stand before the command's own standard input, then the command.
nonce=$1 mode=$2 directory=$3 run=$4 step=$5 attempt=$6 fence=$7 record=$8 gate_wait=$9
shift 9
beat=$1 beats=$2 kill_beats=$3 stdin=$4 become=$5 cwd=$6 carry=$7
shift 7
home=$PWD
mask=$(umask)
umask 077

# A caller that went away must not end us in the middle of a word: writing to it only fails.
trap : PIPE
say() { # both streams, because a login shell may write to either before us; false if nobody takes it
  heard=
  printf '\036qd %s %s\036\n' "$nonce" "$1" >&2 && heard=1
  printf '\036qd %s %s\036\n' "$nonce" "$1" && heard=1
  [ -n "$heard" ]
}

refuse() {
  say "refused $1"
  exit 75
}

command -v flock >/dev/null || refuse 'tool flock'
command -v setsid >/dev/null || refuse 'tool setsid'

# All of standard input first: of a connection cut half-way nothing is executed.
input='' carried=''
whole() { # what is in $1 is that many bytes long, and an x
  # Characters are counted here; so many can only be as many bytes. Else the bytes are counted, which takes processes.
  [ "${#1}" -ne "$(($2 + 1))" ] || return 0
  got=$(printf '%s' "${1%x}" | wc -c)
  [ "$((got))" -eq "$2" ] || refuse "torn $((got))"
}
if [ "$stdin" = stream ]; then
  if [ "$carry" -gt 0 ]; then
    carried=$(dd bs=1 count="$carry" 2>/dev/null && printf x) # never a byte more, whichever dd it is
    whole "$carried" "$carry"
  fi
elif [ "$stdin" != none ] || [ "$carry" -gt 0 ]; then
  input=$(cat && printf x)
  if [ "$stdin" = none ]; then
    whole "$input" "$carry"
    carried=$input input=''
  else
    whole "$input" "$((carry + stdin))"
    if [ "$carry" -gt 0 ]; then
      carried=$(printf '%s' "${input%x}" | head -c "$carry" && printf x)
      input=$(printf '%s' "${input%x}" | tail -c "$stdin" && printf x)
    fi
    input=${input%x}
  fi
fi
carried=${carried%x}

ground=$directory/.quarterdeck
if [ ! -d "$ground" ] || [ ! -f "$ground/gate" ] || [ ! -f "$ground/fence" ] || ! cd -- "$ground"; then
  refuse 'ground'
fi
ground=$PWD
steps=runs/$run/steps
here=$steps/$step.$attempt

# A full disk must not cost what was done its exit code: the ground laid a reserve aside, given back when a write fails.
room() { rm -f -- "$ground/reserve" 2>/dev/null; }
# Before the command it is given back only for an undo: nothing new is begun on a full disk.
spare() {
  case $step in
    *.UNDO*) [ -f reserve ] && room && spent=1 ;;
    *) return 1 ;;
  esac
}
spent=
make() { { [ -d "$steps" ] || mkdir -p -- "$steps"; } && mkdir -- "$here"; } 2>/dev/null
if ! make && ! { [ ! -d "$here" ] && spare && make; }; then
  if [ -d "$here" ]; then refuse 'exists'; else refuse 'disk'; fi
fi

retreat() { # nothing was executed: leave no trace of an attempt
  rm -f -- "$here/pid" "$here/pid.tmp" "$here/out" "$here/o" "$here/e" "$here/group.tmp" 2>/dev/null
  rmdir -- "$here" 2>/dev/null
  refuse "$1"
}

# Who we are, before the gate: whoever takes over finds and ends us.
boot_id
start_of "$$"
name() { printf '%s %s %s\n' "$$" "$started" "$boot" >"$here/pid.tmp" && mv -- "$here/pid.tmp" "$here/pid"; }
name 2>/dev/null || { spare && name; } || retreat 'disk'

child='' ended=''
forward() {
  ended=1
  if [ -n "$child" ]; then signal TERM "$child" "$become" || :; fi
}
trap forward TERM INT HUP

[ -f gate ] || retreat 'ground'
exec 9<gate
# In the background, so that a signal is answered while we wait. The lock belongs to the open file, which is ours.
flock -s -w "$gate_wait" -E 74 9 &
waiter=$!
wait "$waiter"
taken=$?
if [ -n "$ended" ]; then
  kill "$waiter" 2>/dev/null
  retreat 'ended'
fi
case $taken in
  0) ;;
  74) retreat 'gate' ;;
  *) retreat 'tool flock' ;;
esac
if [ ! -f gate ] || [ ! -f fence ]; then retreat 'ground'; fi
ours() { # the fence is the one that we were given
  found=
  IFS= read -r found 2>/dev/null <fence || :
  [ "$found" = "$fence" ]
}
ours || retreat 'fence'

if [ -n "$record" ]; then
  records=runs/$run/records.jsonl
  # A line torn by a crash must not swallow this one.
  add() {
    if [ -s "$records" ] && [ -n "$(tail -c 1 "$records")" ]; then printf '\n' >>"$records" || return 1; fi
    printf '%s%s\n' "$carried" "$record" >>"$records"
  }
  # Our runner may be sending records of a step beside this one: two who write at once tear each other's lines. Who
  # holds the mutex for long does not write; what must be done is not kept back for it.
  # Who takes over changes the fence under the mutex, and reads what is here afterwards: no old line may come later.
  alone() {
    flock -x -w 2 7 || :
    ours || { late=1 && return 1; }
    add
  }
  late=
  write() { if [ -f mutex ]; then alone 7<mutex; else add; fi; }
  if ! write 2>/dev/null; then
    [ -z "$late" ] || retreat 'fence'
    { spare && write; } || retreat 'disk'
  fi
  sync "$records" 2>/dev/null || :
fi
: >"$here/out" || retreat 'disk'
# Room for the name of the command's group, so that it can be written down whatever fills the disk until then. It is
# overwritten where it lies, which takes no more room.
place() { printf '%64s\n' '' >"$here/group.tmp"; }
place 2>/dev/null || { spare && place; } || retreat 'disk'

if [ "$mode" = attached ]; then
  mkfifo -- "$here/o" "$here/e" || retreat 'disk'
fi
# Laid again, smaller: what is written before the command must leave room for what is written after it.
[ -z "$spent" ] || head -c 131072 /dev/urandom >reserve 2>/dev/null || :
# Held alone by us as long as we live: the watcher below ends with us, however we end.
exec 8<"$here/pid"
flock -x -n 8 || retreat 'tool flock'

watch() { # beats the lock while it is ours, and ends the command long after its caller should have
  exec 8<&- 9<&- # not as redirections of the call: those the shell undoes afterwards, so it keeps copies
  count=0 taken=74
  while [ "$taken" = 74 ]; do
    owner=
    IFS= read -r owner 2>/dev/null <lock/owner.json || :
    case $owner in *"\"$run\""*) printf '' >lock/beat ;; esac # it is empty: its time is all it says
    if [ "$count" -ge "$beats" ]; then
      if [ ! -f "$here/ended" ] && ! printf 'deadline\n' >"$here/ended"; then
        room
        printf 'deadline\n' >"$here/ended"
      fi
      if [ "$count" -ge $((beats + kill_beats)) ]; then
        signal KILL "$child" "$become"
      else
        signal TERM "$child" "$become"
      fi
    fi
    flock -s -w "$beat" -E 74 6 6<"$here/pid"
    taken=$?
    count=$((count + 1))
  done
}

# The command's own session and group. It records itself while it still holds the gate, so whoever holds the gate
# alone sees every group there is; then it lets the gate go, so that nothing it leaves behind can keep it.
# shellcheck disable=SC2016 # expanded by the inner shell
launch='
here=$1 mask=$2 cwd=$3 become=$4
shift 4
IFS= read -r line <"/proc/$$/stat"
group() {
  printf "%s %s %s\n" "$$" "${20}" "$become" 1<>"$here/group.tmp" && mv -- "$here/group.tmp" "$here/group"
}
group ${line##*) } || exit 125
umask "$mask"
cd -- "$cwd" || exit 126
exec 9<&-
exec "$@"
'
set -- "$ground/$here" "$mask" "${cwd:-$home}" "$become" "$@"

begin() { # the command with our standard input, or what we hold of it, through a pipe
  case $stdin in
    none) exec setsid sh -c "$launch" qd-step "$@" </dev/null ;;
    *) exec setsid sh -c "$launch" qd-step "$@" ;;
  esac
}

[ -z "$ended" ] || retreat 'ended'
say "started $$" || retreat 'unheard'
if [ "$mode" = attached ]; then
  # The copy on the host and the caller's; a caller that went away must not stop either.
  (trap '' PIPE TERM INT HUP && exec tee -a -- "$here/out") <"$here/o" 8<&- 9<&- &
  tee_out=$!
  (trap '' PIPE TERM INT HUP && exec tee -a -- "$here/out" >&2) <"$here/e" 8<&- 9<&- &
  tee_err=$!
  exec 3>"$here/o" 4>"$here/e"
  rm -f -- "$here/o" "$here/e"
else
  exec 3>>"$here/out" 4>&3
fi
# What the shell itself may say from here on ("Terminated") is not the command's.
exec >/dev/null 2>&1
feed() {
  exec 3>&- 4>&- 5<&- 8<&- 9<&-
  printf '%s' "$input"
}

# A command in the background starts with an empty standard input; ours is kept for it.
exec 5<&0 </dev/null
case $stdin in
  none) begin "$@" >&3 2>&4 3>&- 4>&- 5<&- 8<&- & ;;
  stream) begin "$@" <&5 >&3 2>&4 3>&- 4>&- 5<&- 8<&- & ;;
  *) feed | begin "$@" >&3 2>&4 3>&- 4>&- 5<&- 8<&- & ;;
esac
child=$!
input=
exec 3>&- 4>&- 5<&-
if [ -n "$ended" ]; then signal TERM "$child" "$become" || :; fi
watch &

while :; do
  ended=
  wait "$child"
  rc=$?
  if [ -z "$ended" ] || ! kill -0 "$child" 2>/dev/null; then break; fi
done
if [ "$mode" = attached ]; then
  # All of its output first: mostly that is there already, or in a moment. What it left behind may hold that open; it is
  # not waited for longer than 2 s.
  left=220
  for tee in "$tee_out" "$tee_err"; do
    while start_of "$tee" && [ -n "$started" ] && [ "$left" -gt 0 ]; do
      if [ "$left" -gt 200 ]; then sleep 0.001; else sleep 0.01; fi
      left=$((left - 1))
    done
  done
  [ "$left" -gt 0 ] || kill -s KILL "$tee_out" "$tee_err"
fi
finish() { printf '%s\n' "$rc" >"$here/rc.tmp" && mv -- "$here/rc.tmp" "$here/rc"; }
finish || { room && finish; }
exit "$rc"
