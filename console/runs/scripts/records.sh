# This host's copy of a run's journal. 1 deploy directory  2 run
exec cat -- "$1/.quarterdeck/runs/$2/records.jsonl"
