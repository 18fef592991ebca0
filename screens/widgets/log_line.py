"""One line of a log as strips: level, time, source, text with what the filters found; cut, scrolled or wrapped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import NamedTuple

from rich.style import Style
from textual.strip import Strip

from console.feeds.line import LogLine, readable
from screens.theme import Symbols, Tone
from screens.widgets.lines import Part, strip_of
from screens.widgets.words import cell, clock, width_of

_TONES: dict[str, Tone] = {"error": "bad", "warn": "warn", "info": "plain", "debug": "dim"}
_LETTERS = {"error": "E", "warn": "W"}
SOURCE = 12
"""Cells of a source's name at most, where lines are short."""
SOURCE_SHARE = 4
"""Of a long line it is so large a part at most: a quarter."""
_NO_TIME = " " * 9


class LogOptions(NamedTuple):
    """How lines are shown."""

    wrap: bool = False
    times: bool = True
    sources: bool = True


class LineLook(NamedTuple):
    """For whom a line is drawn: cells wide, how far scrolled sideways, with which characters and time zone."""

    width: int
    options: LogOptions
    x: int
    symbols: Symbols
    zone: tzinfo | None
    source_width: int = SOURCE
    """Cells that every source's name takes, so that the texts stand below each other."""


Matches = Callable[[str], list[tuple[int, int]]]
Tones = Callable[[Tone, bool], Style]


def plain(line: LogLine, options: LogOptions, zone: tzinfo | None) -> str:
    """A line as text to be copied: with time and source where they are shown, and the source in full."""
    source = f"{line.source} " if options.sources and line.source else ""
    return f"{_time(line, options, zone)}{source}{line.text}"


def draw_line(
    line: LogLine, look: LineLook, matches: Matches, tones: Tones, chosen: bool, marked: bool
) -> tuple[Strip, ...]:
    """The rows of a line: one, or as many as it takes where lines are wrapped."""
    text_style = tones(_TONES.get(line.level or "", "plain"), chosen)
    letter = look.symbols.mark if marked else _LETTERS.get(line.level or "", " ")
    source = ""
    if look.options.sources and look.source_width:
        source = f"{cell(line.source, look.source_width, ellipsis=look.symbols.ellipsis)} "
    head: list[Part] = [
        (f"{letter} ", tones("key", chosen) if marked else text_style),
        (f"{_time(line, look.options, look.zone)}{source}", tones("dim", chosen)),
    ]
    pad = tones("plain", chosen)
    body = _body(readable(line.text).replace("\t", "    "), text_style, tones("match", chosen), matches)
    taken = sum(width_of(text) for text, _ in head)
    if not look.options.wrap:
        if look.x:
            body = _skip(body, look.x)
            head.append(("<", tones("key", chosen)))
            taken += 1
        kept, rest = _split(body, look.width - taken)
        if rest:
            kept, _ = _split(body, look.width - taken - 1)
            kept.append((look.symbols.ellipsis, tones("dim", chosen)))
        return (strip_of([*head, *kept], look.width, pad),)
    rows = []
    while True:
        now, body = _split(body, max(look.width - taken, 8))
        rows.append(strip_of([*head, *now], look.width, pad))
        head = [(" " * taken, tones("dim", chosen))]
        if not body:
            return tuple(rows)


def _time(line: LogLine, options: LogOptions, zone: tzinfo | None) -> str:
    if not options.times:
        return ""
    return f"{clock(line.at, zone)} " if line.at is not None else _NO_TIME


def _body(text: str, style: Style, found: Style, matches: Matches) -> list[Part]:
    parts: list[Part] = []
    at = 0
    for start, end in matches(text):
        if start < at:
            continue
        parts += [(text[at:start], style), (text[start:end], found)]
        at = end
    parts.append((text[at:], style))
    return [part for part in parts if part[0]]


def _skip(parts: list[Part], count: int) -> list[Part]:
    """The parts without their first `count` characters."""
    out: list[Part] = []
    for text, style in parts:
        if count < len(text):
            out.append((text[count:], style))
        count = max(0, count - len(text))
    return out


def _split(parts: list[Part], cells: int) -> tuple[list[Part], list[Part]]:
    """The parts up to so many cells (at least one character), and the rest."""
    now: list[Part] = []
    for i, (text, style) in enumerate(parts):
        size = width_of(text)
        if size <= cells:
            now.append((text, style))
            cells -= size
            continue
        taken = cells if text.isascii() else _fitting(text, cells)
        if taken == 0 and not now:
            taken = 1
        return [*now, (text[:taken], style)], [(text[taken:], style), *parts[i + 1 :]]
    return now, []


def _fitting(text: str, cells: int) -> int:
    """How many characters of a text fit into so many cells."""
    used = 0
    for i, character in enumerate(text):
        used += width_of(character)
        if used > cells:
            return i
    return len(text)
