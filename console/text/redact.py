"""A redactor stands before every sink: journal, spool, log, audit, traceback, screen.

It replaces what it finds by the *name* of the secret, `<redacted:db_password>`, which says nothing of its length. It
looks for every registered secret in the forms of `console.text.encodings`, also where escape sequences split it,
and for what looks like a secret by its form (private keys, Authorization headers, passwords in URLs, tokens of
well-known services). It is the second defence: the first is never to print a secret. What it cannot find is listed
in `console.text.encodings.GAPS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from console.text.encodings import MIN_RAW, WEAK, forms
from console.text.finder import Finder, Span, may_be_by_form
from console.text.secret import Secret, SecretRef

LINE_LIMIT: Final = 64 * 1024
"""Bytes of an unfinished line that a stream holds back; a longer one is given out in parts."""
_KEY_LIMIT: Final = 32 * 1024
_VALUE_LIMIT: Final = 256 * 1024
_WINDOW: Final = 8 * 1024
_CUT: Final = re.compile(r"[^\n]*\u2026(?: \(\+[0-9]+ characters\))?$", re.MULTILINE)
_LAST_WORD: Final = re.compile(rb"\S*\Z")
# Keys of structured data whose text is masked whatever it is. Not "secret" and "token": the first is how a
# SecretRef is written, the second names fences and leases.
_SENSITIVE: Final = frozenset(
    {
        *("password", "passwd", "passphrase", "authorization", "private_key", "api_key", "apikey"),
        *("access_token", "refresh_token", "client_secret"),
    }
)


def mask(name: str) -> str:
    """What stands in the place of a secret."""
    return f"<redacted:{name}>"


class Redactor:
    """Knows the secrets of one process and takes them out of text, data and streams. Safe to share between threads.

    `secrets` maps the name that is shown to the value. Values below 4 bytes are not looked for and those below 8
    characters are uncertain; `weak` names both.
    """

    def __init__(self, secrets: Mapping[str, Secret] | None = None) -> None:
        self._secrets: dict[str, tuple[Secret, ...]] = {}
        self._finder = Finder(())
        for name, secret in (secrets or {}).items():
            self._register(name, secret)
        self._index()

    def __repr__(self) -> str:
        return f"Redactor({', '.join(self._secrets)})"

    def add(self, name: str, secret: Secret) -> None:
        """From now on `secret` is masked too, beside earlier values of the same name. Streams see it at once."""
        if self._register(name, secret):
            self._index()

    def add_all(self, secrets: Mapping[str, Secret]) -> None:
        """The same for many at once, which costs no more than one."""
        new = [self._register(name, secret) for name, secret in secrets.items()]
        if any(new):
            self._index()

    @property
    def weak(self) -> tuple[str, ...]:
        """Names of secrets that are too short to be found for certain, or at all."""
        return tuple(n for n, values in self._secrets.items() if any(len(v.reveal()) < WEAK for v in values))

    @property
    def known_values(self) -> int:
        """How many values are known. It grows when one is learned: what was masked before may hold it."""
        return sum(map(len, self._secrets.values()))

    def text(self, text: str) -> str:
        """`text` without secrets; the same object if there are none in it."""
        data = text.encode("utf-8", "surrogatepass")
        spans = self._finder.find(data)
        return self._ends(_render(data, spans).decode("utf-8", "surrogatepass") if spans else text)

    def known(self, text: str) -> str:
        """`text` without registered secrets. What only looks like one stays: for a text that a person must judge."""
        data = text.encode("utf-8", "surrogatepass")
        spans = self._finder.find(data, known=True)
        return self._ends(_render(data, spans).decode("utf-8", "surrogatepass") if spans else text)

    def bytes(self, data: bytes) -> bytes:
        """A whole output without secrets. For output that comes in parts use `stream`."""
        spans = self._finder.find(data)
        return _render(data, spans) if spans else data

    def data(self, value: Any) -> Any:
        """JSON data without secrets: strings, numbers and keys at any depth. A Secret in it becomes its mask."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.data(key): self._field(key, inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(inner) for inner in value]
        if isinstance(value, Secret):
            return mask(self._name_of(value))
        if isinstance(value, SecretRef):
            return value.to_json()
        if isinstance(value, int | float) and not isinstance(value, bool):
            written = str(value)
            shown = self.text(written)
            return value if shown == written else shown
        return value

    def _ends(self, text: str) -> str:
        """`text` without the beginning of a secret before a place where a line was cut (`…`, see the sanitiser)."""
        if "\u2026" not in text or not self._secrets:
            return text
        return _CUT.sub(lambda found: self._before_cut(found[0]), text)

    def _before_cut(self, line: str) -> str:
        mark = line.rindex("\u2026")
        head = line[max(0, mark - self._finder.longest) : mark].encode("utf-8", "surrogatepass")
        at = self._finder.begins_at_end(head)
        if len(head) - at < MIN_RAW:
            return line
        kept = line[: max(0, mark - self._finder.longest)] + head[:at].decode("utf-8", "surrogatepass")
        return kept + line[mark:]

    def stream(self) -> RedactingStream:
        """A redactor for the bytes of one stream."""
        return RedactingStream(self)

    def _field(self, key: object, value: Any) -> Any:
        if isinstance(value, str) and value and isinstance(key, str) and key.lower().replace("-", "_") in _SENSITIVE:
            shown = self.text(value)
            return shown if shown.startswith("<redacted:") else mask(key.lower())
        return self.data(value)

    def _name_of(self, secret: Secret) -> str:
        return next((name for name, values in self._secrets.items() if secret in values), "secret")

    def _register(self, name: str, secret: Secret) -> bool:
        known = self._secrets.get(name, ())
        if secret in known or not secret:
            return False
        self._secrets[name] = (*known, secret)
        return True

    def _index(self) -> None:
        self._finder = Finder(
            (form, name) for name, values in self._secrets.items() for v in values for form in forms(v.reveal())
        )


class RedactingStream:
    """Redacts one stream of bytes, however it is cut. Not thread-safe; one instance a stream.

    Whole lines come out as soon as they are whole. Of an unfinished line nothing comes out until it ends, until
    `idle` or `flush` is called, or until it is longer than LINE_LIMIT.
    """

    __slots__ = ("_held", "_redactor", "_size", "_swallow")

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held: list[bytes] = []
        self._size = 0
        self._swallow = False

    def feed(self, data: bytes) -> bytes:
        """What may be given out after `data` came in."""
        if self._swallow:
            end = data.find(b"\n")
            if end < 0:
                return b""
            self._swallow, data = False, data[end:]
        self._held.append(data)
        self._size += len(data)
        if b"\n" not in data and self._size <= LINE_LIMIT:
            return b""
        buffer = self._take()
        cut = buffer.rfind(b"\n") + 1
        if len(buffer) - cut > LINE_LIMIT:
            return self._part_of_long_line(buffer)
        lines = buffer[:cut]
        spans = self._redactor._finder.find(lines)
        hold = _before(spans, self._opened(lines, spans))
        self._hold(buffer[hold:])
        return _render(buffer[:hold], [s for s in spans if s.end <= hold])

    def idle(self) -> bytes:
        """What may be given out of an unfinished line when nothing has come for a while (200 ms is good): a prompt
        is seen, but neither its last word nor anything that a secret may begin with."""
        buffer = self._take()
        if may_be_by_form(buffer):
            self._hold(buffer)
            return b""
        finder = self._redactor._finder
        spans = finder.find(buffer)
        places = [match.start() for match in _LAST_WORD.finditer(buffer)]
        places.append(finder.begins_at_end(buffer))
        places += [at for at in (buffer.rfind(b"\x1b"), buffer.rfind(b"\xc2")) if at >= 0]
        hold = _before(spans, min(places))
        self._hold(buffer[hold:])
        return _render(buffer[:hold], [s for s in spans if s.end <= hold])

    def flush(self) -> bytes:
        """The rest, at the end of the stream."""
        return self._redactor.bytes(self._take())

    def _opened(self, lines: bytes, spans: list[Span]) -> int:
        """Where something begins that may go on in the next lines: a secret of several lines, a private key."""
        hold = len(lines)
        if spans and spans[-1].end == len(lines) and len(lines) - spans[-1].start <= _KEY_LIMIT:
            hold = spans[-1].context
        for pattern in self._redactor._finder.several_lines:
            end = pattern.rfind(b"\n", 0, len(pattern) - 1) + 1
            while end > 0:
                if lines.endswith(pattern[:end]):
                    hold = min(hold, len(lines) - end)
                    break
                end = pattern.rfind(b"\n", 0, end - 1) + 1
        return hold

    def _part_of_long_line(self, buffer: bytes) -> bytes:
        finder = self._redactor._finder
        spans = finder.find(buffer)
        hold = _before(spans, max(len(buffer) - finder.longest - _WINDOW, 0))
        if len(buffer) - hold > _VALUE_LIMIT:
            # A value of a quarter of a megabyte is not kept in memory; what follows on this line goes with it.
            self._swallow = True
            return _render(buffer, spans)
        self._hold(buffer[hold:])
        return _render(buffer[:hold], [s for s in spans if s.end <= hold])

    def _take(self) -> bytes:
        buffer = b"".join(self._held)
        self._held, self._size = [], 0
        return buffer

    def _hold(self, rest: bytes) -> None:
        if rest:
            self._held, self._size = [rest], len(rest)


def _before(spans: Sequence[Span], place: int) -> int:
    """`place`, or an earlier one where no span, nor what it was recognised by, is cut in two."""
    for index in range(len(spans) - 1, -1, -1):
        if spans[index].context < place < spans[index].end:
            place = max(spans[index].context, spans[index - 1].end if index else 0)
    return place


def _render(data: bytes, spans: Iterable[Span]) -> bytes:
    out: list[bytes] = []
    last = 0
    for span in spans:
        out += (data[last : span.start], mask(span.name).encode())
        last = span.end
    out.append(data[last:])
    return b"".join(out)
