# The newest runs that this host knows, and older ones whose end it does not know (they may be parked for weeks), newest
# first, each with the last line of its journal. 1 deploy directory  2 how many of the newest
cd -- "$1/.quarterdeck/runs" 2>/dev/null || exit 0
hash='"[0-9a-f]{64}"' # as in open.sh
end="\"prev\":$hash,\"seq\":[0-9]+,\"stream\":\"[^\"]*\"}\$"
closed="\"hash\":$hash,\"kind\":\"run\\.closed\",$end"
reopened="\"hash\":$hash,\"kind\":\"run\\.reopened\",$end"
newest=$(ls -1r | head -n "$2")
for run in $({
  printf '%s\n' "$newest"
  {
    find . -mindepth 2 -maxdepth 2 -name records.jsonl ! -path './.*' -exec grep -L -E -e "$closed" {} +
    find . -mindepth 2 -maxdepth 2 -name records.jsonl ! -path './.*' -exec grep -l -E -e "$reopened" {} + |
      while read -r records; do tail -n 1 "$records" | grep -qE -e "$closed" || printf '%s\n' "$records"; done
  } | cut -d / -f 2
} | sort -ru); do
  [ -f "$run/records.jsonl" ] || continue
  printf 'run %s\n' "$run"
  tail -n 1 "$run/records.jsonl"
  echo
done
