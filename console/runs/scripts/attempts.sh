# Attempts on this host, one a line: RUN STEP.ATTEMPT rc, where rc is - for one that has not ended.
# 1 deploy directory  2 run, or * for all  3 all | unfinished
cd -- "$1/.quarterdeck/runs" 2>/dev/null || exit 0
for run in *; do
  if [ "$2" != '*' ] && [ "$2" != "$run" ]; then continue; fi
  for attempt in "$run"/steps/*; do
    [ -d "$attempt" ] || continue
    rc=-
    if [ -f "$attempt/rc" ]; then
      [ "$3" = all ] || continue
      read -r rc <"$attempt/rc"
    fi
    printf '%s %s %s\n' "$run" "${attempt##*/}" "$rc"
  done
done
