"""Text longer than the screen: styled paragraphs in a scrolling page. All of it goes through Content objects."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from console.text.visible import visible

if TYPE_CHECKING:
    from textual.app import ComposeResult

STYLES = {
    "plain": "",
    "strong": "bold",
    "dim": "$foreground 62%",
    "unknown": "italic $foreground 62%",
    "head": "bold $accent",
    "key": "bold $accent",
    "accent": "$accent",
    "ok": "$success",
    "warn": "$warning",
    "bad": "bold $error",
}
"""What a piece of text means, as a style of the theme."""

Piece = str | tuple[str, str]
"""A text, or (text, what it means: a key of STYLES)."""


def text(*pieces: Piece) -> Content:
    """One run of text out of pieces. No markup: what comes from outside is only ever characters, and all are seen.

    The only place where content is made: every page, label and question goes through it.
    """
    return Content.assemble(
        *(visible(one) if isinstance(one, str) else (visible(one[0]), STYLES.get(one[1], "")) for one in pieces)
    )


def lines(made: Iterable[Content]) -> Content:
    """Paragraphs below one another."""
    return Content("\n").join(made)


def hanging(lead: Sequence[Piece], body: str, style: str, width: int) -> Iterator[Content]:
    """A lead and a body that is broken to `width` cells, its further lines below its own beginning."""
    made = text(*lead)
    room = max(width - made.cell_length, 16)
    rows = [row for line in body.split("\n") for row in textwrap.wrap(line, room, break_on_hyphens=False) or [""]]
    yield text(*lead, (rows[0], style))
    for row in rows[1:]:
        yield text(" " * made.cell_length, (row, style))


class Words(Static):
    """A label of pieces. It never reads markup."""

    def __init__(self, *pieces: Piece, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        made = text(*pieces)
        super().__init__(made, id=id, classes=classes, markup=False)
        self.set_class(not made.plain, "silent")

    def say(self, *pieces: Piece) -> None:
        """Replace the text; nothing is sent if it is the same."""
        new = text(*pieces)
        if new != self.content:
            self.set_class(not new.plain, "silent")
            self.update(new)


class Page(VerticalScroll):
    """A page that scrolls with the arrow keys, j and k, page keys, ctrl+d and ctrl+u."""

    DEFAULT_CSS = """
    Page { padding: 0 2; scrollbar-size-vertical: 1; }
    Page > Static { width: 1fr; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False, id="page.down"),
        Binding("k", "scroll_up", "Up", show=False, id="page.up"),
        Binding("ctrl+d", "page_down", "Page down", show=False, id="page.page_down"),
        Binding("ctrl+u", "page_up", "Page up", show=False, id="page.page_up"),
    ]

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.shown = Content("")

    def compose(self) -> ComposeResult:
        """The one text."""
        yield Static(self.shown, markup=False)

    @property
    def room(self) -> int:
        """Cells of a line."""
        return max(self.app.size.width - 8, 40)

    def show(self, paragraphs: Iterable[Content], *, top: bool = False) -> None:
        """Replace the text, staying where one reads unless `top`."""
        new = lines(paragraphs)
        if new == self.shown:
            return
        self.shown = new
        if self.is_mounted:
            self.query_one(Static).update(new)
            if top:
                self.scroll_home(animate=False)
