# Ends a reading command whose caller no longer wants it.
# 1 group  2 tenths of a second from TERM to KILL  3 none|sudo
IFS= read -r line 2>/dev/null <"/proc/$1/stat" || line=
session=$1
# shellcheck disable=SC2086
if [ -n "$line" ]; then session=$(set -- ${line##*) } && printf '%s' "$4"); fi
if end_group "$1" "$session" "$2" "$3"; then printf 'gone 1\n'; else printf 'gone 0\n'; fi
