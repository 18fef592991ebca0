# What this host knows of an attempt, in one line.
# 1 directory  2 run  3 step  4 attempt
here=$1/.quarterdeck/runs/$2/steps/$3.$4
if [ ! -d "$here" ]; then
  printf 'missing\n'
  exit 0
fi
living=0 boot='' booted=''
if alive "$here/pid"; then living=1; fi
rc=none
[ ! -f "$here/rc" ] || read -r rc <"$here/rc"
# Its exit code is known, so it has ended, though the guard may not be gone this very moment.
[ "$rc" = none ] || living=0
# The command writes its group down before its first word, while it still holds the gate: who has that alone sees
# whether it did. Only a machine that was not started again since can be believed to have forgotten nothing.
begun=1 gate=$1/.quarterdeck/gate
if [ "$living" = 0 ] && [ ! -f "$here/group" ] && [ -n "$boot" ] && [ "$booted" = "$boot" ] && [ -f "$gate" ] &&
  flock -x -w 1 9 9<"$gate" && [ ! -f "$here/group" ]; then
  begun=0
fi
size=0
[ ! -f "$here/out" ] || size=$(wc -c <"$here/out")
printf 'found %s %s %s %s %s\n' "$rc" "$living" "${pid:-none}" "$((size))" "$begun"
