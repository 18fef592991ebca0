"""The fixed sh scripts that look at, write and put back environment files on hosts. See `envfiles`.

POSIX sh (dash, busybox). Values stand in files of mode 0600 and go through pipes and builtins of the shell, never into
the words of a process.
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

_PUT = r"""
new=
# What was written aside goes away with whatever fails: it holds secrets.
fail() {
  if [ -n "$new" ]; then rm -f -- "$new"; fi
  echo "$*" >&2
  exit 1
}
aside() { printf '%s' "${1%/*}/.${1##*/}.quarterdeck-new"; }
# $1: the path whose file aside is whole, $2: mode, $3: owner or "", $4: what it was or ""
put() {
  new=$(aside "$1") want=${3:-$4}
  # Under sudo a new file is not root's, but of the account that deploys.
  if [ -z "$want" ] && [ -n "${SUDO_UID:-}" ]; then want=$SUDO_UID:$SUDO_GID; fi
  if [ -n "$want" ] && ! chown -- "$want" "$new" 2>/dev/null; then
    fail "$1 belongs to $want, and this account cannot give a file to it. Nothing was changed there: write it as " \
      "that account, or use \`become: sudo\`."
  fi
  chmod -- "$2" "$new" || fail "$1 could not be given the mode $2."
  sync -- "$new" 2>/dev/null || sync
  mv -f -- "$new" "$1" || fail "$1 could not be replaced."
  sync -f "${1%/*}" 2>/dev/null || :
}
fresh() {
  if [ -L "$1" ]; then fail "$1 is a symbolic link. Nothing was changed."; fi
  if ! [ -d "${1%/*}" ]; then fail "The directory of $1 is not there. Nothing was changed."; fi
  if ! [ -w "${1%/*}" ]; then fail "$(id -un) may not make files in the directory of $1. Nothing was changed there."; fi
  rm -f -- "$(aside "$1")"
}
# What fails in here does not end the script by itself (it is asked for with ||): each says so.
# Standard input of this is all of the sections; $1: name, $2: path, $3: mode, $4: owner or -, $5: how many lines
render() {
  fresh "$2"
  new=$(aside "$2") was=
  section "$1" >"$new" || :
  if [ "$(wc -l <"$new")" -ne "$5" ]; then
    fail "$2 could not be written: its disk is full, or what was to be written did not come whole."
  fi
  if [ -e "$2" ]; then was=$(stat -c %u:%g -- "$2"); fi
  owner=$4
  if [ "$owner" = - ]; then owner=; fi
  put "$2" "$3" "$owner" "$was"
}
"""

_RUN = r"""
run() { sed -n 's/.*"run": *"\([^"]*\)".*/\1/p' "$state/lock/owner.json" 2>/dev/null | head -n 1; }
ours() { [ -d "$state/kept" ] && [ "$(cat "$state/kept/run" 2>/dev/null)" = "$(run)" ]; }
"""
"""Whose run holds the lock here, and whether what is kept is of that run and not of one before."""

KEEP_SCRIPT = (
    _SAY
    + _FINGERPRINT
    + _RUN
    + r"""
set -eu
umask 077
state=$1
shift
if ours; then exit 0; fi
rm -rf -- "$state/kept" "$state/.kept.new"
mkdir -p -- "$state/.kept.new"
trap 'rm -rf -- "$state/.kept.new"' EXIT
run >"$state/.kept.new/run"
while [ $# -gt 0 ]; do
  name=$1 path=$2 planned=$3
  shift 3
  if [ "$(fingerprint "$path")" != "$planned" ]; then
    echo "$path is not the file that was planned with: somebody changed it since. Nothing was changed; plan again." >&2
    exit 1
  fi
  if [ "$planned" = absent ]; then
    : >"$state/.kept.new/$name.absent"
  else
    cat -- "$path" >"$state/.kept.new/$name.text"
    stat -c '%a %u:%g' -- "$path" >"$state/.kept.new/$name.was"
  fi
done
sync -f "$state/.kept.new" 2>/dev/null || :
mv -- "$state/.kept.new" "$state/kept"
trap - EXIT
"""
)
"""$1: state directory, then NAME PATH FINGERPRINT… (`absent`: not there when planning)."""

FORGET_SCRIPT = r"""
rm -rf -- "$1/kept" "$1/.kept.new"
"""
"""$1: state directory."""

WRITE_SCRIPT = (
    _SAY
    + _SPLIT
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
    + _PUT
    + _RUN
    + r"""
set -eu
umask 077
state=$1
shift
kept=$state/kept
all=$(cat)
if ! ours; then
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
fi
while [ $# -gt 0 ]; do
  if [ -e "$kept/$1.absent" ]; then
    rm -f -- "$2"
    echo "$2 was not there before, and is removed"
  else
    read -r mode was <"$kept/$1.was"
    fresh "$2"
    new=$(aside "$2")
    cat -- "$kept/$1.text" >"$new" || fail "$2 could not be written: is its disk full?"
    put "$2" "$mode" '' "$was"
    echo "$2 is what it was before"
  fi
  shift 5
done
"""
)
"""$1: state directory, then NAME PATH MODE OWNER LINES… (LINES `-`: there is no old template); the sections
of the old templates on standard input."""
