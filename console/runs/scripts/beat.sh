# Renews the lock's heartbeat by this host's clock, if lock and fence are still ours: proof that nobody took it.
# 1 deploy directory  2 run  3 fence
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "ground"; exit 0; }
if [ ! -f gate ] || [ ! -f fence ]; then echo "ground"; exit 0; fi
found=
IFS= read -r found 2>/dev/null <fence || :
if [ "$found" = "$3" ] && grep -qF -e "\"run\":\"$2\"" lock/owner.json 2>/dev/null; then
  touch lock/beat && echo "ours" || echo "disk"
else
  echo "lost"
  cat lock/owner.json 2>/dev/null
fi
