"""A small modal screen on top of another: a question, a form for one word, a choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen

from screens.base import Deck
from screens.page import Words
from screens.toasts import lines_taken

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

R = TypeVar("R")

AIRY = 22
"""Lines from which there is room for blank ones."""
SCROLLS = {"down": 1, "up": -1, "pagedown": 5, "pageup": -5}


class Told(VerticalScroll, can_focus=False):
    """What is told before something is asked: the first to give way."""


class Sheet(Deck[R], ModalScreen[R]):
    """A small modal on top of a screen; escape leaves it and changes nothing.

    What it tells (`told`) scrolls where there is no room for it; what it asks, its field and its keys (`body`), are
    always seen. Where they cannot be, nothing is asked: what is typed blind would be an answer all the same.
    """

    ONLY = frozenset({"back"})
    SCOPED_CSS = False
    GIVES: ClassVar[str] = "#told"
    """What gives way where there is less room."""
    LEAST: ClassVar[int] = 1
    """Lines that it keeps."""
    DEFAULT_CSS = """
    Sheet { align: center middle; background: $background 60%; }
    #sheet {
        width: 72; max-width: 96%; height: auto;
        background: $surface; border: round $border; padding: 1 2;
    }
    .production.loud #sheet { border: heavy $error 70%; }
    #sheet LinesWidget { background: $surface; }
    #told, #asked { height: auto; width: 1fr; }
    #told { scrollbar-size-vertical: 1; }
    #sheet Words { height: auto; width: 1fr; margin-bottom: 1; }
    #sheet Words.label { margin-bottom: 0; }
    #sheet Entry { background: $panel; margin-bottom: 1; }
    #sheet #problem { margin-bottom: 1; }
    #sheet #small { display: none; margin-bottom: 0; }
    #sheet.low { padding: 0 1; }
    #sheet.low Words, #sheet.low Entry, #sheet.low #problem { margin-bottom: 0; }
    #sheet.low Words.silent { display: none; }
    #sheet.small #told, #sheet.small #asked { display: none; }
    #sheet.small #small { display: block; }
    """

    def compose(self) -> ComposeResult:
        """A box in the middle."""
        with Vertical(id="sheet"):
            with Told(id="told"):
                yield from self.told()
            with Vertical(id="asked"):
                yield from self.body()
            yield Words(id="small")

    def told(self) -> ComposeResult:
        """What is told before something is asked."""
        yield from ()

    def on_mount(self) -> None:
        super().on_mount()
        box = self.query_one("#sheet")
        self.screen_layout_refresh_signal.subscribe(box, self._fit)

    def draw_keys(self) -> None:
        """It has no key line of its own: the screen behind it has."""
        for one in self.app.screen_stack:
            if isinstance(one, Deck) and not isinstance(one, Sheet):
                one.draw_keys()

    # -- room ------------------------------------------------------------------------------------------------------

    @property
    def too_small(self) -> bool:
        """Whether there is no room for what is asked."""
        return any(box.has_class("small") for box in self.query("#sheet"))

    def _fit(self, _: Screen[Any]) -> None:
        """After every layout: give the box the lines that are there, and of those what is asked its own first."""
        box, asked, gives = self.query_one("#sheet"), self.query_one("#asked"), self.query_one(self.GIVES)
        room = self.size.height - lines_taken(self)
        box.styles.max_height = room
        box.set_class(room < AIRY, "low")
        fixed = box.gutter.height + asked.get_content_height(box.content_size, self.size, box.content_size.width)
        if asked in gives.ancestors:
            fixed -= gives.outer_size.height
        needed, was_small = fixed + self.LEAST, self.too_small
        box.set_class(room < needed, "small")
        if room < needed:
            words = f"This needs {needed} lines and {room} are here: nothing is asked. Make the terminal higher, or "
            self.query_one("#small", Words).say((f"{words}leave with esc.", "warn"))
            return
        gives.styles.max_height = max(room - fixed, self.LEAST)
        if was_small:
            self.call_after_refresh(self._first_field)

    def _first_field(self) -> None:
        if self.AUTO_FOCUS and self.focused is None:
            self.query_one(self.AUTO_FOCUS).focus()

    async def on_event(self, event: events.Event) -> None:
        """Where what is asked is not seen, no key but escape means anything."""
        from textual.events import Key

        if isinstance(event, Key) and self.too_small and event.key != "escape":
            event.stop()
            event.prevent_default()
        else:
            await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """Read on in what is told, where not all of it is seen."""
        told = self.query_one("#told", Told)
        if event.key in SCROLLS and told.max_scroll_y:
            event.stop()
            event.prevent_default()
            told.scroll_relative(y=SCROLLS[event.key], animate=False)
        else:
            super().on_key(event)
