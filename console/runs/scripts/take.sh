# Takes the lock of an environment on this host, atomically with its content. Prints one line that begins with what
# happened, then the owner where somebody else holds it.
# 1 deploy directory  2 run  3 seconds after which a lock is dead  4 run whose dead lock may be taken, or -
# 5 text in owner.json of a lock that may be taken whatever its age, since its owner is known to be gone; `unreadable`
# for one that says nothing of an owner, once it is dead; or -
# standard input: owner.json of the taker, one line
dir=$1 run=$2 dead=$3 from=$4 known=$5
owner=$(cat)
[ -d "$dir" ] || { echo "nodir"; exit 0; }
cd -- "$dir" || { echo "nodir"; exit 0; }
umask 077
if [ ! -e .quarterdeck ]; then
  new=.quarterdeck.new.$$
  mkdir -- "$new" || { echo "readonly"; exit 0; }
  mkdir -- "$new/runs" "$new/releases" "$new/approvals" && : >"$new/gate" && : >"$new/mutex" &&
    printf '0 -\n' >"$new/fence" && head -c 262144 /dev/urandom >"$new/reserve" || { rm -rf -- "$new"; echo "disk"; exit 0; }
  mv -T -- "$new" .quarterdeck 2>/dev/null || rm -rf -- "$new"
fi
cd .quarterdeck || { echo "ground"; exit 0; }
if [ ! -f gate ] || [ ! -f fence ] || [ ! -f mutex ]; then echo "ground"; exit 0; fi
exec 9<mutex
flock -x -w 10 9 || { echo "mutex"; exit 0; }
mine=0
if [ -d lock ]; then
  beaten=$(stat -c %Y lock/beat 2>/dev/null || stat -c %Y lock 2>/dev/null || echo 0)
  age=$(($(date +%s) - beaten))
  if grep -qF -e "\"run\":\"$run\"" lock/owner.json 2>/dev/null; then mine=1; fi
  may=0
  if [ "$age" -gt "$dead" ]; then
    if [ "$mine" = 1 ]; then may=1; fi
    if [ "$known" = unreadable ] && ! grep -qF -e '"token":"' lock/owner.json 2>/dev/null; then may=1; fi
    if [ "$from" != - ] && grep -qF -e "\"run\":\"$from\"" lock/owner.json 2>/dev/null; then may=1; fi
  fi
  if [ "$known" != - ] && grep -qF -e "$known" lock/owner.json 2>/dev/null; then may=1; fi
  if [ "$may" = 0 ]; then
    if [ "$age" -le "$dead" ]; then echo "held $age"; else echo "dead $age"; fi
    cat lock/owner.json
    exit 0
  fi
fi
read -r count _ <fence || count=0
case $count in '' | *[!0-9]*) echo "ground"; exit 0 ;; esac
next="$((count + 1)) $run"
aside=lock.new.$$
lay() {
  rm -rf -- "$aside"
  printf '%s\n' "$next" >fence.tmp && mkdir -- "$aside" && printf '%s\n' "$owner" >"$aside/owner.json" && : >"$aside/beat"
}
# A full disk: who comes back to a run, to undo it perhaps, is given the reserve for that; a new run is not.
spent=
if ! lay 2>/dev/null; then
  if [ -d "runs/$run" ] && [ -f reserve ] && rm -f -- reserve && lay; then
    spent=1
  else
    rm -rf -- "$aside" fence.tmp
    echo "disk"
    exit 0
  fi
fi
mv -f -- fence.tmp fence || { rm -rf -- "$aside"; echo "disk"; exit 0; }
if [ -d lock ]; then mv -T -- lock "lock.old.$$"; fi
mv -T -- "$aside" lock || { echo "disk"; exit 0; }
rm -rf -- lock.old.*
# A full disk was given back its reserve: laid again as soon as there is room, which is not waited for.
size=0
[ ! -f reserve ] || size=$(wc -c <reserve)
if [ -n "$spent" ]; then # as much of it as there is room for, so that nothing new finds any
  head -c 262144 /dev/urandom >reserve 2>/dev/null || :
elif [ "$((size))" -lt 262144 ]; then
  { head -c 262144 /dev/urandom >reserve.tmp && mv -f -- reserve.tmp reserve; } 2>/dev/null || rm -f -- reserve.tmp
fi
# Whether anything of an earlier owner is still under the gate: looked at in the same round trip.
if flock -x -n 8 8<gate; then gate=clear; else gate=busy; fi
for attempt in runs/*/steps/*; do # a guard may have been killed and what it started not
  if [ -f "$attempt/group" ] && [ ! -f "$attempt/rc" ] && read -r group _ <"$attempt/group"; then
    if kill -s 0 -- "-$group" 2>/dev/null; then gate=busy; fi
  fi
done
echo "taken $mine $gate $next"
