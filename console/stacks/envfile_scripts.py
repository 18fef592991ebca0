"""The fixed sh scripts that look at, write and put back environment files on hosts. See `envfiles`.

POSIX sh (dash, busybox). Values stand in files of mode 0600 and go through pipes and builtins of the shell, never into
the words of a process.

Under `become: sudo` they are root's, in directories that may belong to an account which is not trusted like root: that
of the service. It can exchange every name there for a link, at any moment. So a directory is entered, once, and from
there on names in it are used and no path; what is written aside lies in a directory of our own, whose inside it cannot
reach; and a rename onto the file replaces a link rather than following it. Only who owns a folder above that directory
can still have it entered elsewhere.
"""

from __future__ import annotations

_SAY = r"""
export LC_ALL=C
say() { printf '@@qd:%s\n' "$*"; }
"""

_FINGERPRINT = r"""
fingerprint() {
  if ! [ -e "$1" ]; then echo absent; return; fi
  { printf 'quarterdeck environment file\n'; cat /etc/machine-id 2>/dev/null; cat -- "$1"; } | sha256sum | cut -d' ' -f1
}
"""

LOOK_SCRIPT = (
    _SAY
    + _FINGERPRINT
    + r"""
nonce=$1
shift
while [ $# -gt 0 ]; do
  name=$1 path=$2 quotes=$3
  shift 3
  say envfile "$name"
  if [ -L "$path" ]; then echo '|problem is a symbolic link: name the file itself in the profile'; continue; fi
  if ! [ -e "$path" ]; then
    echo '|absent'
    if ! [ -d "${path%/*}" ]; then echo '|problem cannot be written: its directory is not there'; fi
    continue
  fi
  if ! [ -f "$path" ]; then echo '|problem is not a regular file'; continue; fi
  printf '|mode %s\n' "$(stat -c '%a %U:%G' -- "$path")"
  if ! [ -r "$path" ]; then echo '|problem cannot be read by the account that deploys'; continue; fi
  printf '|fingerprint %s\n' "$(fingerprint "$path")"
  printf '|whole %s\n' "$({ printf '%s\n' "$nonce"; cat -- "$path"; } | sha256sum | cut -d' ' -f1)"
  awk -v apostrophe="'" -v quotes="$quotes" '
    function placeholder(v) {
      v = tolower(v)
      return v ~ /^<[^<>]*>$/ || v ~ /^change[-_ ]?(me|it|this)$/ || v ~ /^(todo|fixme|tbd)$/ || v ~ /^xxx+$/ ||
        v ~ /^\*\*\*+$/ || v ~ /^\.\.\.+$/ || v ~ /^(replace|fill)[-_ ]?(me|this|in)$/ || v ~ /^your[-_ ]/ ||
        v ~ /^(put|insert|enter)[-_ ].*[-_ ]here$/
    }
    open != "" { if (index($0, open)) open = ""; next }
    /^[ \t]*#/ { next }
    match($0, /^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=/) {
      key = substr($0, RSTART, RLENGTH - 1); rest = substr($0, RSTART + RLENGTH)
      sub(/^[ \t]*(export[ \t]+)?/, "", key); sub(/[ \t]+$/, "", key)
      if (quotes == "quoted") { sub(/\r$/, "", rest); sub(/^[ \t]+/, "", rest) }
      quote = substr(rest, 1, 1)
      if (quotes == "plain") { value = rest }
      else if (quote == "\"" || quote == apostrophe) {
        end = index(substr(rest, 2), quote)
        if (!end) { open = quote; print "several " key; print ""; next }
        value = substr(rest, 2, end - 1)
      } else { value = rest; sub(/[ \t]+#.*$/, "", value); sub(/[ \t]+$/, "", value) }
      print (placeholder(value) ? "placeholder " : "value ") key; print key "=" value
    }' "$path" | while IFS=' ' read -r kind key && IFS= read -r line; do
    if [ "$kind" = placeholder ]; then printf '|placeholder %s\n' "$key"; fi
    digest=
    if [ "$kind" != several ]; then digest=$(printf '%s' "$nonce $line" | sha256sum | cut -d' ' -f1); fi
    printf '|key %s %s\n' "$key" "$digest"
  done
done
"""
)
"""$1: a nonce, then NAME PATH QUOTES… (`plain`: a value is what stands there, else `quoted`).

Of each file: mode, owner, a fingerprint salted with the machine-id, the digest of nonce and file, and for each setting
its name and the digest of nonce and value. A value that goes over several lines is named without a digest."""

_SPLIT = r"""
section() {
  awk -v wanted="$1" '/^@@qd:envfile / { name = substr($0, 14); next } name == wanted { print substr($0, 2) }'
}
"""

_PLACES = r"""
fail() { echo "$*" >&2; exit 1; }
place() { stat -c %d:%i "$1"; }
# Is the working directory of this account alone, and does it lie in $1 (see `place`)? A directory inherits setgid.
private() {
  case $(stat -c '%u %a' .) in "$(id -u) 700" | "$(id -u) 2700") [ "$(place ..)" = "$1" ] ;; *) false ;; esac
}
# Into the state directory, which is of this account or, under sudo, of the one that deploys.
enter_state() {
  cd -P -- "$1" || fail "$1 cannot be entered. Nothing was changed."
  case $(stat -c %u .) in
    "$(id -u)" | "${SUDO_UID:-}") ;;
    *)
      fail "$1 belongs to $(stat -c %U .), which is not the account that deploys. Nothing was changed; find out who" \
        "made it, and give it to that account." ;;
  esac
}
"""

_PUT = r"""
new='' made='' inside=''
# What was written aside goes away on every way out: it holds secrets. `cd -P`, else the shell goes by the path.
leave() {
  if [ -n "$inside" ]; then rm -f -- "$new" && cd -P ..; fi
  if [ -n "$made" ]; then rmdir -- "$made" 2>/dev/null || :; fi
}
leave_in_any_case() {
  trap leave EXIT
  trap 'exit 143' HUP INT TERM
}
# Into the directory of $1, where it is $base.
enter() {
  if ! [ -d "${1%/*}/" ]; then fail "The directory of $1 is not there. Nothing was changed."; fi
  cd -P -- "${1%/*}/" || fail "$(id -un) may not enter the directory of $1. Nothing was changed there."
  base=${1##*/}
}
# What a killed run left in the working directory, where it is ours; and the file that versions before wrote aside.
clear_left() {
  rm -f -- "./.$base.quarterdeck-new" 2>/dev/null || :
  for left in "./.$base.quarterdeck-new."*; do
    if [ -L "$left" ] || ! [ -d "$left" ]; then continue; fi
    (cd -P -- "$left" && private "$1" && rm -f -- "./$base" && cd -P .. && rmdir -- "$left") 2>/dev/null || :
  done
}
# Into a directory of our own beside the file $1: what is to be there is to be written to $new. $was: whose it is.
aside() {
  enter "$1"
  if [ -L "./$base" ]; then fail "$1 is a symbolic link. Nothing was changed."; fi
  if ! [ -w . ]; then fail "$(id -un) may not make files in the directory of $1. Nothing was changed there."; fi
  was=
  if [ -e "./$base" ]; then was=$(stat -c %u:%g -- "./$base"); fi
  beside=$(place .)
  clear_left "$beside"
  made=$(mktemp -d "./.$base.quarterdeck-new.XXXXXX") || fail "$1 could not be written: is its disk full?"
  # It could have been exchanged before it was entered; from here on it cannot.
  if ! { cd -P -- "$made" && private "$beside" && [ -z "$(ls -A)" ]; }; then
    fail "$1 was not written: what was made beside it was exchanged meanwhile, by whoever may write in that" \
      "directory. Nothing was changed there; see what runs under its account."
  fi
  new=./$base inside=yes
}
# The file $1, whose $new is whole, is put in its place. $2: mode, $3: owner or "", $4: what it was or ""
put() {
  want=${3:-$4}
  # Under sudo a new file is not root's, but of the account that deploys.
  if [ -z "$want" ] && [ -n "${SUDO_UID:-}" ]; then want=$SUDO_UID:${SUDO_GID:-}; fi
  if [ -n "$want" ] && ! chown -h -- "$want" "$new" 2>/dev/null; then
    fail "$1 belongs to $want, and this account cannot give a file to it. Nothing was changed there: write it as" \
      "that account, or use \`become: sudo\`."
  fi
  chmod -- "$2" "$new" || fail "$1 could not be given the mode $2."
  sync -- "$new" 2>/dev/null || sync
  mv -f -- "$new" ../ || fail "$1 could not be replaced."
  sync -f .. 2>/dev/null || :
}
# What fails in here does not end the script by itself (it is asked for with ||): each says so.
# Standard input of this is all of the sections; $1: name, $2: path, $3: mode, $4: owner or -, $5: how many lines
render() (
  leave_in_any_case
  aside "$2"
  section "$1" >"$new" || :
  if [ "$(wc -l <"$new")" -ne "$5" ]; then
    fail "$2 could not be written: its disk is full, or what was to be written did not come whole."
  fi
  owner=$4
  if [ "$owner" = - ]; then owner=; fi
  put "$2" "$3" "$owner" "$was"
)
"""

_RUN = r"""
run() { sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' ./lock/owner.json 2>/dev/null | head -n 1; }
ours() { [ -d ./kept ] && [ "$(cat ./kept/run 2>/dev/null)" = "$(run)" ]; }
"""
"""Whose run holds the lock here, and whether what is kept is of that run and not of one before.

In the state directory, which was entered."""

KEEP_SCRIPT = (
    _SAY
    + _FINGERPRINT
    + _PLACES
    + _RUN
    + r"""
set -eu
umask 077
# A copy of the file $1 itself, read once: a link put in its place meanwhile would have root keep another file, and an
# undo would give that to whoever owns this one. $2: where to.
copy() {
  if ! [ -f "$1" ]; then fail "$1 is not a regular file any more. Nothing was changed; plan again."; fi
  exec 3<"$1"
  if [ "$(stat -L -c %d:%i /proc/self/fd/3)" != "$(place "$1")" ]; then
    fail "$1 is a symbolic link, or was exchanged while it was read. Nothing was changed; plan again."
  fi
  stat -L -c '%a %u:%g' /proc/self/fd/3 >"$2.was"
  cat <&3 >"$2.text"
  exec 3<&-
}
state=$1
shift
mkdir -p -- "$state"
enter_state "$state"
if ours; then exit 0; fi
rm -rf -- ./kept ./.kept.new
mkdir -- ./.kept.new
trap 'rm -rf -- ./.kept.new' EXIT
trap 'exit 143' HUP INT TERM
run >./.kept.new/run
while [ $# -gt 0 ]; do
  name=$1 path=$2 planned=$3 found=absent
  shift 3
  if [ -e "$path" ]; then
    copy "$path" "./.kept.new/$name"
    found=$(fingerprint "./.kept.new/$name.text")
  else
    : >"./.kept.new/$name.absent"
  fi
  if [ "$found" != "$planned" ]; then
    fail "$path is not the file that was planned with: somebody changed it since. Nothing was changed; plan again."
  fi
done
sync -f ./.kept.new 2>/dev/null || :
mv -- ./.kept.new ./kept
trap - EXIT
"""
)
"""$1: state directory, then NAME PATH FINGERPRINT… (`absent`: not there when planning)."""

FORGET_SCRIPT = (
    _PLACES
    + r"""
if ! [ -d "$1" ]; then exit 0; fi
enter_state "$1"
rm -rf -- ./kept ./.kept.new
"""
)
"""$1: state directory."""

WRITE_SCRIPT = (
    _SAY
    + _SPLIT
    + _PLACES
    + _PUT
    + r"""
set -eu
umask 077
said=$1
shift
all=$(cat)
while [ $# -gt 0 ]; do
  printf '%s\n' "$all" | render "$1" "$2" "$3" "$4" "$5" || exit 1
  echo "$2 is written: $5 settings"
  shift 5
done
if [ -n "$said" ]; then printf '%s\n' "$said"; fi
"""
)
"""$1: what to print at the end, then NAME PATH MODE OWNER LINES…; the sections of all files on standard input."""

CHECK_SCRIPT = (
    _SAY
    + _SPLIT
    + r"""
set -u
all=$(cat)
rc=0
while [ $# -gt 0 ]; do
  if ! printf '%s\n' "$all" | section "$1" | cmp -s - "$2"; then
    echo "$2 is not as it would be written now" >&2
    rc=1
  elif [ "$(stat -c %a -- "$2")" != "${3#0}" ]; then
    echo "$2 has the mode $(stat -c %a -- "$2"), not $3" >&2
    rc=1
  elif [ "$4" != - ] && [ "$(stat -c %U -- "$2")" != "$4" ] && [ "$(stat -c %U:%G -- "$2")" != "$4" ]; then
    echo "$2 belongs to $(stat -c %U:%G -- "$2"), not $4" >&2
    rc=1
  fi
  shift 5
done
exit "$rc"
"""
)
"""NAME PATH MODE OWNER LINES…; the sections of all files on standard input."""

RESTORE_SCRIPT = (
    _SAY
    + _SPLIT
    + _PLACES
    + _PUT
    + _RUN
    + r"""
set -eu
umask 077
state=$1
shift
all=$(cat)
# $1: name, $2: path; the working directory is that of the state.
put_back() (
  leave_in_any_case
  if [ -e "./kept/$1.absent" ]; then
    if [ -d "${2%/*}/" ]; then enter "$2" && rm -f -- "./$base"; fi
    echo "$2 was not there before, and is removed"
    exit
  fi
  read -r mode before <"./kept/$1.was"
  exec 3<"./kept/$1.text"
  aside "$2"
  cat <&3 >"$new" || fail "$2 could not be written: is its disk full?"
  put "$2" "$mode" '' "$before"
  echo "$2 is what it was before"
)
by_template() {
  rc=0
  while [ $# -gt 0 ]; do
    if [ "$5" = - ]; then
      echo "$2 stays as it is: what it was before is not kept any more, and no template of it is known." >&2
      rc=1
    else
      printf '%s\n' "$all" | render "$1" "$2" "$3" "$4" "$5" || exit 1
      echo "$2 is written by the template of before, with today's credentials"
    fi
    shift 5
  done
  exit "$rc"
}
if ! [ -d "$state" ]; then by_template "$@"; fi
enter_state "$state"
if ! ours; then by_template "$@"; fi
while [ $# -gt 0 ]; do
  put_back "$1" "$2"
  shift 5
done
"""
)
"""$1: state directory, then NAME PATH MODE OWNER LINES… (LINES `-`: there is no old template); the sections
of the old templates on standard input."""
