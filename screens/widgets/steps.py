"""The steps of a plan or run: state as glyph and word, host, how long; indented by what belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.strip import Strip

from screens.theme import Tone, mark
from screens.widgets.lines import Part, strip_of
from screens.widgets.rows import RowList
from screens.widgets.words import cell as cell_of
from screens.widgets.words import duration, width_of

_STATE = 11
_HOST = 14
_TIME = 7
_TITLE = 16
"""Cells that a title keeps before the time gives way."""
_TITLES = 40
"""Up to so many cells the longest title keeps before the host gives way."""


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
    """Steps as rows. A step that changed sends its own line only. Host and time take no more than they need."""

    _host = _HOST
    _time = _TIME
    _title = _TITLE

    def show(self, rows: Sequence[StepRow]) -> int:
        """Show these steps from now on; the number of lines that changed."""
        self._host = min(max((width_of(row.host) for row in rows), default=0), _HOST)
        times = (width_of(duration(row.elapsed_s)) for row in rows if row.elapsed_s is not None)
        self._time = max(_TIME, max(times, default=0))
        titles = (width_of(row.title) + 2 * row.depth for row in rows)
        self._title = max(_TITLE, min(_TITLES, max(titles, default=0)))
        return super().show(rows)

    def row_strip(self, row: StepRow, width: int, on_cursor: bool) -> Strip:
        """Glyph, word, title; on the right the host and the time, while there is room for them."""
        plain = self.tone("plain", on_cursor)
        shown = mark(row.state, self.symbols)
        state: Tone = shown.tone
        room = width - 1 - _STATE - 1
        with_time = room - self._time - 1 >= _TITLE
        room -= (self._time + 1) * with_time
        with_host = self._host > 0 and room - self._host - 1 >= self._title
        room -= (self._host + 1) * with_host
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
            text = cell_of(row.host, self._host, ellipsis=self.symbols.ellipsis)
            parts += [(" ", plain), (text, self.tone("dim", on_cursor))]
        if with_time:
            words = "" if row.elapsed_s is None else duration(row.elapsed_s)
            tone: Tone = "accent" if row.state in ("running", "undoing") else "dim"
            parts += [(" ", plain), (cell_of(words, self._time, right=True), self.tone(tone, on_cursor))]
        return strip_of(parts, width, plain)
