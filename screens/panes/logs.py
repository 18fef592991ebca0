"""The logs of an environment, all services together: followed until told not to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.feeds.line import LogLine
from screens.panes.log_pane import LogPane
from screens.theme import BRAILLE, Symbols
from screens.words import listed

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from screens.known import News
    from screens.widgets.log_view import LogView


class LogsPane(LogPane):
    """The lines of all services."""

    TITLE = "Logs"

    def __init__(self, id: str, symbols: Symbols = BRAILLE) -> None:  # noqa: A002 - Textual's word
        super().__init__(id, symbols)
        self.views: dict[str, LogView] = {}
        """One view for each environment that was shown: its place, its filter and whether it follows stay."""
        self.shown = ""
        self.remembered = False

    def body(self) -> ComposeResult:
        yield self.view

    def draw(self) -> None:
        """Another environment: its view instead."""
        if self.shown != self.environment:
            focused = self.view.has_focus
            self._show(self.environment)
            if focused:
                self.view.focus()
        self._head()

    def _show(self, name: str) -> None:
        old = self.view
        if name in self.views:
            self.view = self.views[name]
        elif self.shown:
            self.view = self.new_view()
            self.mount(self.view)
        held = self.known.logs.get(name)
        self.remembered = held is None
        if name not in self.views:
            if held is None:
                tail = self.known.tails.get(name, ())
                self.view.append_lines([LogLine(None, "", line, "debug") for line in tail])
            else:
                self.views[name] = self.view
                self.view.append_lines(list(held))
        if old is not self.view:
            old.display = False
            self.view.display = True
            if old not in self.views.values():
                old.remove()
        self.shown = name

    def news(self, news: News) -> None:
        """New lines go to the view of their environment, shown or not."""
        for name, lines in news.logs.items():
            if name in self.views:
                self.views[name].append_lines(lines)
        if self.environment in news.logs and self.environment not in self.views:
            self._show(self.environment)
        self.draw()

    def _none(self) -> str:
        """Whose lines are waited for, once that is known."""
        names = {one.name: None for one in self.known.environment(self.environment).services}
        return f"no line yet of {listed(tuple(names))}" if names else "no line yet"

    def _head(self) -> None:
        chosen = self.view.chosen
        if chosen is None:
            self.head.show([("no line matches" if self.view.buffer.hidden else self._none(), "unknown")])
        elif self.remembered:
            self.head.show([("as last seen", "unknown")])
        elif chosen.at is not None and not self.view.following:
            self.head.show([], self.seen(chosen.at, False))
        else:
            self.head.show([])
