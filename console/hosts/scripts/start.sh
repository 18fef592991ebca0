# Starts the guard for a detached command in a session of its own, and ends when the guard has said its word.
# 1 text of the guard  2 none or the number of bytes of standard input, then the guard's own arguments.
# What comes on standard input is held in a variable and handed on by a builtin: no argument, environment or file.
guard=$1 stdin=$2
shift 2
if [ "$stdin" = none ]; then
  (setsid sh -c "$guard" qd-guard "$@" </dev/null 2>&1 &) | cat
else
  input=$(cat && printf x)
  input=${input%x}
  (printf '%s' "$input" | setsid sh -c "$guard" qd-guard "$@" 2>&1 &) | cat
fi
