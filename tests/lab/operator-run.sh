#!/bin/sh
# Runs a command as another operator of the test machine, in a mount namespace of its own in which folders that only
# the first user may enter (a Python below a private home folder, say) can be read. Takes over this process.
#   operator-run.sh USER STAGE CLOSED=FOLDER... -- argv...      CLOSED is the folder that shuts FOLDER off
set -eu
user=$1 stage=$2
shift 2
number=0
closed_seen=:
pairs=
while [ "$1" != -- ]; do
  number=$((number + 1))
  mkdir -p "$stage/$number"
  mount --bind "${1#*=}" "$stage/$number"
  pairs="$pairs$number $1
"
  shift
done
shift
printf '%s' "$pairs" | while read -r number pair; do
  closed=${pair%%=*} folder=${pair#*=}
  case $closed_seen in
    *":$closed:"*) ;;
    *) mount -t tmpfs -o mode=755 tmpfs "$closed"; closed_seen="$closed_seen$closed:" ;;
  esac
  mkdir -p "$folder"
  mount --bind "$stage/$number" "$folder"
done
cd "${LAB_WORKING_DIRECTORY:-/}"
unset LAB_WORKING_DIRECTORY
exec setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"
