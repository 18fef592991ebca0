"""A list of rows with a cursor, drawn line by line: what the table and the tree of steps have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from textual.message import Message
from textual.strip import Strip

from screens.theme import BRAILLE, Symbols
from screens.widgets.lines import LinesWidget, strip_of

if TYPE_CHECKING:
    from textual import events


class Keyed(Protocol):
    """A row: it has a key that stays its own when rows come, go and move."""

    @property
    def key(self) -> str: ...

    @property
    def searched(self) -> str:
        """The text that a filter looks in."""
        ...


R = TypeVar("R", bound=Keyed)


class RowList(LinesWidget, Generic[R], can_focus=True):
    """Rows with a cursor. The cursor keeps to its row's key, not to its place."""

    class Moved(Message):
        """The cursor is on another row; `key` is None where there is no row."""

        def __init__(self, rows: RowList[Any], key: str | None) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

        @property
        def control(self) -> RowList[Any]:
            """The list."""
            return self.rows

    class Opened(Message):
        """A row was clicked while the cursor was on it: it asks to be opened, as with enter."""

        def __init__(self, rows: RowList[Any], key: str) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

        @property
        def control(self) -> RowList[Any]:
            """The list."""
            return self.rows

    heading_rows = 0
    """Lines above the first row."""

    def __init__(
        self,
        *,
        symbols: Symbols = BRAILLE,
        empty: str = "nothing here",
        id: str | None = None,  # noqa: A002 - Textual's name for it
        classes: str | None = None,
    ) -> None:
        """`empty`: what is said where there is no row."""
        super().__init__(symbols=symbols, id=id, classes=classes)
        self.empty = empty
        self._all: tuple[R, ...] = ()
        self._rows: tuple[R, ...] = ()
        self._filter = ""
        self._cursor: str | None = None
        self._top = 0

    # data

    def show(self, rows: Sequence[R]) -> int:
        """Show these rows from now on; the number of lines that changed."""
        self._all = tuple(rows)
        return self._settle()

    def set_filter(self, text: str) -> None:
        """Show only rows with this text, in either case; with `!` in front, those without it. Empty: all."""
        self._filter = text
        self._settle()

    @property
    def filter_text(self) -> str:
        """The filter, empty if none."""
        return self._filter

    @property
    def rows(self) -> tuple[R, ...]:
        """The rows that the filter lets through."""
        return self._rows

    @property
    def hidden(self) -> int:
        """How many rows the filter hides."""
        return len(self._all) - len(self._rows)

    @property
    def cursor_key(self) -> str | None:
        """The key of the row under the cursor; None where there is no row."""
        return self._cursor

    @property
    def cursor_row(self) -> R | None:
        """The row under the cursor."""
        return next((row for row in self._rows if row.key == self._cursor), None)

    def select(self, key: str) -> bool:
        """Put the cursor on the row of that key; whether there is one."""
        if all(row.key != key for row in self._rows):
            return False
        self._put(key)
        return True

    def move(self, lines: int) -> None:
        """Move the cursor by so many rows; it stops at the ends."""
        if self._rows:
            place = min(max(self._place() + lines, 0), len(self._rows) - 1)
            self._put(self._rows[place].key)

    def _place(self) -> int:
        return next((i for i, row in enumerate(self._rows) if row.key == self._cursor), 0)

    def _put(self, key: str | None) -> None:
        moved = key != self._cursor
        self._cursor = key
        self._scroll()
        self.redraw()
        if moved and self.is_attached:
            self.post_message(self.Moved(self, key))

    def _settle(self) -> int:
        """After new rows or a new filter: keep the cursor on its row, else near where that was."""
        place = self._place()
        wanted = self._filter.removeprefix("!").casefold()
        inverse = self._filter.startswith("!")
        self._rows = tuple(row for row in self._all if not wanted or (wanted in row.searched.casefold()) is not inverse)
        key = self._cursor
        if all(row.key != key for row in self._rows):
            key = self._rows[min(place, len(self._rows) - 1)].key if self._rows else None
        moved = key != self._cursor
        self._cursor = key
        self._scroll()
        changed = self.redraw()
        if moved and self.is_attached:
            self.post_message(self.Moved(self, key))
        return changed

    def _room(self) -> int:
        return max(self.content_size.height - self.heading_rows, 1)

    def _scroll(self) -> None:
        """Keep the cursor in sight; move the rows only as far as needed."""
        room = self._room()
        place = self._place()
        self._top = max(0, min(self._top, len(self._rows) - room))
        if place < self._top:
            self._top = place
        elif place >= self._top + room:
            self._top = place - room + 1

    # drawing

    def heading(self, width: int) -> list[Strip]:
        """The lines above the rows, `heading_rows` of them."""
        return []

    def row_strip(self, row: R, width: int, on_cursor: bool) -> Strip:
        """One row as one line."""
        raise NotImplementedError

    def lines(self, width: int, height: int) -> list[Strip]:
        """Heading, then the rows in sight; the cursor is shown while the widget has the focus."""
        self._scroll()
        drawn = self.heading(width)
        if not self._rows:
            words = f"nothing matches {self._filter}" if self._filter and self._all else self.empty
            drawn.append(strip_of([(words, self.tone("unknown"))], width, self.tone("plain")))
            return drawn
        for row in self._rows[self._top : self._top + height - self.heading_rows]:
            drawn.append(self.row_strip(row, width, self.has_focus and row.key == self._cursor))
        return drawn

    # keys that move, and the mouse

    def on_key(self, event: events.Key) -> None:
        """Arrows, pages, ends; also j and k."""
        page = max(self._room() - 1, 1)
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -page, "pagedown": page}
        moves |= {"home": -len(self._rows), "end": len(self._rows)}
        if event.key in moves:
            self.move(moves[event.key])
            event.stop()
            event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        """The first click chooses a row, one on the chosen row opens it."""
        place = self._top + event.y - self.heading_rows
        if event.y < self.heading_rows or not 0 <= place < len(self._rows):
            return
        event.stop()
        key = self._rows[place].key
        if key == self._cursor:
            self.post_message(self.Opened(self, key))
        else:
            self._put(key)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three rows up."""
        event.stop()
        self.move(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three rows down."""
        event.stop()
        self.move(3)

    def on_focus(self) -> None:
        """The cursor shows."""
        self.redraw()

    def on_blur(self) -> None:
        """The cursor does not show."""
        self.redraw()
