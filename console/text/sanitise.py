"""Nothing from outside reaches the terminal raw.

Textual and Rich hand escape sequences in content on to the terminal byte for byte (measured with Textual 8.2.8), so
every line that comes from a log, a command, a host, a profile or a person goes through here first, at the boundary
where it is read. What leaves here holds no C0, no C1, no DEL, no line separator, no bidirectional, zero-width or
tag character: widgets may show it as plain content (never as markup).

Control sequences are removed and counted. Single control characters are shown as their pictures (U+2400 and on),
other invisible characters as `<U+202E>`. A carriage return that overwrites is shown as its picture, so that nothing
printed before it is hidden.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from console.text.escapes import C1_BYTES, COLOUR, TEXT_SEQUENCE

MAX_LINE: Final = 16 * 1024
"""Characters of one line that are kept; the rest is counted."""
MAX_MARKS: Final = 4
"""Combining marks kept on one base character. Written languages need at most three."""
TAB: Final = 8

# What a chunk may hold to be passed through unlooked-at: printable ASCII, tab and line feed.
_PLAIN_BYTES: Final = bytes(range(0x20, 0x7F)) + b"\t\n"
_ASCII: Final = bytes(range(0x80))
_NO_CONTROLS: Final = _PLAIN_BYTES + bytes(range(0x80, 0x100))
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_C1: Final = re.compile(r"[\x80-\x9f]")
_TOKEN: Final = re.compile(rf"{TEXT_SEQUENCE}|\x1b[ -/]{{0,16}}\Z|\r+\n?|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_WHOLE_CSI: Final = re.compile(r"\x1b\[[0-?]{0,256}[ -/]{0,16}[@-~]")
_PRESENTATION: Final = frozenset("\ufe0e\ufe0f")
_INTRODUCERS: Final = "\x90\x98\x9b\x9d\x9e\x9f"
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5")


@dataclass(slots=True)
class Counts:
    """What one sanitiser has seen and done so far."""

    lines: int = 0
    sequences: int = 0
    """Control sequences removed."""
    controls: int = 0
    """Single control characters shown as pictures."""
    invisible: int = 0
    """Bidirectional, zero-width, tag, private, unassigned and like characters shown as `<U+...>`, and dropped
    presentation selectors."""
    marks: int = 0
    """Combining marks dropped because one character had too many."""
    cut: int = 0
    """Characters beyond the line cap."""
    undecodable: int = 0
    """Replacement characters: bytes that were not UTF-8."""


@lru_cache(maxsize=8192)
def _kind(char: str) -> str:
    """'' plain, 'mark' combining, 'drop' presentation selector, 'show' anything that must be made visible."""
    if char in _PRESENTATION:
        return "drop"
    code = ord(char)
    if char in _FILLERS or 0xFE00 <= code <= 0xFE0F or 0x180B <= code <= 0x180F or 0xE0000 <= code <= 0xE0FFF:
        return "show"
    category = unicodedata.category(char)
    # Private use stays: operators' own fonts draw there, and it takes one cell.
    if category in ("Cf", "Cn", "Cs", "Zl", "Zp"):
        return "show"
    # Conjoining Korean vowels and finals stack in one cell like marks.
    return "mark" if category in ("Mn", "Me") or 0x1160 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FF else ""


def _picture(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


def _show_controls(text: str, counts: Counts, final: bool) -> tuple[str, str]:
    """Text without sequences and control characters, and what at its end must wait for more (never if `final`)."""
    if "\r" not in text:
        # Coloured logs: if whole CSI sequences account for every introducer, one pass in C does.
        bare, found = _WHOLE_CSI.subn("", text)
        if "\x1b" not in bare and not _C1.search(bare):
            counts.sequences += found
            text = bare
            if not _CONTROL.search(text):
                return text, ""
    end = len(text)
    carry = ""

    def one(match: re.Match[str]) -> str:
        nonlocal carry
        found = match[0]
        first = found[0]
        if first == "\r":
            if found[-1] == "\n":
                return "\n"
            if match.end() == end:
                carry = "" if final else "\r"
                return ""
            counts.controls += 1
            return "\u240d"
        if first == "\x1b" or first in _INTRODUCERS:
            if match.end() == end and not _complete(found):
                if not final:
                    carry = found
                    return ""
            elif found == "\x1b":
                counts.controls += 1
                return "\u241b"
            if found != "\x1b\\":  # the end of a string that was broken off
                counts.sequences += 1
            return ""
        counts.controls += 1
        return _picture(found)

    return _TOKEN.sub(one, text), carry


def _distinct(text: str) -> set[str]:
    """The different characters of `text` beyond ASCII."""
    return set(text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass"))


def _show_invisible(text: str, counts: Counts) -> tuple[str, bool]:
    """Text with every character that draws nothing made visible, and whether it holds combining marks."""
    kinds = {char: _kind(char) for char in _distinct(text)}
    odd = {char: kind for char, kind in kinds.items() if kind in ("show", "drop")}
    if odd:
        counts.invisible += sum(text.count(char) for char in odd)
        text = text.translate({ord(c): "" if kind == "drop" else f"<U+{ord(c):04X}>" for c, kind in odd.items()})
    return text, "mark" in kinds.values()


def _cap_marks(line: str, counts: Counts) -> str:
    """At most MAX_MARKS combining marks on a character, and a base for marks that have none."""
    marks = {char for char in set(line) if char > "\x7f" and _kind(char) == "mark"}
    if not marks:
        return line
    kept: list[str] = ["\u25cc"] if line[0] in marks else []
    run = 0
    for char in line:
        run = run + 1 if char in marks else 0
        if run <= MAX_MARKS:
            kept.append(char)
        else:
            counts.marks += 1
    return "".join(kept)


def _finish(line: str, extra: int, marks: bool, counts: Counts) -> str:
    """One whole line: marks capped, tabs to spaces, length capped. `extra` characters were cut before."""
    if marks and line:
        line = _cap_marks(line, counts)
    if "\t" in line:
        line = line.expandtabs(TAB)
    if len(line) > MAX_LINE:
        extra += len(line) - MAX_LINE
        line = line[:MAX_LINE]
    if extra:
        counts.cut += extra
        line = f"{line}\u2026 (+{extra} characters)"
    return line


class Sanitiser:
    """Makes the bytes of one stream into lines that are safe to show. One instance a stream; not thread-safe.

    Characters, sequences and lines may be split anywhere between two calls of `feed`; the lines that come out are
    the same. Memory is bounded by the line cap whatever comes in.
    """

    __slots__ = ("_carry", "_decoder", "_extra", "_length", "_marks", "_parts", "counts")

    def __init__(self) -> None:
        self.counts = Counts()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._carry = ""
        self._parts: list[str] = []
        self._length = 0
        self._extra = 0
        self._marks = False

    def feed(self, data: bytes) -> list[str]:
        """The lines completed by `data`, without their line ends."""
        if not self._carry and not self._decoder.getstate()[0]:
            quickly = self._common(data)
            if quickly is not None:
                return quickly
        return self._lines(*self._cleaned(self._carry + self._decoder.decode(data), final=False))

    def _common(self, data: bytes) -> list[str] | None:
        """The same for what logs mostly are: text with nothing in it but perhaps whole colour codes; else None.

        The tables of `bytes.translate` look at a byte in a nanosecond; a regular expression takes ten.
        """
        controls = data.translate(None, _NO_CONTROLS)
        if controls:
            if controls.strip(b"\x1b") or not data.isascii():
                return None
            bare, found = COLOUR.subn(b"", data)
            if b"\x1b" in bare:
                return None
            self.counts.sequences += found
            data = bare
        if data.isascii():
            return self._lines(data.decode("ascii"), marks=False)
        if b"\xc2" in data and C1_BYTES.search(data):
            return None
        return self._lines(*self._visible(self._decoder.decode(data)))

    def flush(self) -> list[str]:
        """The last line, if the stream ended without a line feed. An unfinished sequence is dropped."""
        lines = self._lines(*self._cleaned(self._carry + self._decoder.decode(b"", final=True), final=True))
        self._decoder.reset()
        if self._parts or self._extra:
            lines += self._lines("\n", marks=False)
        return lines

    def _cleaned(self, text: str, final: bool) -> tuple[str, bool]:
        self._carry = ""
        if _CONTROL.search(text):
            text, self._carry = _show_controls(text, self.counts, final)
        return self._visible(text)

    def _visible(self, text: str) -> tuple[str, bool]:
        if text.isascii():
            return text, False
        self.counts.undecodable += text.count("\ufffd")
        return _show_invisible(text, self.counts)

    def _lines(self, text: str, marks: bool) -> list[str]:
        if not text:
            return []
        lines = text.split("\n")
        rest = lines.pop()
        if lines:
            self.counts.lines += len(lines)
            self._hold(lines[0], marks)
            first = self._release()
            if marks or "\t" in text or (len(text) > MAX_LINE and max(map(len, lines)) > MAX_LINE):
                lines = [
                    _finish(line[:MAX_LINE], max(len(line) - MAX_LINE, 0), marks, self.counts) for line in lines[1:]
                ]
            else:
                del lines[0]
            lines.insert(0, first)
        if rest:
            self._hold(rest, marks)
        return lines

    def _hold(self, part: str, marks: bool) -> None:
        room = MAX_LINE - self._length
        kept = part[:room]
        if kept:
            self._parts.append(kept)
            self._length += len(kept)
        self._extra += len(part) - len(kept)
        self._marks = self._marks or marks

    def _release(self) -> str:
        line = _finish("".join(self._parts), self._extra, self._marks, self.counts)
        self._parts, self._length, self._extra, self._marks = [], 0, 0, False
        return line


def _complete(sequence: str) -> bool:
    """Whether a sequence that reaches the end of the data is whole, or might still go on."""
    if sequence[0] == "\x1b":
        kind, body = sequence[1:2], sequence[2:]
    else:
        kind, body = "PX[]^_"[_INTRODUCERS.index(sequence[0])], sequence[1:]
    if kind == "[":
        return bool(body) and "@" <= body[-1] <= "~"
    if kind and kind in "PX]^_":
        return body.endswith(("\x07", "\x1b\\", "\x9c"))
    return "0" <= sequence[-1] <= "~"


def clean_lines(text: str) -> list[str]:
    """A whole text (a message of several lines, the output of a finished command) as safe lines."""
    sanitiser = Sanitiser()
    return sanitiser.feed(text.encode("utf-8", "replace")) + sanitiser.flush()


def clean(text: str, limit: int = MAX_LINE) -> str:
    """One safe line from a name, label or message: line feeds become their picture, length is capped at `limit`."""
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    counts = Counts()
    line = _show_controls(text, counts, final=True)[0].replace("\n", "\u240a")
    if not line.isascii():
        line, marks = _show_invisible(line, counts)
        if marks:
            line = _cap_marks(line, counts)
    line = line.expandtabs(TAB)
    return line if len(line) <= limit else line[: max(limit - 1, 0)] + "\u2026"


def clean_text(text: str) -> str:
    """Several lines from outside, such as an error's sentence, each as `clean_lines` gives it."""
    return text if text.isascii() and text.isprintable() else "\n".join(clean_lines(text))
