"""A screen as text that a person can read and a diff can show: first its characters, then its styles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import App

Runs = list[tuple[str, str]]
"""(characters, style in words) from left to right."""

_ATTRIBUTES = ("bold", "dim", "italic", "underline", "blink", "reverse", "strike")


def screen_runs(app: App[Any]) -> list[Runs]:
    """Every line of the screen as runs of one style, after the app's colour filters, which is what a terminal gets."""
    rows: list[Runs] = []
    for strip in app.screen._compositor.render_strips():
        runs: Runs = []
        for segment in strip:
            _add(runs, segment)
        rows.append(runs)
    return rows


def _add(runs: Runs, segment: Segment) -> None:
    if segment.control or not segment.text:
        return
    style = style_words(segment.style)
    if runs and runs[-1][1] == style:
        runs[-1] = (runs[-1][0] + segment.text, style)
    else:
        runs.append((segment.text, style))


def style_words(style: Style | None) -> str:
    """A style as words: `bold #ff5d52 on #10151a`; links and meta data are left out."""
    if style is None:
        return "default"
    words = [name for name in _ATTRIBUTES if getattr(style, name)]
    words.append(_colour(style.color))
    return f"{' '.join(words)} on {_colour(style.bgcolor)}"


def _colour(colour: Color | None) -> str:
    if colour is None or colour.is_default:
        return "default"
    if colour.triplet is not None:
        return colour.triplet.hex
    return colour.name


def screen_text(app: App[Any]) -> str:
    """The block of characters, the legend of styles, and for each line its runs as letter and length.

    Lines of the same runs that follow each other are written once: `03-07 a80`.
    """
    rows = screen_runs(app)
    letters: dict[str, str] = {}
    names = _letters()
    coded: list[str] = []
    for runs in rows:
        codes = []
        for text, style in runs:
            if style not in letters:
                letters[style] = next(names)
            codes.append(f"{letters[style]}{len(text)}")
        coded.append(" ".join(codes))
    width, height = app.size
    lines = [f"{width}x{height}"]
    lines += [f"|{''.join(text for text, _ in runs)}|" for runs in rows]
    lines += ["", *(f"{letter} = {style}" for style, letter in letters.items()), ""]
    start = 0
    for y in range(1, len(coded) + 1):
        if y == len(coded) or coded[y] != coded[start]:
            lines.append(f"{start:02d} {coded[start]}" if y - start == 1 else f"{start:02d}-{y - 1:02d} {coded[start]}")
            start = y
    return "\n".join(lines) + "\n"


def _letters() -> Iterator[str]:
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    yield from alphabet
    for first in alphabet:
        for second in alphabet:
            yield f"{first}{second}_"
