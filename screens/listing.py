"""A screen that is one table: read from the session, filtered, and a row of it opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.answers import AskFailed
from screens.base import Deck
from screens.widgets.table import RowTable

if TYPE_CHECKING:
    from screens.known import News


class ListScreen(Deck[None]):
    """What is listed, and what Enter opens, a subclass says."""

    AUTO_FOCUS = "RowTable"

    again = False
    """Whether it could not be read; then it is read again once there is news: a profile that had not been read yet."""

    @property
    def table(self) -> RowTable:
        """The one table of the screen."""
        return self.query_one(RowTable)

    def on_mount(self) -> None:
        super().on_mount()
        self.do_refresh()

    def unread(self, error: AskFailed) -> None:
        """Why the list could not be read stands where it would; what was read before stays, and then it is said."""
        self.again = not self.table.rows
        if self.table.rows:
            self.declined(error)
        self.table.empty = " ".join((str(error), *error.ways_out))
        self.table.redraw()

    def news(self, news: News) -> None:
        super().news(news)
        if news.system is not None and self.again:
            self.do_refresh()

    def on_row_list_opened(self) -> None:
        """Enter, or a second click."""
        self.do_open()

    def do_open(self) -> None:
        """Open the row under the cursor."""
        raise NotImplementedError

    def do_filter(self) -> None:
        self.filter_rows(self.table)
