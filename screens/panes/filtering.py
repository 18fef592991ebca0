"""The line under a pane's head in which `/` is typed: it filters while one types, Enter keeps it, Escape
leaves the filter as it was. What is typed replaces it; an empty line is none."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from screens.entry import Entry


class FilterLine(Entry):
    """Mounted while a filter is typed."""

    DEFAULT_CSS = """
    FilterLine { height: 1; margin: 0 1; background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "drop", "Leave the filter as it was", id="filter.drop")]

    class Typed(Message):
        """The filter as it is now; `done` once Enter or Escape was pressed."""

        def __init__(self, text: str, done: bool) -> None:
            super().__init__()
            self.text = text
            self.done = done

    def __init__(self, value: str = "", *, patterns: bool = False) -> None:
        """`patterns`: whether a regular expression is one here."""
        more = ", /slashes/ make it a pattern" if patterns else ""
        super().__init__(value, placeholder=f"filter; ! in front turns it round{more}")
        self.was = value
        """The filter before anything was typed."""

    def on_mount(self) -> None:
        """Type at once, in place of what stands there."""
        self.focus()
        self.select_all()

    def on_input_changed(self, event: Entry.Changed) -> None:
        """Filter while typing."""
        event.stop()
        self.post_message(self.Typed(event.value, False))

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Keep it."""
        event.stop()
        self.post_message(self.Typed(event.value, True))

    def action_drop(self) -> None:
        """Leave the filter as it was."""
        self.post_message(self.Typed(self.was, True))
