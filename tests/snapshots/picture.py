"""A screen as an SVG file: one cell beside the other, with no font from the network and nothing random in it.

Textual's own export sets runs of text and trusts the viewer's font to keep the columns, which fails for braille and
blocks where that font has none. Here every character has its place, and braille, blocks and rules are drawn.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.terminal_theme import DIMMED_MONOKAI
from textual.app import App

from tests.snapshots.serialise import screen_runs

WIDTH, HEIGHT = 9.6, 20
"""Of a cell, in units of the picture."""
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""(column, row) of each bit of a braille character (Unicode, block Braille Patterns)."""
_BARS = {"▁": 1, "▂": 2, "▃": 3, "▄": 4, "▅": 5, "▆": 6, "▇": 7, "█": 8}
_RECTS = {
    "▀": (0.0, 0.0, 1.0, 0.5),
    "▌": (0.0, 0.0, 0.5, 1.0),
    "▐": (0.5, 0.0, 0.5, 1.0),
    "▏": (0.0, 0.0, 0.125, 1.0),
    "▎": (0.0, 0.0, 0.25, 1.0),
    "▊": (0.0, 0.0, 0.75, 1.0),
    "│": (0.45, 0.0, 0.1, 1.0),
    "┃": (0.4, 0.0, 0.2, 1.0),
    "─": (0.0, 0.47, 1.0, 0.06),
    "━": (0.0, 0.44, 1.0, 0.12),
}
"""Left, top, width and height as parts of a cell."""


def screen_picture(app: App[Any]) -> str:
    """The screen as an SVG document."""
    columns, rows = app.size
    shapes: list[str] = []
    for y, runs in enumerate(screen_runs(app)):
        x = 0
        for text, style in runs:
            words = style.split()
            place = words.index("on") if "on" in words else len(words)
            ink, paper = _hex(words[place - 1], "#c7d0d9"), _hex(words[-1], "#10151a")
            if "reverse" in words:
                ink, paper = paper, ink
            size = cell_len(text)
            shapes.append(_rect(x, y, 0, 0, size, 1, paper))
            shapes += _ink(text, x, y, ink, words[: place - 1])
            x += size
    width, height = columns * WIDTH, rows * HEIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-size="16" '
            'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" shape-rendering="crispEdges">',
            *shapes,
            "</svg>",
            "",
        ]
    )


def _ink(text: str, x: int, y: int, colour: str, attributes: list[str]) -> list[str]:
    shapes: list[str] = []
    dots: list[str] = []
    words: list[tuple[int, str]] = []
    for character in text:
        code = ord(character) - 0x2800
        if 0 <= code < 256:
            for bit, (column, row) in enumerate(_DOTS):
                if code >> bit & 1:
                    dots.append(f"M{(x + 0.3 + 0.42 * column) * WIDTH:.1f} {(y + 0.14 + 0.24 * row) * HEIGHT:.1f}h0")
        elif character in _BARS:
            part = _BARS[character] / 8
            shapes.append(_rect(x, y, 0, 1 - part, 1, part, colour))
        elif character in _RECTS:
            left, top, width, height = _RECTS[character]
            shapes.append(_rect(x, y, left, top, width, height, colour))
        elif character != " ":
            if words and words[-1][0] + cell_len(words[-1][1]) == x and cell_len(character) == 1:
                words[-1] = (words[-1][0], words[-1][1] + character)
            else:
                words.append((x, character))
        x += cell_len(character)
    if dots:
        shapes.append(f'<path d="{"".join(dots)}" stroke="{colour}" stroke-width="3" stroke-linecap="round"/>')
    style = "".join(
        value
        for name, value in (
            ("bold", ' font-weight="bold"'),
            ("italic", ' font-style="italic"'),
            ("underline", ' text-decoration="underline"'),
            ("dim", ' opacity="0.6"'),
        )
        if name in attributes
    )
    for at, word in words:
        place = f'x="{at * WIDTH:.1f}" y="{(y + 0.76) * HEIGHT:.1f}"'
        shapes.append(f'<text {place} fill="{colour}"{style}>{escape(word)}</text>')
    return shapes


def _rect(x: int, y: int, left: float, top: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{(x + left) * WIDTH:.1f}" y="{(y + top) * HEIGHT:.1f}" width="{width * WIDTH:.1f}" '
        f'height="{height * HEIGHT:.1f}" fill="{colour}"/>'
    )


def _hex(word: str, default: str) -> str:
    if word.startswith("#"):
        return word
    if not word.startswith("color("):
        return default
    red, green, blue = DIMMED_MONOKAI.ansi_colors[int(word[6:-1]) % 16]
    return f"#{red:02x}{green:02x}{blue:02x}"
