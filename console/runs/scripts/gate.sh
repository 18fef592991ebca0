# Waits until nothing runs under the gate: proof that the old owner's commands are gone.
# 1 deploy directory  2 seconds
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "ground"; exit 0; }
[ -f gate ] || { echo "ground"; exit 0; }
if flock -x -w "$2" 9 9<gate; then echo "clear"; else echo "busy"; fi
