"""What a step of a run has written, followed by offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.feeds.lines import LogLine, level_of
from console.session import OutputShown
from screens.panes.log_pane import LogPane
from screens.theme import BRAILLE, Symbols

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from screens.widgets.log_view import LogView


class OutputPane(LogPane):
    """The output of one step, or of all."""

    TITLE = "Output"

    def __init__(self, id: str, symbols: Symbols = BRAILLE) -> None:  # noqa: A002 - Textual's word
        super().__init__(id, symbols)
        self.step: str | None = None
        self.read_to = 0
        self._open = ""

    def new_view(self) -> LogView:
        view = super().new_view()
        view.set_options(times=False, sources=False)
        return view

    def body(self) -> ComposeResult:
        yield self.view

    def begin(self, step: str | None, title: str) -> None:
        """Show another step's output, from its beginning; None: that of all steps."""
        if step == self.step and self.head.said:
            return
        self.step, self.read_to, self._open = step, 0, ""
        focused = self.view.has_focus
        old, self.view = self.view, self.new_view()
        self.view.set_options(sources=step is None)
        self.view.set_over(old.over)
        old.display = False  # at once: it is removed later, and is not what the head says
        self.mount(self.view)
        old.remove()
        if focused:
            self.view.focus()
        self.head.show([(title, "plain")])

    def take(self, step: str | None, pieces: Sequence[OutputShown]) -> None:
        """What was read since; pieces that were read for another step came too late and are dropped."""
        if step != self.step:
            return
        lines: list[LogLine] = []
        for piece in pieces:
            self.read_to = piece.offset
            *whole, self._open = (self._open + piece.text).split("\n")
            lines += [LogLine(None, piece.step, one, level_of(one)) for one in whole]
        self.view.append_lines(lines)

    def reopen(self) -> None:
        """The run goes on: there may be more."""
        self.view.set_over(False)

    def close(self) -> None:
        """The run is over and all of it was read: a last line without an end is a line too."""
        self.view.set_over(True)
        if self._open:
            self.view.append_lines([LogLine(None, self.step or "", self._open, level_of(self._open))])
            self._open = ""
