# Runs that this host knows and whose end it does not: one name a line. 1 deploy directory
cd -- "$1/.quarterdeck/runs" 2>/dev/null || exit 0
# A record's line as this program writes it: only its end says what kind it is, since a body can hold any words.
hash='"[0-9a-f]{64}"'
closed="\"hash\":$hash,\"kind\":\"run\\.closed\",\"prev\":$hash,\"seq\":[0-9]+,\"stream\":\"[^\"]*\"}\$"
find . -mindepth 2 -maxdepth 2 -name records.jsonl ! -path './.*' -exec grep -L -E -e "$closed" {} + | cut -d / -f 2
