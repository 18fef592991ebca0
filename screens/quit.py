"""Leaving. Runs go on; the demo system is stopped or left running, as the person chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from screens.base import Deck
from screens.page import Words
from screens.sheet import Sheet

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from screens.known import Bridge


def leave(screen: Deck[Any]) -> None:
    """End the console, asking first only where there is something to choose."""
    stop = screen.bridge.session.demo()
    if stop is None:
        screen.app.exit()
    else:
        screen.app.push_screen(QuitScreen(screen.bridge, screen.environment, stop))


class QuitScreen(Sheet[None]):
    """Stop the demo system, leave it running, or stay."""

    def __init__(self, bridge: Bridge, environment: str, stop: Callable[[], None]) -> None:
        super().__init__(bridge, environment)
        self.stop_demo = stop

    def body(self) -> ComposeResult:
        yield Words(("Leave the console", "head"))
        yield Words("The demo system is running. `quarterdeck demo` opens the console on it again.")
        yield Words(id="problem")
        yield Words(("s", "key"), " stop the demo   ", ("l", "key"), " leave it running   ", ("esc", "key"), " stay")

    def on_key(self, event: events.Key) -> None:
        """s stops it, l leaves it."""
        if event.key == "l":
            event.stop()
            self.app.exit()
        elif event.key == "s":
            event.stop()
            self.query_one("#problem", Words).say("Stopping its processes; this takes up to 10 s.")
            self.ask("stop the demo", self.stop_demo, lambda _: self.app.exit())
        else:
            super().on_key(event)
