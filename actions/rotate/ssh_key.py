"""SSH keys: the public half in a file of authorized keys, added and taken away by exactly this key; and logging in.

The fixed scripts change the file aside and rename it, and check that it grew or shrank by exactly the line that was
meant. A key goes over on standard input, though it is no secret: so its line is never cut or read by a shell.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actions.rotate.looks import Look, Seen
from actions.rotate.values import ssh_key
from console.hosts.try_key import offered_here, try_key
from console.runs.api import Command, FactsContext, Op, OpContext, OpHandler, Outcome
from console.text.sanitise import clean
from console.text.secret import Label, labelled
from profiles.models import SshKeyRotation

EACH_S = 45.0
AGENT = "an SSH agent"
"""Stands for the file that a key comes from."""

_FIND = r"""
set -u
umask 077
export LC_ALL=C
file=$1
[ -n "$file" ] || file=$HOME/.ssh/authorized_keys
IFS= read -r key || exit 64
kind=${key%% *} blob=${key#* }
blob=${blob%% *}
# What cannot be read is not taken for a file without the key.
unreadable() { echo "$1 cannot be read by this account" >&2; exit 66; }
if [ -e "$file" ] && ! [ -r "$file" ]; then unreadable "$file"; fi
if ! [ -e "$file" ]; then
  above=${file%/*}
  while [ -n "$above" ] && ! [ -e "$above" ]; do above=${above%/*}; done
  [ -x "${above:-/}" ] || unreadable "$above"
fi
# Lines of exactly this key, whatever options or comment stand around it.
count() {
  awk -v k="$kind" -v b="$blob" '
    !/^[ \t]*#/ { for (i = 1; i < NF; i++) if ($i == k && $(i + 1) == b) { n++; break } }
    END { print n + 0 }' "$1"
}
lines() { wc -l <"$1"; }
"""
ADD = (
    _FIND
    + r"""
folder=${file%/*}
[ -d "$folder" ] || { mkdir -p -- "$folder" && chmod 700 -- "$folder"; } || exit 1
[ -e "$file" ] || : >"$file" || exit 1
[ "$(count "$file")" = 0 ] || { echo "it is there already"; exit 0; }
new=$file.quarterdeck-new
rm -f -- "$new"
cat -- "$file" >"$new" || { rm -f -- "$new"; exit 1; }
if [ -s "$new" ] && [ -n "$(tail -c 1 "$new")" ]; then printf '\n' >>"$new"; fi
before=$(lines "$new")
printf '%s\n' "$key" >>"$new"
if [ "$(lines "$new")" -ne $((before + 1)) ]; then
  rm -f -- "$new"; echo "$file could not be written: is its disk full?" >&2; exit 1
fi
chmod --reference="$file" -- "$new" && { chown --reference="$file" -- "$new" 2>/dev/null || :; }
mv -f -- "$new" "$file" || { rm -f -- "$new"; exit 1; }
sync -f "$folder" 2>/dev/null || :
[ "$(count "$file")" = 1 ] || { echo "$file does not hold the key after all" >&2; exit 1; }
echo "one line more in $file"
"""
)
TAKE = (
    _FIND
    + r"""
[ -e "$file" ] || { echo "$file is not there"; exit 0; }
found=$(count "$file")
[ "$found" != 0 ] || { echo "it is not there"; exit 0; }
new=$file.quarterdeck-new
rm -f -- "$new"
awk -v k="$kind" -v b="$blob" '
  /^[ \t]*#/ { print; next }
  { hit = 0; for (i = 1; i < NF; i++) if ($i == k && $(i + 1) == b) { hit = 1; break } if (!hit) print }
  ' "$file" >"$new"
if [ "$(lines "$new")" -ne $(($(awk 'END { print NR }' "$file") - found)) ]; then
  rm -f -- "$new"; echo "$file could not be written: is its disk full?" >&2; exit 1
fi
chmod --reference="$file" -- "$new" && { chown --reference="$file" -- "$new" 2>/dev/null || :; }
mv -f -- "$new" "$file" || { rm -f -- "$new"; exit 1; }
sync -f "${file%/*}" 2>/dev/null || :
echo "$found line less in $file"
"""
)
HAS = _FIND + '[ -e "$file" ] && [ "$(count "$file")" != 0 ]\n'


def public(value: str, comment: str = "") -> str:
    """The public half of a private key, as a line of authorized keys. Raises ValueError."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

    try:
        key = load_ssh_private_key(f"{value.strip()}\n".encode(), None)
    except (ValueError, TypeError) as error:
        raise ValueError("The credential is no private key in OpenSSH's form without a passphrase.") from error
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{line} {comment}".strip()


def own_identities(ctx: FactsContext, rotation: SshKeyRotation) -> tuple[str, ...]:
    """From where the console's own logins to the hosts take the key that is rotated, where no consumer renews it.

    Key files, as the profile and the ssh configuration name them, and AGENT. Raises CredentialError, HostRefused.
    """
    environment, value = ctx.environment, ctx.secret(rotation.credential.secret)
    given = [Path(consumer.file) for consumer in rotation.consumers.values() if consumer.file is not None]
    found: list[str] = []
    for name in rotation.hosts or environment.hosts:
        config = environment.host_config(name)
        files, agent = ((), False) if config.local else offered_here(config, value, timing=environment.timing)
        if not any(_same(Path(file).expanduser(), one) for file in files for one in given):
            found += files or ((AGENT,) if agent else ())
    return tuple(dict.fromkeys(found))


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def change_op(name: str, label: Label, file: str, comment: str, *, add: bool) -> Op:
    """Add the public half of a value, or take it away. On the step's host."""
    args = {"name": name, "label": label, "file": file, "comment": comment, "add": add}
    return Op(name="ssh.authorized@1", args=args, writes=True, deadline_s=2 * EACH_S)


def change(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`ssh.authorized@1`: {name, label, file, comment, add}."""
    line, sentence = _line(ctx, args)
    if not line:
        return Outcome(verdict="no", evidence=sentence)
    script = ADD if args["add"] else TAKE
    words = ("sh", "-c", script, "quarterdeck-authorized", args["file"])
    return ctx.guarded(Command(argv=words, writes=True, deadline_s=EACH_S), stdin=line.encode())


def is_there(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`ssh.is_authorized@1`: {name, label, file, comment, add}: as `add` says?"""
    line, sentence = _line(ctx, args)
    if not line:
        return Outcome(verdict="unknown", evidence=sentence)
    look = Command(argv=("sh", "-c", HAS, "quarterdeck-authorized", args["file"]), deadline_s=20.0)
    result = ctx.host().run(look, stdin=line.encode())
    where = args["file"] or "authorized_keys"
    if result.rc not in (0, 1):
        said = clean(result.err.decode("utf-8", "replace").strip()[-400:]) or f"exit code {result.rc}"
        return Outcome(verdict="unknown", evidence=f"whether the key is in {where} cannot be seen: {said}")
    there = result.rc == 0
    said = f"the key is {'' if there else 'not '}in {where}"
    return Outcome(verdict="yes" if there == args["add"] else "no", evidence=said)


def _line(ctx: OpContext, args: Mapping[str, Any]) -> tuple[str, str]:
    try:
        return public(ctx.secret(labelled(args["name"], args["label"])), args["comment"]) + "\n", ""
    except ValueError as error:
        return "", str(error)


def see(ctx: OpContext, how: Mapping[str, Any], value: str) -> Seen:
    """Log in anew with this key alone: no agent, no other key, the host key checked as always."""
    environment = ctx.environment
    tried = try_key(
        environment.host_config(how["host"]),
        value,
        user=how["user"] or None,
        passphrase_for=environment.passphrase,
        timing=environment.timing,
    )
    return Seen(tried.verdict, tried.evidence)


LOOK = Look(see, lambda how, value: ssh_key("made-up"))

OPS: Mapping[str, OpHandler] = {"ssh.authorized@1": change, "ssh.is_authorized@1": is_there}
