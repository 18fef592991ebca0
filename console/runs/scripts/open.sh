# Runs that this host knows and whose end it does not: one name a line. 1 deploy directory
cd -- "$1/.quarterdeck/runs" 2>/dev/null || exit 0
find . -mindepth 2 -maxdepth 2 -name records.jsonl -exec grep -L -F -e '"kind":"run.closed"' {} + | cut -d / -f 2
