"""Host keys that a person has accepted: our own reader of OpenSSH's known_hosts files.

paramiko refuses a whole file for one `@cert-authority` or `@revoked` line and finds no wildcard patterns (measured
with 5.1). This reads line by line: a line that cannot be used is reported and costs nothing else. Format: sshd(8),
"SSH_KNOWN_HOSTS FILE FORMAT".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

Marker = Literal["", "revoked", "cert-authority"]


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One usable line."""

    file: str
    line: int
    marker: Marker
    patterns: str
    kind: str
    blob: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that cannot be used, and why."""

    file: str
    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the files say of a key that a host showed."""

    outcome: Literal["known", "unknown", "mismatch", "revoked"]
    line: KnownKey | None = None
    """The line that decided: the accepted key, the revoked one, or the other key that is on record."""
    authority: KnownKey | None = None
    """A @cert-authority line for this host, which is not used here."""


def fingerprint(blob: bytes) -> str:
    """`SHA256:…` of a public key, as ssh-keygen -l prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def read(paths: Iterable[str | Path]) -> tuple[list[KnownKey], list[Problem]]:
    """All usable lines of the files that exist, in order, and what could not be used."""
    keys: list[KnownKey] = []
    problems: list[Problem] = []
    for path in paths:
        file = Path(path).expanduser()
        try:
            text = file.read_text("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problems.append(Problem(str(file), 0, f"cannot be read: {error.strerror or error}"))
            continue
        for number, line in enumerate(text.splitlines(), 1):
            one = parse_line(line, str(file), number)
            if isinstance(one, KnownKey):
                keys.append(one)
            elif one is not None:
                problems.append(one)
    return keys, problems


def parse_line(line: str, file: str, number: int) -> KnownKey | Problem | None:
    """One line: a key, a problem, or None for an empty line or a comment."""
    fields = line.split()
    if not fields or fields[0].startswith("#"):
        return None
    marker: Marker = ""
    if fields[0].startswith("@"):
        if fields[0] == "@revoked":
            marker = "revoked"
        elif fields[0] == "@cert-authority":
            marker = "cert-authority"
        else:
            return Problem(file, number, f"unknown marker {fields[0]}")
        fields = fields[1:]
    if len(fields) < 3:
        return Problem(file, number, "a host, a kind of key and a key are needed")
    patterns, kind, text = fields[:3]
    if kind.isdecimal():
        return Problem(file, number, "a key of SSH protocol 1")
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return Problem(file, number, "the key is not base64")
    if not blob[4:].startswith(kind.encode()):
        return Problem(file, number, f"the key is not of the kind {kind}")
    if patterns.startswith("|") and _hashed(patterns) is None:
        return Problem(file, number, "the hashed host name cannot be read")
    return KnownKey(file, number, marker, patterns, kind, blob)


def matches(patterns: str, name: str) -> bool:
    """Whether a line's host field names `name` (`host`, or `[host]:port`): hashed, wildcard or negated."""
    name = name.lower()
    hashed = _hashed(patterns)
    if hashed is not None:
        salt, digest = hashed
        return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
    found = False
    for pattern in patterns.lower().split(","):
        negated = pattern.startswith("!")
        # Only * and ? are special there; the brackets of [host]:port are themselves.
        plain = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatchcase(name, plain):
            if negated:
                return False
            found = True
    return found


def _hashed(patterns: str) -> tuple[bytes, bytes] | None:
    parts = patterns.split("|")
    if len(parts) != 4 or parts[0] or parts[1] != "1":
        return None
    try:
        return base64.b64decode(parts[2], validate=True), base64.b64decode(parts[3], validate=True)
    except (binascii.Error, ValueError):
        return None


def hashed(name: str, salt: bytes) -> str:
    """The host field of a hashed line (`HashKnownHosts yes`)."""
    digest = hmac.new(salt, name.lower().encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def judge(keys: Sequence[KnownKey], name: str, kind: str, blob: bytes) -> Verdict:
    """What is known of a key that the host called `name` showed. A revoked key stays revoked under any other line."""
    here = [key for key in keys if matches(key.patterns, name)]
    authority = next((key for key in here if key.marker == "cert-authority"), None)
    for key in here:
        if key.marker == "revoked" and key.blob == blob:
            return Verdict("revoked", key, authority)
    plain = [key for key in here if not key.marker]
    for key in plain:
        if key.blob == blob:
            return Verdict("known", key, authority)
    if plain:
        same = next((key for key in plain if key.kind == kind), plain[0])
        return Verdict("mismatch", same, authority)
    return Verdict("unknown", None, authority)


def kinds(keys: Sequence[KnownKey], name: str) -> list[str]:
    """Kinds of key on record for a host, first line first: these are asked for first."""
    found: list[str] = []
    for key in keys:
        if not key.marker and key.kind not in found and matches(key.patterns, name):
            found.append(key.kind)
    return found
