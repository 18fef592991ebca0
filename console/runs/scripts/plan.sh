# Writes plan.json of a run, if the fence is still ours. 1 deploy directory  2 run  3 fence; standard input: the plan
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "ground"; exit 0; }
if [ ! -f gate ] || [ ! -f fence ] || [ ! -d runs ]; then echo "ground"; exit 0; fi
[ "$(cat fence)" = "$3" ] || { echo "fence"; exit 0; }
umask 077
mkdir -p -- "runs/$2" && cat >"runs/$2/plan.tmp" && mv -f -- "runs/$2/plan.tmp" "runs/$2/plan.json" &&
  echo "written" || echo "disk"
