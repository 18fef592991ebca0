"""The first line of a pane: its title, what is wrong in it, and from when it is. It shows where the focus is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from textual.strip import Strip

from screens.theme import BRAILLE, Symbols, Tone
from screens.widgets.lines import LinesWidget, Part, cut_parts, strip_of
from screens.widgets.words import fit, width_of

Said = tuple[str, Tone]


_COUNT = re.compile(r"\b(\d+) of (\d+)\b")
_SECONDS = re.compile(r"(\d\d:\d\d):\d\d")


def shortened(note: str, room: int, ellipsis: str) -> str:
    """The note in at most `room` cells: a clock time loses its seconds before anything is cut; too little is nothing.

    A time that is cut says nothing, so that what is cut is what stands after it.
    """
    if width_of(note) > room:
        note = _SECONDS.sub(r"\1", note)
    return fit(note, room, ellipsis) if room >= 5 else ""


def taken(pieces: Sequence[Said]) -> int:
    """The cells that the pieces take."""
    return sum(width_of(words) for words, _ in pieces)


class Head(LinesWidget):
    """`▌Checklist  7/12  ✗ 2 ───────── 02:14:10`: bold and marked while its pane has the focus."""

    DEFAULT_CSS = """
    Head { height: 1; }
    """

    def __init__(self, title: str, *, symbols: Symbols = BRAILLE) -> None:
        super().__init__(symbols=symbols)
        self.title = title
        self.said: Sequence[Said] = ()
        self.note: Said = ("", "dim")
        self.focused_pane = False

    def show(self, said: Sequence[Said], note: Said = ("", "dim")) -> None:
        """What it says beside its title, and the note at the right end."""
        self.said, self.note = said, note
        self.redraw()

    def mark_focus(self, on: bool) -> None:
        """The pane has the focus, or has it no longer."""
        self.focused_pane = on
        self.redraw()

    def lines(self, width: int, height: int) -> list[Strip]:
        """One line."""
        on = self.focused_pane
        left: list[Said] = [(self.symbols.cursor if on else " ", "accent"), (self.title, "key" if on else "head")]
        for words, tone in self.said:
            left += [("  ", "dim"), (words, tone)]
        note, tone = self.note
        if not shortened(note, width - taken(left) - 3, ""):
            short = [(_COUNT.sub(r"\1/\2", words), one) for words, one in left]
            left = short if shortened(note, width - taken(short) - 3, "") else left
        left = cut_parts(left, width, self.symbols.ellipsis)
        room = width - taken(left) - 1
        note = shortened(note, room - 2, self.symbols.ellipsis)
        rule = self.symbols.rule * max(room - width_of(note) - (1 if note else 0), 0)
        parts: list[Part] = [(words, self.tone(tone)) for words, tone in left]
        parts += [(" ", self.tone("dim")), (rule, self.tone("accent" if on else "dim"))]
        if note:
            parts += [(" ", self.tone("dim")), (note, self.tone(tone))]
        return [strip_of(parts, width, self.tone("plain"))]
