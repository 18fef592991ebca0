# This host's copy of a run's journal. Ends with 45 if it is longer than a journal can be.
# 1 deploy directory  2 run  3 bytes at most
file=$1/.quarterdeck/runs/$2/records.jsonl
[ -f "$file" ] || exit 44
size=$(wc -c <"$file") || exit 1
[ "$((size))" -le "$3" ] || exit 45
exec head -c "$3" "$file"
