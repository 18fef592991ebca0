# Starts the guard for a detached command in a session of its own; once the guard has said its word, follows what it let
# through, in the same round trip.
# 1 text of the guard  2 text of the follower  3 the follower's nonce  4 seconds between two looks
# 5 none or the number of bytes of standard input, then the guard's own arguments.
# What comes on standard input is held in a variable and handed on by a builtin: no argument, environment or file.
guard=$1 follow=$2 second=$3 pause=$4 stdin=$5
shift 5
if [ "$stdin" = none ]; then
  said=$(setsid sh -c "$guard" qd-guard "$@" </dev/null 2>&1 &)
else
  input=$(cat && printf x)
  input=${input%x}
  said=$(printf '%s' "$input" | setsid sh -c "$guard" qd-guard "$@" 2>&1 &)
  input=
fi
printf '%s\n' "$said"
# An attempt that was there before is the caller's to look at.
case $said in
  *"qd $1 started "*) exec sh -c "$follow" qd-follow "$second" "$3" "$4" "$5" "$6" 0 "$pause" </dev/null ;;
esac
