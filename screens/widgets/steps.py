"""The steps of a plan or run: state as glyph and word, host, how long; indented by what belongs together."""

from __future__ import annotations

from typing import NamedTuple

from textual.strip import Strip

from screens.theme import Tone, mark
from screens.widgets.lines import Part, strip_of
from screens.widgets.rows import RowList
from screens.widgets.words import cell as cell_of
from screens.widgets.words import duration, width_of

_STATE = 11
_HOST = 14
_TIME = 12
_TITLE = 16
"""Cells that a title keeps before host and time give way."""


class StepRow(NamedTuple):
    """One step as it stands."""

    key: str
    title: str
    state: str
    """waiting, running, done, failed, unknown, undoing, undone, skipped… (see `screens.theme.mark`)."""
    host: str = ""
    elapsed_s: float | None = None
    """How long it took, or has taken so far; None: not begun."""
    depth: int = 0
    note: str = ""
    """Attempt, evidence, what it waits for: after the title where there is room."""

    @property
    def searched(self) -> str:
        """The text that a filter looks in."""
        return f"{self.title} {self.state} {self.host} {self.note}"


class StepTree(RowList[StepRow]):
    """Steps as rows. A step that changed sends its own line only."""

    def row_strip(self, row: StepRow, width: int, on_cursor: bool) -> Strip:
        """Glyph, word, title; on the right the host and the time, while there is room for them."""
        plain = self.tone("plain", on_cursor)
        shown = mark(row.state, self.symbols)
        state: Tone = shown.tone
        room = width - 1 - _STATE - 1
        with_time = room - _TIME - 1 >= _TITLE
        room -= (_TIME + 1) * with_time
        with_host = room - _HOST - 1 >= _TITLE
        room -= (_HOST + 1) * with_host
        title = " " * (2 * row.depth) + row.title
        quiet = row.state in ("waiting", "skipped")
        parts: list[Part] = [
            (self.symbols.cursor if on_cursor else " ", self.tone("accent", on_cursor)),
            (
                cell_of(f"{shown.glyph} {shown.word}", _STATE, ellipsis=self.symbols.ellipsis) + " ",
                self.tone(state, on_cursor),
            ),
        ]
        left = room - width_of(title)
        if row.note and left > 4:
            note = cell_of(f"  {row.note}", left, ellipsis=self.symbols.ellipsis)
            parts += [(title, self.tone("dim" if quiet else "plain", on_cursor)), (note, self.tone("dim", on_cursor))]
        else:
            text = cell_of(title, room, ellipsis=self.symbols.ellipsis)
            parts.append((text, self.tone("dim" if quiet else "plain", on_cursor)))
        if with_host:
            text = cell_of(row.host, _HOST, ellipsis=self.symbols.ellipsis)
            parts += [(" ", plain), (text, self.tone("dim", on_cursor))]
        if with_time:
            words = "" if row.elapsed_s is None else duration(row.elapsed_s)
            tone: Tone = "accent" if row.state in ("running", "undoing") else "dim"
            parts += [(" ", plain), (cell_of(words, _TIME, right=True), self.tone(tone, on_cursor))]
        return strip_of(parts, width, plain)
