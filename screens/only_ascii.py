"""The last step before a terminal that shows no more than ASCII: what still holds another character is spelled with it.

Widgets draw with the ASCII symbol set there; borders are Textual's own, and sentences come with `…` and `→` in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from textual.filter import LineFilter

if TYPE_CHECKING:
    from textual.color import Color

_SPELLED = {
    "~": "…",
    "-": "–—─━┄┅┈┉╌╍═▔▁▂",
    "|": "│┃┆┇┊┋╎╏║▌▐▏▎▍▕┤├┨┠",
    "+": "┌┐└┘┏┓┗┛╭╮╯╰┬┴┼╋╔╗╚╝",
    "#": "█▓▒░▀▄▉▊▋▇▆▅▄▃",
    ".": "·•∙",
    ">": "→›▸▶»",
    "<": "←‹◂◀«",
    "'": "‘’",
    '"': "“”„",
}
TABLE = str.maketrans({other: ours for ours, others in _SPELLED.items() for other in others})
"""One cell for one cell."""


def spelled(text: str, letters: bool = True) -> str:
    """The text in ASCII, as wide as before; with `letters` those of the person's language stay. Pure."""
    if text.isascii():
        return text
    known = text.translate(TABLE)
    return "".join(
        one if one.isascii() or (letters and one.isalpha() and cell_len(one) == 1) else "?" * cell_len(one)
        for one in known
    )


class OnlyAscii(LineFilter):
    """`letters`: whether the terminal shows letters beyond ASCII, as the Linux console does."""

    def __init__(self, letters: bool) -> None:
        super().__init__()
        self.letters = letters

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Segments of the same width."""
        return [
            one if one.text.isascii() else Segment(spelled(one.text, self.letters), one.style, one.control)
            for one in segments
        ]
