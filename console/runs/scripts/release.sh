# Removes the lock if it, and the fence, are ours. 1 deploy directory  2 run  3 fence, or - for whatever it is
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "ground"; exit 0; }
exec 9<mutex || { echo "ground"; exit 0; }
flock -x -w 10 9 || { echo "mutex"; exit 0; }
if [ ! -d lock ]; then echo "none"; exit 0; fi
if { [ "$3" != - ] && [ "$(cat fence)" != "$3" ]; } || ! grep -qF -e "\"run\":\"$2\"" lock/owner.json 2>/dev/null; then
  echo "other"; cat lock/owner.json; exit 0
fi
mv -T -- lock "lock.old.$$" && rm -rf -- lock.old.* && echo "released"
