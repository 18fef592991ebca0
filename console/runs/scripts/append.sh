# Adds records (standard input, one a line) to this host's copy of a run's journal, if the fence is still ours.
# 1 deploy directory  2 run  3 fence
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "ground"; exit 0; }
if [ ! -f gate ] || [ ! -f fence ] || [ ! -d runs ]; then echo "ground"; exit 0; fi
# All of it first: who sends it may be stopped half-way, and must not keep a taker from the mutex.
lines=$(cat && printf x)
lines=${lines%x}
exec 9<mutex || { echo "ground"; exit 0; }
flock -x -w 10 9 || { echo "mutex"; exit 0; }
found=
IFS= read -r found 2>/dev/null <fence || :
[ "$found" = "$3" ] || { echo "fence"; exit 0; }
umask 077
mkdir -p -- "runs/$2" && cd -- "runs/$2" || { echo "disk"; exit 0; }
add() {
  if [ -s records.jsonl ] && [ -n "$(tail -c 1 records.jsonl)" ]; then printf '\n' >>records.jsonl || return 1; fi
  printf '%s' "$lines" >>records.jsonl
}
# A full disk: the reserve that the ground laid aside is for what a run has done already.
if ! add 2>/dev/null; then
  if [ ! -f ../../reserve ] || ! rm -f -- ../../reserve || ! add; then echo "disk"; exit 0; fi
fi
sync records.jsonl 2>/dev/null || :
echo "added"
