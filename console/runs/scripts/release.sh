# Removes the lock if it, and the fence, are ours. 1 deploy directory  2 run  3 fence, or - for whatever it is
# 4 records: standard input is added to the run's journal before, if that can be; or -
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "ground"; exit 0; }
lines=x
# All of it first: who sends it may be stopped half-way, and must not keep a taker from the mutex.
if [ "${4:--}" = records ]; then lines=$(cat && printf x); fi
lines=${lines%x}
exec 9<mutex || { echo "ground"; exit 0; }
flock -x -w 10 9 || { echo "mutex"; exit 0; }
if [ ! -d lock ]; then echo "none"; exit 0; fi
found=
IFS= read -r found 2>/dev/null <fence || :
if { [ "$3" != - ] && [ "$found" != "$3" ]; } || ! grep -qF -e "\"run\":\"$2\"" lock/owner.json 2>/dev/null; then
  echo "other"; cat lock/owner.json; exit 0
fi
if [ "${4:--}" = records ] && [ -d "runs/$2" ]; then
  umask 077
  records=runs/$2/records.jsonl
  add() {
    if [ -s "$records" ] && [ -n "$(tail -c 1 "$records")" ]; then printf '\n' >>"$records" || return 1; fi
    printf '%s' "$lines" >>"$records"
  }
  # A full disk: the reserve that the ground laid aside is for what a run has done already.
  if add 2>/dev/null || { [ -f reserve ] && rm -f -- reserve && add; }; then sync "$records" 2>/dev/null || :; fi
fi
mv -T -- lock "lock.old.$$" && rm -rf -- lock.old.* && echo "released"
