# Adds lines (standard input) to this host's copy of the audit. 1 deploy directory
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "ground"; exit 0; }
umask 077
cat >>audit.log && { sync audit.log 2>/dev/null || :; } && echo "added" || echo "disk"
