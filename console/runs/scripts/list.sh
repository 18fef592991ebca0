# Every run that this host knows, with the last line of its journal. 1 deploy directory  2 how many, newest
cd -- "$1/.quarterdeck/runs" 2>/dev/null || exit 0
for run in $(ls -1r | head -n "$2"); do
  [ -f "$run/records.jsonl" ] || continue
  printf 'run %s\n' "$run"
  tail -n 1 "$run/records.jsonl"
  echo
done
