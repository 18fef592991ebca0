"""The sh scripts that stand around programs of others, of a migration tool say, and the words that run them.

One program after another, what one says kept in a file, what two say compared. POSIX sh; every word of a program is a
positional parameter.
"""

from __future__ import annotations

from collections.abc import Sequence

_FIRST_OF = r"""
first_of() { # a count, then words: the first so many of them, as a command in the place of this shell
  n=$1
  shift
  all=$# i=0
  while [ "$i" -lt "$n" ]; do set -- "$@" "$1"; shift; i=$((i + 1)); done
  shift $((all - n))
  exec "$@"
}
"""

RECORD_SCRIPT = r"""
umask 022
file=$1
shift
"$@" >"$file.new"
rc=$?
cat -- "$file.new"
if [ "$rc" -eq 0 ]; then mv -f -- "$file.new" "$file"; else rm -f -- "$file.new"; fi
exit "$rc"
"""
"""$1: a file, then a command: its standard output is shown, and kept in the file if it succeeds."""

THEN_SCRIPT = (
    _FIRST_OF
    + r"""
(first_of "$@") || exit
shift $(($1 + 1))
exec "$@"
"""
)
"""$1: how many words the first command has, then the words of both: the second runs if the first succeeded."""

SAME_SCRIPT = (
    _FIRST_OF
    + r"""
words=$1 say=$2
shift 2
wanted=$(first_of "$words" "$@") || exit 2
shift "$words"
found=$("$@") || exit 2
first() { printf '%s\n' "$1" | awk 'NF { print $1 }' | sort -u; }
first "$found"
if [ "$(first "$wanted")" != "$(first "$found")" ]; then
  [ -z "$say" ] || printf 'wanted %s, found %s\n' "$(first "$wanted")" "$(first "$found")" >&2
  exit 1
fi
"""
)
"""$1: how many words the first command has; $2: empty, or a difference is said on standard error, which a detached
command has in one with its output; then the words of both. Exit code 0 if the first words of the lines that they print
are the same, 1 if not, 2 if one of them failed. Prints the first words of what the second one printed."""
SAME_FAILED = (2,)

KNOWS_SCRIPT = (
    _FIRST_OF
    + r"""
umask 022
file=$1 left=$2 now=$3
shift 3
wanted=
while [ "$left" -gt 0 ]; do wanted="$wanted $1"; shift; left=$((left - 1)); done
if [ "$now" -gt 0 ]; then
  found=$(first_of "$now" "$@") || {
    rc=$?
    # Some tools say on standard output what went wrong.
    [ -z "$found" ] || printf '%s\n' "$found" >&2
    echo "This image does not say at which revision the database is." >&2
    exit "$rc"
  }
  shift "$now"
  wanted="$wanted $(printf '%s\n' "$found" | awk 'NF { print $1 }' | tr -cd 'A-Za-z0-9_.\n-' | tr '\n' ' ')"
fi
"$@" >"$file.new"
rc=$?
cat -- "$file.new"
if [ "$rc" -ne 0 ]; then rm -f -- "$file.new"; exit "$rc"; fi
mv -f -- "$file.new" "$file"
for revision in $wanted; do
  if ! tr -c 'A-Za-z0-9_.-' '\n' <"$file" | grep -Fqx -- "$revision"; then
    echo "The database is at $revision, and this image does not know that revision." >&2
    exit 1
  fi
done
"""
)
"""$1: a file, $2: how many revisions follow, $3: how many words the command has that prints more of them (0: none),
then the revisions, that command, and the command that prints what an image knows."""


def then(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Words that run `first` and, if it succeeded, `second`."""
    return ("sh", "-c", THEN_SCRIPT, "quarterdeck-then", str(len(first)), *first, *second)


def recorded(file: str, argv: Sequence[str]) -> tuple[str, ...]:
    """Words that run `argv`, show its standard output, and keep it in `file` if it succeeded."""
    return ("sh", "-c", RECORD_SCRIPT, "quarterdeck-record", file, *argv)


def same(first: Sequence[str], second: Sequence[str], *, say: bool) -> tuple[str, ...]:
    """Words that compare what two commands print: exit code 0 if the first words of their lines are the same.

    `say`: a difference is said in words; else nothing is printed but what the second one found.
    """
    return ("sh", "-c", SAME_SCRIPT, "quarterdeck-same", str(len(first)), "say" if say else "", *first, *second)


def knows(file: str, revisions: Sequence[str], argv: Sequence[str], current: Sequence[str] = ()) -> tuple[str, ...]:
    """Words that run `argv`, keep what it prints in `file`, and fail if one of `revisions` is not in it.

    `current`: a program that prints further ones, a line each; where it fails, all of it does.
    """
    counts = (str(len(revisions)), str(len(current)))
    return ("sh", "-c", KNOWS_SCRIPT, "quarterdeck-knows", file, *counts, *revisions, *current, *argv)
