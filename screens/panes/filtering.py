"""The line under a pane's head in which `/` is typed: it filters while one types, Enter keeps it, Escape drops it."""

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
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "drop", "Drop the filter", id="filter.drop")]

    class Typed(Message):
        """The filter as it is now; `done` once Enter or Escape was pressed."""

        def __init__(self, text: str, done: bool) -> None:
            super().__init__()
            self.text = text
            self.done = done

    def __init__(self, value: str = "") -> None:
        super().__init__(value, placeholder="filter; ! in front turns it round, /slashes/ make it a pattern")

    def on_mount(self) -> None:
        """Type at once."""
        self.focus()

    def on_input_changed(self, event: Entry.Changed) -> None:
        """Filter while typing."""
        event.stop()
        self.post_message(self.Typed(event.value, False))

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Keep it."""
        event.stop()
        self.post_message(self.Typed(event.value, True))

    def action_drop(self) -> None:
        """Drop it."""
        self.post_message(self.Typed("", True))
