"""A pane with a log view: the commands that every log has, whether of services or of a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from console.feeds.line import readable
from screens.panes.pane import Pane
from screens.theme import BRAILLE, Symbols
from screens.widgets.log_view import REMOTE_BYTES, LogView, remote
from screens.words import moment

if TYPE_CHECKING:
    from screens.panes.filtering import FilterLine


class LogPane(Pane):
    """Follow, filter, jump to errors, copy."""

    SCOPES = ("app", "logs")
    DEFAULT_CSS = """
    LogPane .complaint { height: auto; max-height: 3; margin: 0 1; }
    """

    def __init__(self, id: str, symbols: Symbols = BRAILLE) -> None:  # noqa: A002 - Textual's word
        super().__init__(id, symbols)
        self.view = self.new_view()
        self._kept = ""
        """The filter that is left where what is typed is none."""

    def new_view(self) -> LogView:
        """An empty view. Over SSH it keeps to a budget of bytes, also when it has the whole screen."""
        if remote(os.environ):
            return LogView(symbols=self.symbols, bytes_per_second=REMOTE_BYTES, fill="page")
        return LogView(symbols=self.symbols)

    # -- commands ------------------------------------------------------------------------------------------------

    def do_follow(self) -> None:
        self.view.follow()

    def do_wrap(self) -> None:
        self.view.set_options(wrap=not self.view.options.wrap)

    def do_timestamps(self) -> None:
        self.view.set_options(times=not self.view.options.times)

    def do_next_error(self) -> None:
        if not self.view.next_error():
            self.deck.say("No error below this line.", "warn")

    def do_previous_error(self) -> None:
        if not self.view.previous_error():
            self.deck.say("No error above this line.", "warn")

    def do_mark(self) -> None:
        self.view.toggle_mark()

    def do_copy(self) -> None:
        from screens.terminal import copy

        self.deck.say(copy(self.app, self.view.copied))

    def do_open(self) -> None:
        """The whole line, wrapped, for a line that is too long to read here."""
        from screens.detail import TextScreen

        if (line := self.view.chosen) is not None:
            when = moment(line.at, self.deck.bridge.clock()) if line.at else ""
            head = "  ".join(word for word in (line.source, line.level or "", when) if word)
            facts = [("", readable(line.text))]
            if line.text != facts[0][1]:
                facts += [("", ""), ("", line.text)]
            self.app.push_screen(TextScreen(self.deck.bridge, self.environment, "log line", head, facts))

    def do_filter(self) -> None:
        from screens.panes.filtering import FilterLine

        if not self.query(FilterLine):
            text = self.view.filters[0].text if self.view.filters else ""
            self._kept = text
            self.mount(FilterLine(text, patterns=True), before=self.view)

    def on_filter_line_typed(self, message: FilterLine.Typed) -> None:
        """Filter while typing. What is no pattern is said below the line, which stays open for it."""
        message.stop()
        problem = self.view.filter(message.text)
        if problem:
            self.view.filter(self._kept)
        self._complain(problem or "")
        self.draw()
        if message.done and not problem:
            for line in self.query("FilterLine"):
                line.remove()
            self.view.focus()

    def _complain(self, problem: str) -> None:
        """Say what is wrong with what stands in the filter's line; nothing if nothing is."""
        from screens.page import Words

        said = f"{problem}. The filter is still {self._kept or 'none'}." if problem else ""
        for words in self.query(".complaint").results(Words):
            if said:
                words.say((said, "warn"))
            else:
                words.remove()
            return
        if said:
            self.mount(Words((said, "warn"), classes="complaint"), before=self.view)
