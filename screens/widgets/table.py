"""A small table: columns that give way by priority, rows with keys, and only changed lines are sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.strip import Strip

from screens.theme import BRAILLE, Mark, Symbols, Tone
from screens.widgets.lines import Part, strip_of
from screens.widgets.rows import RowList
from screens.widgets.words import cell as cell_of
from screens.widgets.words import width_of

_BETWEEN = 2
"""Blanks between two columns."""
_LEAST = 6
"""Cells that a column which grows keeps, however narrow the table is."""


class Column(NamedTuple):
    """A column. `width` is in cells; `grow` gives it a share of what is left over."""

    title: str
    width: int
    priority: int = 0
    """Columns with the highest number go first where the table is too narrow; 0 stays."""
    right: bool = False
    grow: int = 0


class Cell(NamedTuple):
    """One cell: a text and what it means."""

    text: str
    tone: Tone = "plain"

    @classmethod
    def of(cls, mark: Mark, word: str | None = None) -> Cell:
        """A state as glyph and word."""
        return cls(f"{mark.glyph} {mark.word if word is None else word}", mark.tone)


class Row(NamedTuple):
    """One row: a key that stays its own, and a cell for each column."""

    key: str
    cells: tuple[Cell, ...]

    @property
    def searched(self) -> str:
        """The text that a filter looks in."""
        return " ".join(cell.text for cell in self.cells)


class RowTable(RowList[Row]):
    """Environments, services, releases, runs, items of a checklist."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        header: bool = True,
        symbols: Symbols = BRAILLE,
        empty: str = "nothing here",
        id: str | None = None,  # noqa: A002 - Textual's name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(symbols=symbols, empty=empty, id=id, classes=classes)
        self.columns = tuple(columns)
        self.heading_rows = 1 if header else 0
        self._needed = [column.width for column in self.columns]
        self._wanted = list(self._needed)
        """Cells with which nothing is cut."""

    def show(self, rows: Sequence[Row]) -> int:
        """Show these rows from now on; the number of lines that changed.

        An empty column is left out. Where the cells of a column are shorter than it, the others have what it leaves;
        which columns there are does not change with that.
        """
        self._wanted = [self._widest(i, column, rows) for i, column in enumerate(self.columns)]
        self._needed = [min(column.width, wide) for column, wide in zip(self.columns, self._wanted, strict=True)]
        return super().show(rows)

    def _widest(self, at: int, column: Column, rows: Sequence[Row]) -> int:
        title = width_of(column.title) if self.heading_rows else 0
        cells = [width_of(row.cells[at].text) for row in rows if len(row.cells) == len(self.columns)]
        return max(title, *cells) if cells else column.width

    def layout_for(self, width: int) -> list[tuple[int, int]]:
        """(index of column, cells) of the columns that fit into this width."""
        room = width - 1
        kept = [i for i, wide in enumerate(self._needed) if wide]

        def taken() -> int:
            return sum(self.columns[i].width for i in kept) + _BETWEEN * (len(kept) - 1)

        while len(kept) > 1 and taken() > room and any(self.columns[i].priority for i in kept):
            kept.remove(max(kept, key=lambda i: (self.columns[i].priority, i)))
        sizes = {i: self._needed[i] for i in kept}
        spare = room - sum(sizes.values()) - _BETWEEN * (len(kept) - 1)
        growing = [i for i in kept if self.columns[i].grow]
        for i in growing if spare < 0 else ():  # what grows gives way first, so that no word is cut without an ellipsis
            extra = min(max(spare, _LEAST - sizes[i]), 0)  # one that is narrower than that stays as it is
            sizes[i] += extra
            spare -= extra
        if spare > 0:
            spare = self._give(sizes, growing, spare)
            spare = self._give(sizes, [i for i in kept if i not in growing], spare)
            shares = sum(self.columns[i].grow for i in growing)
            for i in growing:
                sizes[i] += spare * self.columns[i].grow // shares
        return list(sizes.items())

    def _give(self, sizes: dict[int, int], columns: Sequence[int], spare: int) -> int:
        """Give what is cut in these columns its room, by their shares; what is left over then."""
        while short := [i for i in columns if sizes[i] < self._wanted[i]] if spare > 0 else []:
            shares = sum(self.columns[i].grow or 1 for i in short)
            now = spare
            for i in short:
                extra = min(max(now * (self.columns[i].grow or 1) // shares, 1), self._wanted[i] - sizes[i], spare)
                sizes[i] += extra
                spare -= extra
        return spare

    def heading(self, width: int) -> list[Strip]:
        """The titles of the columns."""
        if not self.heading_rows:
            return []
        head = self.tone("head")
        parts: list[Part] = [(" ", head)]
        for i, size in self.layout_for(width):
            title = cell_of(self.columns[i].title, size, self.columns[i].right, self.symbols.ellipsis)
            parts.append((title + " " * _BETWEEN, head))
        return [strip_of(parts, width, head)]

    def row_strip(self, row: Row, width: int, on_cursor: bool) -> Strip:
        """The cells that fit; a bar before the row under the cursor, so that it is seen without colour.

        What is longer than its column goes on where the next ones of its row are empty.
        """
        plain = self.tone("plain", on_cursor)
        parts: list[Part] = [(self.symbols.cursor if on_cursor else " ", self.tone("accent", on_cursor))]
        sizes = [(row.cells[i] if i < len(row.cells) else Cell(""), i, size) for i, size in self.layout_for(width)]
        while sizes:
            cell, i, size = sizes.pop(0)
            while sizes and not sizes[0][0].text and width_of(cell.text) > size:
                size += _BETWEEN + sizes.pop(0)[2]
            text = cell_of(cell.text, size, self.columns[i].right, self.symbols.ellipsis)
            parts += [(text, self.tone(cell.tone, on_cursor)), (" " * _BETWEEN, plain)]
        return strip_of(parts, width, plain)
