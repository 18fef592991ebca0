"""A question with a plain yes, and one whose yes is a word; the default is No."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.entry import Entry
from screens.page import Words
from screens.sheet import Sheet

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from screens.known import Bridge


class QuestionScreen(Sheet[bool]):
    """True for y; Enter, n and escape are No."""

    def __init__(self, bridge: Bridge, environment: str, title: str, words: str) -> None:
        super().__init__(bridge, environment)
        self.asked, self.explained = title, words

    def told(self) -> ComposeResult:
        yield Words((self.asked, "head"))
        yield Words(self.explained)

    def body(self) -> ComposeResult:
        yield Words(("y", "key"), " yes   ", ("enter", "key"), " No (the default)")

    def on_key(self, event: events.Key) -> None:
        """y is the only yes."""
        if event.key in ("y", "Y", "n", "N", "enter"):
            event.stop()
            self.dismiss(event.key in ("y", "Y"))
        else:
            super().on_key(event)


class TypedScreen(Sheet[bool]):
    """True if the word was typed; anything else is No."""

    AUTO_FOCUS = "#word"

    def __init__(self, bridge: Bridge, environment: str, title: str, words: str, wanted: str = "session-bound") -> None:
        super().__init__(bridge, environment)
        self.add_class("loud")
        self.asked, self.explained, self.wanted = title, words, wanted

    def told(self) -> ComposeResult:
        yield Words((self.asked, "head"))
        yield Words((self.explained, "warn"))

    def body(self) -> ComposeResult:
        yield Words("Type ", (self.wanted, "strong"), " to go on. Anything else is No.", classes="label")
        yield Entry(placeholder="No", id="word")

    def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Enter answers."""
        event.stop()
        if not self.too_small:
            self.dismiss(event.value.strip() == self.wanted)
