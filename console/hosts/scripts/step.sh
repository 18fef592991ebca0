# What this host knows of an attempt, in one line.
# 1 directory  2 run  3 step  4 attempt
here=$1/.quarterdeck/runs/$2/steps/$3.$4
if [ ! -d "$here" ]; then
  printf 'missing\n'
  exit 0
fi
living=0
if alive "$here/pid"; then living=1; fi
rc=none
[ ! -f "$here/rc" ] || read -r rc <"$here/rc"
# Its exit code is known, so it has ended, though the guard may not be gone this very moment.
[ "$rc" = none ] || living=0
size=0
[ ! -f "$here/out" ] || size=$(wc -c <"$here/out")
printf 'found %s %s %s %s\n' "$rc" "$living" "${pid:-none}" "$((size))"
