# Writes a file of a run, if the fence is still ours; standard input: its content.
# 1 deploy directory  2 run  3 fence  4 plan.json (if none is named) | without: hosts that were left out since, one a line
file=${4:-plan.json}
cd -- "$1/.quarterdeck" 2>/dev/null || { echo "ground"; exit 0; }
if [ ! -f gate ] || [ ! -f fence ] || [ ! -d runs ]; then echo "ground"; exit 0; fi
found=
IFS= read -r found 2>/dev/null <fence || :
[ "$found" = "$3" ] || { echo "fence"; exit 0; }
umask 077
mkdir -p -- "runs/$2" && cat >"runs/$2/$file.tmp" && mv -f -- "runs/$2/$file.tmp" "runs/$2/$file" &&
  echo "written" || echo "disk"
