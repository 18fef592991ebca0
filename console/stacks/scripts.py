"""The fixed sh scripts that stacks run on hosts, and the reader of what the reading ones print.

Each is POSIX sh (dash, busybox) and takes everything that varies as a positional parameter or on standard input, so
that nothing is ever glued into a line of shell. What they print is split by lines that begin with `@@qd:`; every line
of foreign text is printed with a `|` before it, so that no file and no tool can forge a heading.
"""

from __future__ import annotations

from collections.abc import Iterator

SECTION = "@@qd:"

_PRELUDE = r"""
say() { printf '@@qd:%s\n' "$*"; }
body() { sed 's/^/|/'; printf '\n'; }
"""

RELEASES = r"""
set --
for d in "$state"/releases/r*/; do
  [ -f "$d/release.json" ] || continue
  id=${d%/}; id=${id##*/}
  for f in release.json by.json written schema.before schema.after schema.known verified undone env.json; do
    if [ -f "$d/$f" ]; then set -- "$@" "release $id $f" "$d/$f"; fi
  done
  for f in "$d"level.*; do
    if [ -f "$f" ]; then set -- "$@" "release $id ${f##*/}" "$f"; fi
  done
done
for f in "$state"/runs/*/without; do
  if [ -f "$f" ]; then run=${f%/without}; set -- "$@" "left ${run##*/}" "$f"; fi
done
# One process for all of them: this is asked every minute, and twice for a plan.
LC_ALL=C awk 'BEGIN {
  for (i = 1; i < ARGC; i += 2) {
    print "@@qd:" ARGV[i]
    while ((getline line < ARGV[i + 1]) > 0) print "|" line
    close(ARGV[i + 1])
  }
}' "$@"
"""

READ_RELEASES = _PRELUDE + 'state=$1\n[ -d "$state/releases" ] || exit 0\n' + RELEASES
"""$1: the state directory. Prints each release's small files."""

GROUND_SCRIPT = (
    _PRELUDE
    + r"""
dir=$1 state=$2 env=$3
shift 3
export LC_ALL=C
if info=$(docker info --format '{{.ServerVersion}} {{.Architecture}} {{.DockerRootDir}}' 2>/dev/null) &&
  [ -n "${info%% *}" ]; then
  root=${info#* }
  root=${root#* }
  say engine; printf '%s\n' "${info%% *}" | body
  say info; printf '%s\n' "${info#* }" | body
  # Side by side: each but the first takes its answer before it hands on what came before it.
  { say plugin; docker compose version --short 2>&1 | body; } | {
    found=$(docker image ls --digests --no-trunc --format '{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}}' \
      2>/dev/null </dev/null | body)
    cat; say images; printf '%s\n' "$found"
  } | {
    found=$(docker ps -a --filter label=quarterdeck.keep --format '{{.Names}}' 2>/dev/null </dev/null | body)
    cat; say kept; printf '%s\n' "$found"
  }
else
  root=
  say engine; docker version --format '{{.Server.Version}}' 2>&1 | body
  say plugin; docker compose version --short 2>&1 | body
fi
say standalone; docker-compose version --short 2>&1 | body
say directory
if [ -d "$dir" ] && [ -w "$dir" ]; then echo '|writable'; elif [ -d "$dir" ]; then echo '|read-only'; fi
while [ -n "$root" ] && ! df -Pk -- "$root" >/dev/null 2>&1; do
  case $root in /) break ;; *) root=${root%/*}; [ -n "$root" ] || root=/ ;; esac
done
if [ -n "$root" ]; then say disk engine; df -Pk -- "$root" 2>/dev/null | tail -n 1 | body; fi
say disk directory; df -Pk -- "$dir" 2>/dev/null | tail -n 1 | body
for f; do
  if [ -f "$f" ]; then say file "$f"; sha256sum <"$f" | body; fi
done
if [ -n "$env" ] && [ -r "$env" ]; then
  say keys
  awk -v apostrophe="'" '
    open != "" { if (index($0, open)) open = ""; next }
    match($0, /^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=/) {
      key = substr($0, RSTART, RLENGTH - 1); rest = substr($0, RSTART + RLENGTH)
      sub(/^[ \t]*(export[ \t]+)?/, "", key); sub(/[ \t]+$/, "", key)
      quote = substr(rest, 1, 1)
      if ((quote == "\"" || quote == apostrophe) && !index(substr(rest, 2), quote)) open = quote
      print key
    }' "$env" | body
  say fingerprint
  if [ -r /etc/machine-id ]; then
    { printf 'quarterdeck environment file\n'; cat /etc/machine-id "$env"; } | sha256sum | body
  fi
fi
"""
    + RELEASES
)
"""$1: deploy directory, $2: state directory, $3: environment file or "", then the compose files.

Of the environment file the names of its keys are printed, never a value: a quoted value that goes over several lines
is skipped as a whole, since a line of a PEM key can look like `AbCd=`.
"""

WRITE_SCRIPT = r"""
set -eu
umask 077
state=$1 id=$2
shift 2
new=$state/releases/.$id.new dir=$state/releases/$id
if [ -e "$dir/verified" ]; then
  echo "$dir is a verified release already; it is never written again." >&2
  exit 1
fi
rm -rf -- "$new"
trap 'rm -rf -- "$new"' EXIT
mkdir -p -- "$new/files"
cat >"$new/.all" || :
at=1
while [ $# -gt 0 ]; do
  case $1 in
    text)
      tail -c "+$at" "$new/.all" | head -c "$3" >"$new/$2"
      at=$((at + $3))
      size=$(wc -c <"$new/$2")
      if [ "$size" -ne "$3" ]; then
        echo "$new/$2 could not be written: only $size of $3 bytes are there." >&2
        exit 1
      fi
      shift 3 ;;
    copy)
      cp -- "$3" "$new/$2"
      sum=$(sha256sum <"$new/$2")
      if [ "${sum%% *}" != "$4" ]; then
        echo "$3 is not the file that was planned with: somebody changed it since. Nothing was changed; plan again." >&2
        exit 1
      fi
      shift 4 ;;
    *) echo "the console does not know its own word $1" >&2; exit 64 ;;
  esac
done
rm -f -- "$new/.all"
if [ -f "$state/lock/owner.json" ]; then cp -- "$state/lock/owner.json" "$new/by.json"; fi
date -u +%Y-%m-%dT%H:%M:%SZ >"$new/written"
sync -f "$new" 2>/dev/null || :
rm -rf -- "$dir"
mv -- "$new" "$dir"
trap - EXIT
"""
"""$1: state directory, $2: release, then `text NAME BYTES` (from standard input) or `copy NAME PATH SHA256`."""

MARK_SCRIPT = r"""
set -eu
umask 077
if [ ! -d "$1" ]; then echo "$1 is not there" >&2; exit 1; fi
if [ -s "$1/$2" ]; then exit 0; fi
date -u +%Y-%m-%dT%H:%M:%SZ >"$1/.$2.new"
mv -f -- "$1/.$2.new" "$1/$2"
"""
"""$1: the release's directory, $2: `verified` or `undone`."""

NOTE_SCRIPT = r"""
set -eu
umask 077
if [ ! -d "${1%/*}" ]; then echo "${1%/*} is not there" >&2; exit 1; fi
new=${1%/*}/.${1##*/}.new
cat >"$new"
sync -- "$new" 2>/dev/null || :
mv -f -- "$new" "$1"
"""
"""$1: a small file, written from standard input, aside and renamed."""

UNMARK_SCRIPT = r"""
set -eu
umask 077
rm -f -- "$1/verified"
if [ -d "$1" ] && [ ! -s "$1/undone" ]; then
  date -u +%Y-%m-%dT%H:%M:%SZ >"$1/.undone.new"
  mv -f -- "$1/.undone.new" "$1/undone"
fi
"""
"""$1: the release's directory. It is no longer verified, and is noted as undone."""

PULL_SCRIPT = r"""
umask 077
state=$1 registry=$2 user=$3
shift 3
config=$state/login
rm -rf -- "$config"
# A digest names one content: what is here is not asked for again.
if docker image inspect "$@" >/dev/null 2>&1; then
  echo 'all of them are here'
  exit 0
fi
if [ -n "$user" ]; then
  trap 'rm -rf -- "$config"' EXIT
  trap 'exit 143' TERM INT HUP
  mkdir -p -- "$config" || exit
  DOCKER_CONFIG=$config
  export DOCKER_CONFIG
  if ! docker login --username "$user" --password-stdin "$registry" >/dev/null 2>"$config/said"; then
    grep -v '^WARNING' "$config/said" >&2
    echo "The registry $registry did not let $user in." >&2
    exit 1
  fi
fi
for image; do
  printf 'fetching %s\n' "$image"
  docker pull "$image" || exit
done
"""
"""$1: state directory, $2: registry, $3: user or "", then images. The password comes on standard input.

The login's DOCKER_CONFIG is a private directory with a fixed name, so that one left behind by a SIGKILL is removed by
the next pull; the guard lets only one effect at a time work here.
"""

REST_SCRIPT = r"""
fetched=$1
shift
images=$("$@" config --images) || exit
[ -n "$images" ] || exit 0
# shellcheck disable=SC2086 # none of these names holds a space
docker image inspect $images >/dev/null 2>&1 && exit 0
printf '%s\n' "$images" | sort -u | while IFS= read -r image; do
  [ -n "$image" ] || continue
  docker image inspect "$image" >/dev/null 2>&1 && continue
  printf 'fetching %s\n' "$image"
  printf '%s\n' "$image" >>"$fetched" || exit
  docker pull "$image" || exit
done
"""
"""$1: file that notes what was fetched, then compose with its files. Fetches their images that are not here."""

UNREST_SCRIPT = r"""
if [ -f "$1" ]; then
  while IFS= read -r image; do
    if docker image inspect "$image" >/dev/null 2>&1; then docker image rm "$image" || :; fi
  done <"$1"
  rm -f -- "$1"
fi
exit 0
"""
"""$1: that file. An image that something uses stays."""

READY_SCRIPT = r"""
root=$(docker info --format '{{if .ServerVersion}}{{.DockerRootDir}}{{end}}' 2>/dev/null)
if [ -z "$root" ] && ! said=$(docker version --format '{{.Server.Version}}' 2>&1); then
  printf 'the engine does not answer: %s\n' "$said" >&2
  exit 1
fi
if ! [ -d "$1" ] || ! [ -w "$1" ]; then echo "$1 cannot be written to" >&2; exit 1; fi
room() {
  free=$(df -Pk -- "$1" 2>/dev/null | tail -n 1 | awk '{ print int($4 / 1024) }')
  if [ -n "$free" ] && [ "$free" -lt "$2" ]; then
    echo "$free MB are free in $1, $2 MB are needed" >&2
    exit 1
  fi
}
room "$1" "$2"
room "$root" "$3"
exit 0
"""
"""$1: deploy directory, $2: megabytes that must be free there, $3: and where the engine keeps its images."""

KEEP_SCRIPT = r"""
set -eu
environment=$1 release=$2
shift 2
here=$(docker ps -a --format '{{.Names}}')
while [ $# -gt 0 ]; do
  if ! printf '%s\n' "$here" | grep -qFx -e "$1"; then
    docker create --name "$1" --label "quarterdeck.keep=$release" --label "quarterdeck.environment=$environment" \
      --network none --restart no "$2" quarterdeck-keeps-this-image
  fi
  shift 2
done
"""
"""$1: environment, $2: release, then NAME IMAGE…: containers that are created and never started."""

UNKEEP_SCRIPT = r"""
rc=0
for name; do
  if docker container inspect "$name" >/dev/null 2>&1; then docker rm --volumes "$name" || rc=1; fi
done
exit "$rc"
"""
"""$@: names of keep containers. One that is not there is as good as removed."""

ADOPT_SCRIPT = r"""
set -eu
while [ $# -gt 0 ]; do docker tag "$1" "$2"; shift 2; done
"""
"""$@: IMAGE TAG…: a name for images that have no digest."""

PRUNE_SCRIPT = r"""
state=$1 containers='' images=''
shift
while [ $# -gt 0 ]; do
  case $1 in
    container) containers="$containers $2" ;;
    image) images="$images $2" ;;
    release) rm -rf -- "$state/releases/$2" || : ;;
  esac
  shift 2
done
# One call for all of them: it goes on after one that cannot be removed. None of these names holds a space.
# shellcheck disable=SC2086
if [ -n "$containers" ]; then docker rm --volumes $containers 2>&1 | grep -v 'No such container'; fi
# shellcheck disable=SC2086
if [ -n "$images" ]; then docker image rm $images 2>&1 | grep -v 'No such image'; fi
exit 0
"""
"""$1: state directory, then `container NAME`, `image REF` or `release ID`. What cannot be removed stays."""


def sections(text: str) -> Iterator[tuple[str, str]]:
    """(heading, body) of each section of what a reading script printed; the body without its `|`."""
    title: str | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith(SECTION):
            if title is not None:
                yield title, "\n".join(lines)
            title, lines = line[len(SECTION) :], []
        elif line.startswith("|"):
            lines.append(line[1:])
    if title is not None:
        yield title, "\n".join(lines)
