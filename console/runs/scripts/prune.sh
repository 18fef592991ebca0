# Removes old runs that have ended from this host, oldest first, if the fence is still ours. Prints `pruned` and how many.
# 1 deploy directory  2 run that asks  3 fence  4 so many of the newest stay whatever their age  5 days after which the
# others go  6 so many stay at most  7 so many go at once
LC_ALL=C
export LC_ALL
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "ground"; exit 0; }
if [ ! -f gate ] || [ ! -f fence ] || [ ! -d runs ]; then echo "ground"; exit 0; fi
exec 9<mutex || { echo "ground"; exit 0; }
flock -x -w 10 9 || { echo "mutex"; exit 0; }
found=
IFS= read -r found 2>/dev/null <fence || :
[ "$found" = "$3" ] || { echo "fence"; exit 0; }
# A record's line as this program writes it: only its end says what kind it is, since a body can hold any words.
hash='"[0-9a-f]{64}"'
closed="\"hash\":$hash,\"kind\":\"run\\.closed\",\"prev\":$hash,\"seq\":[0-9]+,\"stream\":\"[^\"]*\"}\$"
lives() { # a command of it still runs, though the run has ended: a group that it left behind
  for attempt in "$1"/steps/*; do
    if [ -f "$attempt/group" ] && [ ! -f "$attempt/rc" ] && read -r group _ <"$attempt/group"; then
      if kill -s 0 -- "-$group" 2>/dev/null; then return 0; fi
    fi
  done
  return 1
}
# Each asked once, for all of them: nothing is started for a run that stays for its age.
old=" $(find runs/*/records.jsonl -mtime "+$5" 2>/dev/null | tr '\n' ' ') "
named=$(cat lock/owner.json releases/*/by.json 2>/dev/null)
newer=0
for here in runs/*; do
  [ ! -f "$here/records.jsonl" ] || newer=$((newer + 1))
done
gone=0
for here in runs/*; do # by name, which begins with a time: the oldest first
  [ -f "$here/records.jsonl" ] || continue
  newer=$((newer - 1))
  if [ "$newer" -lt "$4" ] || [ "$gone" -ge "$7" ]; then break; fi
  run=${here#runs/}
  if [ "$newer" -lt "$6" ]; then
    case $old in *" $here/records.jsonl "*) ;; *) continue ;; esac
  fi
  case $named in *"\"run\":\"$run\""*) continue ;; esac
  if [ "$run" = "$2" ] || lives "$here"; then continue; fi
  tail -n 1 "$here/records.jsonl" | grep -qE -e "$closed" || continue
  mv -- "$here" "runs/.gone.$run" && gone=$((gone + 1))
done
flock -u 9 # nobody waits for what takes long
rm -rf -- runs/.gone.*
echo "pruned $gone"
