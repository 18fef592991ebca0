"""The forms in which a secret may turn up in output.

Tools print what they were given in the form they use it: in a URL, as JSON, quoted for a shell, as base64 inside a
longer base64 text. Each form is derived here, as bytes to look for. What no list can cover is named in GAPS.
"""

from __future__ import annotations

import base64
import html
import json
import shlex
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

MIN_RAW: Final = 4
"""Bytes below which a value is not looked for at all: it would mask ordinary words everywhere."""
MIN_DERIVED: Final = 6
"""Bytes below which a line or an encoded form is not looked for."""
WEAK: Final = 8
"""Characters below which a secret is too short to be redacted with confidence."""

GAPS: Final = (
    "a value reversed, cut into parts, padded with spaces or other visible characters",
    "a value hashed, encrypted or compressed, or derived from the secret by the service (session tokens)",
    "base64 or hexadecimal text that is wrapped over several lines or grouped with separators",
    "UTF-16 and other encodings than UTF-8",
    "lines shorter than 6 bytes of a secret of several lines, printed alone",
    "values shorter than 4 bytes",
)


def short_parts(value: str) -> tuple[str, ...]:
    """What of a credential is too short to be found in output for certain: `""` for all of it, or names of its fields.

    The name of an account is no secret, however short.
    """
    try:
        fields = json.loads(value) if value.lstrip().startswith("{") else None
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return ("",) if len(value) < WEAK else ()
    return tuple(
        name
        for name, part in fields.items()
        if isinstance(part, str) and len(part) < WEAK and name.lower() not in ("user", "username", "login", "name")
    )


def forms(value: str) -> Iterator[bytes]:
    """Every form of `value` to look for, as UTF-8 bytes; the value itself first, repetitions possible."""
    raw = _bytes(value)
    if len(raw) >= MIN_RAW:
        yield raw
    for part in _parts(value):
        for derived in _derived(part):
            if len(derived) >= MIN_DERIVED:
                yield derived


def _parts(value: str) -> Iterator[str]:
    """The value, its trimmed self, its longer lines, and the fields of a JSON object."""
    yield value
    if value.strip() != value:
        yield value.strip()
    if "\n" in value or "\r" in value:
        for line in value.splitlines():
            line = line.strip()
            if len(set(line)) >= 3:  # a line of dashes or spaces is no secret
                yield line
    if value.lstrip().startswith("{"):
        try:
            fields = json.loads(value)
        except ValueError:
            return
        yield from _leaves(fields)


def _leaves(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for inner in node.values():
            yield from _leaves(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _leaves(inner)


def _derived(part: str) -> Iterator[bytes]:
    raw = _bytes(part)
    if len(raw) < MIN_DERIVED:
        return
    yield raw
    for escaped in _escaped(part):
        yield _bytes(escaped)
    for safe in ("", "/"):
        percent = quote(raw, safe=safe)
        yield percent.encode()
        yield _lower_percent(percent).encode()
    plus = quote_plus(raw)
    yield plus.encode()
    yield _lower_percent(plus).encode()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for shift in range(3):
        yield _base64_core(raw, shift)
        yield _base64_core(raw, shift).translate(bytes.maketrans(b"+/", b"-_"))


def _escaped(part: str) -> Iterator[str]:
    for ascii_only in (True, False):
        once = json.dumps(part, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield once.replace("/", "\\/")
        yield once.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")  # Go's encoder
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]  # JSON within JSON
    yield repr(part)[1:-1]
    quoted = shlex.quote(part)
    yield quoted[1:-1] if quoted != part else quoted
    yield part.replace("'", "'\\''")  # the other way to put a quote into single quotes
    yield "".join(c if c.isalnum() or c in "_@%+=:,./-" else "\\" + c for c in part)  # printf %q
    yield "".join("\\" + c if c in '"\\$`' else c for c in part)  # within double quotes
    yield part.replace("'", "''")  # SQL
    escaped = html.escape(part)
    yield escaped
    yield escaped.replace("&#x27;", "&#39;")
    yield escaped.replace("&#x27;", "&apos;")
    yield html.escape(part, quote=False)


def _base64_core(raw: bytes, shift: int) -> bytes:
    """The characters of base64 that depend on nothing but `raw`, when `shift` bytes (mod 3) precede it."""
    text = base64.b64encode(b"\0" * shift + raw)
    first = (0, 2, 3)[shift]
    return text[first : (shift + len(raw)) * 8 // 6]


def _lower_percent(text: str) -> str:
    pieces = text.split("%")
    return pieces[0] + "".join("%" + p[:2].lower() + p[2:] for p in pieces[1:])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
