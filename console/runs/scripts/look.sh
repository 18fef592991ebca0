# Who holds the lock, how old its heartbeat is, and the fence. 1 deploy directory
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "none"; exit 0; }
[ -d lock ] || { echo "free"; exit 0; }
beaten=$(stat -c %Y lock/beat 2>/dev/null || stat -c %Y lock 2>/dev/null || echo 0)
echo "held $(($(date +%s) - beaten))"
cat lock/owner.json
