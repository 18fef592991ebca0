# The newest runs that this host knows, and older ones whose end it does not know (they may be parked for weeks), newest
# first, each with the last line of its journal. 1 deploy directory  2 how many of the newest
cd -- "$1/.quarterdeck/runs" 2>/dev/null || exit 0
open() {
  find . -mindepth 2 -maxdepth 2 -name records.jsonl -exec grep -L -F -e '"kind":"run.closed"' {} + | cut -d / -f 2
}
for run in $({ ls -1r | head -n "$2"; open; } | sort -ru); do
  [ -f "$run/records.jsonl" ] || continue
  printf 'run %s\n' "$run"
  tail -n 1 "$run/records.jsonl"
  echo
done
