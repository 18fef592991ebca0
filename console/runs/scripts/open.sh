# Runs that this host knows and whose end it does not: one name a line. 1 deploy directory
cd -- "$1/.quarterdeck/runs" 2>/dev/null || exit 0
# A record's line as this program writes it: only its end says what kind it is, since a body can hold any words.
hash='"[0-9a-f]{64}"'
end="\"prev\":$hash,\"seq\":[0-9]+,\"stream\":\"[^\"]*\"}\$"
closed="\"hash\":$hash,\"kind\":\"run\\.closed\",$end"
reopened="\"hash\":$hash,\"kind\":\"run\\.reopened\",$end"
{
  find . -mindepth 2 -maxdepth 2 -name records.jsonl ! -path './.*' -exec grep -L -E -e "$closed" {} +
  # One that was begun again has its first end still: of those, which are few, the last line tells.
  find . -mindepth 2 -maxdepth 2 -name records.jsonl ! -path './.*' -exec grep -l -E -e "$reopened" {} + |
    while read -r records; do tail -n 1 "$records" | grep -qE -e "$closed" || printf '%s\n' "$records"; done
} | cut -d / -f 2 | sort -u
