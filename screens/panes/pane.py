"""What every pane of the dashboard is: a head, a body that takes the focus, and the commands of its scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.containers import Vertical

from console.commands import Scope
from screens.commanded import Commanded
from screens.panes.head import Head
from screens.theme import BRAILLE, Symbols
from screens.words import age, moment

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from screens.base import Deck
    from screens.known import Known, News
    from screens.panes.filtering import FilterLine
    from screens.widgets.table import RowTable


class Pane(Commanded, Vertical):
    """A quarter of the dashboard."""

    TITLE: ClassVar[str] = ""
    SCOPES: ClassVar[tuple[Scope, ...]] = ()
    DEFAULT_CSS = """
    Pane { height: 1fr; width: 1fr; }
    """

    def __init__(self, id: str, symbols: Symbols = BRAILLE) -> None:  # noqa: A002 - Textual's word
        super().__init__(id=id)
        self.symbols = symbols
        self.head = Head(self.TITLE, symbols=symbols)
        self._filtered: RowTable | None = None

    @property
    def deck(self) -> Deck[Any]:
        """The screen it stands on."""
        return cast("Deck[Any]", self.screen)

    @property
    def known(self) -> Known:
        """What is known."""
        return self.deck.bridge.known

    @property
    def environment(self) -> str:
        """The environment that its screen shows."""
        return self.deck.environment

    def compose(self) -> ComposeResult:
        """Head and body."""
        yield self.head
        yield from self.body()

    def body(self) -> ComposeResult:
        """What stands below the head; one widget of it takes the focus."""
        raise NotImplementedError

    def draw(self) -> None:
        """Draw what is known of the screen's environment."""

    def news(self, news: News) -> None:
        """Draw what is new, if it is about this pane."""
        self.draw()

    def filter_rows(self, table: RowTable) -> None:
        """Type a filter for the rows of a table."""
        from screens.panes.filtering import FilterLine

        if not self.query(FilterLine):
            self._filtered = table
            self.mount(FilterLine(table.filter_text), before=table)

    def on_filter_line_typed(self, message: FilterLine.Typed) -> None:
        """Filter while typing."""
        message.stop()
        if (table := self._filtered) is None:
            return
        table.set_filter(message.text)
        if message.done:
            for line in self.query("FilterLine"):
                line.remove()
            table.focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Mark the head."""
        self.head.mark_focus(True)

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Unmark it."""
        self.head.mark_focus(False)

    def seen(self, at: float, stale: bool) -> tuple[str, Any]:
        """The note of the head: from when this is; in the style of the unknown if it is old or remembered."""
        now = self.deck.bridge.clock()
        if not at:
            return "not seen yet", "unknown"
        words = moment(at, now)
        if stale:
            return f"last seen {words}", "unknown"
        if old := age(at, now):
            return f"{words}, {old}", "unknown"
        return words, "dim"
