# Prints the newest checkpoints of one store's audit that this host's audit.log holds.
# 1 deploy directory  2 the store's public key  3 how many at most
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "ground"; exit 0; }
[ -f audit.log ] || { echo "none"; exit 0; }
[ -r audit.log ] || { echo "unreadable"; exit 0; }
echo "log"
LC_ALL=C grep -a -F -- "\"key\":\"$2\"" audit.log | tail -n "$3"
exit 0
