# A command that only reads: in a process group of its own, whose number is told first so that it can be ended.
# 1 nonce  2 directory or '', then the command.
nonce=$1 cwd=$2
shift 2
group_of() { group=$3; }
IFS= read -r line <"/proc/$$/stat"
# shellcheck disable=SC2086
group_of ${line##*) }
printf '\036qd %s group %s\036\n' "$nonce" "$$" >&2
printf '\036qd %s group %s\036\n' "$nonce" "$$"
if [ -n "$cwd" ]; then cd -- "$cwd" || exit 126; fi
# sshd makes us a leader already. Where we are not one, setsid makes one without a fork, so the number stays right.
if [ "$group" = "$$" ]; then exec "$@"; fi
exec setsid "$@"
