"""Finds many byte patterns in output at the speed of a stream, and what looks like a secret by its form.

Almost no output holds a secret, so the way past must be short. Any occurrence of a pattern of 15 bytes or more
covers a whole 8-byte word of the data, aligned to 8, that begins in one of eight neighbouring places of the pattern;
so the data is looked at as machine words and compared with a set of eight words a pattern, whatever the number of
patterns. The same with 4-byte words serves patterns of 7 to 14 bytes. Only patterns whose word was met are searched.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from console.text.escapes import BYTE_SEQUENCE, COLOUR, SPLITS

PRIVATE_KEY: Final = "private key"
_LONG: Final = 15
_MEDIUM: Final = 7
_BEHIND: Final = 8
"""Bytes before a trigger that a rule looks back at."""
_FEW: Final = 10
"""Up to so many patterns, looking for each is cheaper than looking at every word (measured: 0.6 against 6 to 12 ms a
megabyte)."""


class Span(NamedTuple):
    """A place in the data that must not be shown: [start, end), and the name of what is there."""

    start: int
    end: int
    name: str
    known: bool
    """True for a secret that was registered, False for one recognised by its form."""
    context: int
    """Where begins what it was recognised by; data cut after that would not show it any more."""


class _Rule(NamedTuple):
    trigger: bytes
    """Lower-case text without which the rule cannot match."""
    pattern: re.Pattern[bytes]
    """Matched where the trigger was found; the group that took part is what must not be shown."""
    name: str


_KEY_END: Final = rb"""["'\\]{0,3}[ \t]{0,8}"""
# A value in quotes (in JSON within JSON these are escaped), or up to the next blank or separator. What was masked
# before stays as it is, and a word that says there is no value is no value.
_NO_VALUE: Final = rb"(?!<redacted:|<secret>|\*\*\*|(?:null|none|true|false)\b)"
_VALUE: Final = (
    rb"""(?:\\["']%(no)s((?:[^"'\\\r\n]|\\(?!["']))+)"""
    rb"""|"%(no)s((?:[^"\\\r\n]|\\.)+)|'%(no)s((?:[^'\\\r\n]|\\.)+)"""
    rb"""|%(no)s([^\s"'<>&,;\\][^\s"'&,;]*))"""
) % {b"no": _NO_VALUE}
_RULES: Final = tuple(
    _Rule(trigger, re.compile(pattern, re.IGNORECASE), name)
    for trigger, pattern, name in (
        (
            b"-----begin ",
            rb"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            rb"(?:[\x00-\xff]{0,16384}?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
            rb"|[A-Z0-9+/=\s\\:,-]{0,16384}))",
            PRIVATE_KEY,
        ),
        (
            b"authorization",
            rb"authorization" + _KEY_END + rb"""[:=][ \t]{0,8}["'\\]{0,3}(?!<redacted:|<secret>)([^\s"'][^\r\n"']*)""",
            "authorization",
        ),
        (b"bearer ", rb"bearer +([a-z0-9._~+/=-]{16,})", "bearer token"),
        (b"pass", rb"pass(?:word|wd|phrase)?" + _KEY_END + rb"[:=][ \t]{0,8}" + _VALUE, "password"),
        (b"pass", rb"(?<=--)pass(?:word|wd|phrase)?[ \t]+" + _VALUE, "password"),
        (b"secret", rb"secret(?:[_-]?(?:access[_-]?)?key)?=" + _VALUE, "secret"),
        (
            b"secret",
            rb"secret[_-]?(?:access[_-]?)?key" + _KEY_END + rb":[ \t]{0,8}" + _VALUE,
            "secret",
        ),
        (b"secret", rb"(?<=client_)secret" + _KEY_END + rb":[ \t]{0,8}" + _VALUE, "secret"),
        (b"token", rb"token=" + _VALUE, "token"),
        (b"token", rb"""token\\?["'][ \t]{0,8}:[ \t]{0,8}\\?["']([a-z0-9._~+/=-]{16,})""", "token"),
        (b"apikey", rb"apikey" + _KEY_END + rb"[:=][ \t]{0,8}" + _VALUE, "api key"),
        (b"api_key", rb"api_key" + _KEY_END + rb"[:=][ \t]{0,8}" + _VALUE, "api key"),
        (b"api-key", rb"api-key" + _KEY_END + rb"[:=][ \t]{0,8}" + _VALUE, "api key"),
        (b"://", rb"""://[^\s/:@"'<>]{0,256}:(?!<redacted:)([^\s/@"'<>]{1,1024})@""", "password in a URL"),
        (b"hooks.slack.com/", rb"hooks\.slack\.com/(?:services|workflows|triggers)/([a-z0-9/_-]{16,})", "webhook"),
        (b"akia", rb"((?-i:AKIA)[A-Z0-9]{16})(?![A-Za-z0-9])", "AWS key"),
        (b"asia", rb"((?-i:ASIA)[A-Z0-9]{16})(?![A-Za-z0-9])", "AWS key"),
        (b"gh", rb"(gh[oprsu]_[a-z0-9]{20,})", "GitHub token"),
        (b"github_pat_", rb"(github_pat_[a-z0-9_]{20,})", "GitHub token"),
        (b"glpat-", rb"(glpat-[a-z0-9_-]{16,})", "GitLab token"),
        (b"xox", rb"(xox[a-z]-[a-z0-9-]{10,})", "Slack token"),
        (b"eyj", rb"(?<![a-z0-9])((?-i:eyJ)[a-z0-9_-]{6,400}+\.[a-z0-9_-]{4,}\.[a-z0-9_-]{4,})", "JWT"),
    )
)
_GITHUB: Final = tuple(b"gh%c_" % kind for kind in b"oprsu")
_BY_TRIGGER: Final = {t: tuple(r for r in _RULES if r.trigger == t) for t in dict.fromkeys(r.trigger for r in _RULES)}


class Finder:
    """An unchanging index of patterns; see the head of this module. Safe to share between threads."""

    def __init__(self, patterns: Iterable[tuple[bytes, str]]) -> None:
        names: dict[bytes, str] = {}
        for pattern, name in patterns:
            names.setdefault(pattern, name)
        self._names = names
        self.longest = max(map(len, names), default=0)
        """Bytes of the longest pattern."""
        self.several_lines = tuple(p for p in names if b"\n" in p[:-1])
        """The patterns that go over a line end."""
        long = [p for p in names if len(p) >= _LONG]
        medium = [p for p in names if _MEDIUM <= len(p) < _LONG]
        each = [p for p in names if len(p) < _MEDIUM]
        each += [p for group in (medium, long) if len(group) <= _FEW for p in group]
        self._each = tuple(each)
        self._words4 = _words(4, medium if len(medium) > _FEW else ())
        self._words8 = _words(8, long if len(long) > _FEW else ())

    def find(self, data: bytes, *, known: bool = False) -> list[Span]:
        """Where secrets are in `data`, in order and not overlapping; also where escape sequences split them.

        `known`: only those that were registered.
        """
        found = list(self._search(data))
        if b"\x1b" in data or ((b"\xc2" in data or b"\xef\xb8" in data) and SPLITS.search(data)):
            split = list(self._search(without_sequences(data)))
            if split:  # the way back into the data is long, and nearly never needed
                bare = Stripped(data)
                found += (
                    Span(bare.raw(s.start), bare.raw(s.end - 1) + 1, s.name, s.known, bare.raw(s.context))
                    for s in split
                )
        if known:
            found = [span for span in found if span.known]
        return _merged(found) if found else found

    def begins_at_end(self, data: bytes) -> int:
        """Where the earliest registered secret may begin that `data` ends in the middle of; len(data) if none."""
        bare = Stripped(data)
        longest = 0
        for pattern in self._names:
            for size in range(min(len(pattern) - 1, len(bare.data)), longest, -1):
                if bare.data.endswith(pattern[:size]):
                    longest = size
                    break
        return bare.raw(len(bare.data) - longest) if longest else len(data)

    def _search(self, data: bytes) -> Iterator[Span]:
        for pattern in self._likely(data):
            at = data.find(pattern)
            while at >= 0:
                yield Span(at, at + len(pattern), self._names[pattern], True, at)
                at = data.find(pattern, at + 1)
        yield from _by_form(data)

    def _likely(self, data: bytes) -> Iterable[bytes]:
        likely = {p: None for p in self._each if p in data}
        for size, words in ((4, self._words4), (8, self._words8)):
            whole = len(data) // size * size
            if words and whole:
                view = memoryview(data)[:whole].cast("I" if size == 4 else "Q")
                if not words.keys().isdisjoint(view):
                    for word in set(filter(words.__contains__, view)):
                        likely.update(dict.fromkeys(words[word]))
        return likely


def _words(size: int, patterns: Iterable[bytes]) -> dict[int, list[bytes]]:
    """The words of the last 2 * size - 1 bytes of each pattern: URLs and keys differ at their ends."""
    words: dict[int, list[bytes]] = {}
    for pattern in patterns:
        for start in range(len(pattern) - 2 * size + 1, len(pattern) - size + 1):
            word = int.from_bytes(pattern[start : start + size], sys.byteorder)
            words.setdefault(word, []).append(pattern)
    return words


def may_be_by_form(data: bytes) -> bool:
    """Whether `data` holds anything with which a secret recognised by its form could begin."""
    lower = data.lower()
    return any(trigger in lower for trigger in (*_BY_TRIGGER, *_GITHUB) if trigger != b"gh")  # as in "right"


def _by_form(data: bytes) -> Iterator[Span]:
    lower = data.lower()
    for trigger, rules in _BY_TRIGGER.items():
        at = lower.find(trigger)
        while at >= 0:
            end = at + 1
            for rule in rules:
                if match := rule.pattern.match(data, at):
                    yield Span(*match.span(match.lastindex or 0), rule.name, False, max(at - _BEHIND, 0))
                    end = max(end, match.end())
            at = lower.find(trigger, end)


def _merged(spans: list[Span]) -> list[Span]:
    """Overlapping places as one, named after a registered secret in it, else after the longest."""
    spans.sort(key=lambda s: (s.start, -s.end))
    merged: list[Span] = []
    for span in spans:
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            chief = max((last, span), key=lambda s: (s.known, s.end - s.start))
            context = min(last.context, span.context)
            merged[-1] = Span(last.start, max(last.end, span.end), chief.name, chief.known, context)
        else:
            merged.append(span)
    return merged


def without_sequences(data: bytes) -> bytes:
    """`data` without control sequences, as `Stripped` gives it; quick where they are colours."""
    bare = COLOUR.sub(b"", data)
    if b"\x1b" in bare or ((b"\xc2" in bare or b"\xef\xb8" in bare) and SPLITS.search(bare)):
        return BYTE_SEQUENCE.sub(b"", data)
    return bare


class Stripped:
    """`data` without control sequences, and the way back from a place in it to the place in the original."""

    def __init__(self, data: bytes) -> None:
        pieces: list[bytes] = []
        self._at: list[int] = []
        self._shift: list[int] = []
        length = last = 0
        for match in BYTE_SEQUENCE.finditer(data):
            if match.start() > last:
                pieces.append(data[last : match.start()])
                self._at.append(length)
                self._shift.append(last - length)
                length += match.start() - last
            last = match.end()
        pieces.append(data[last:])
        self._at.append(length)
        self._shift.append(last - length)
        self.data = b"".join(pieces)

    def raw(self, place: int) -> int:
        """The place in the original of the byte at `place` of the stripped data."""
        return place + self._shift[bisect_right(self._at, place) - 1]
