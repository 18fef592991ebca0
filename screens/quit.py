"""Leaving. Runs go on; the demo system is stopped or left running, as the person chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from console.answers import AskFailed
from screens.base import Deck
from screens.page import Words
from screens.sheet import Sheet

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from screens.known import Bridge

STOP = "stop the demo"


def leave(screen: Deck[Any]) -> None:
    """End the console, asking first only where there is something to choose: a read-only one stops no demo."""
    stop = screen.bridge.session.demo()
    if stop is None or screen.bridge.read_only:
        screen.app.exit()
    else:
        screen.app.push_screen(QuitScreen(screen.bridge, screen.environment, stop))


class QuitScreen(Sheet[None]):
    """Stop the demo system, leave it running, or stay."""

    def __init__(self, bridge: Bridge, environment: str, stop: Callable[[], None]) -> None:
        super().__init__(bridge, environment)
        self.stop_demo = stop

    @property
    def stopping(self) -> bool:
        """Whether the demo is being stopped: the console then ends with it, and nothing else can be chosen."""
        return any(one.group == STOP and not one.is_finished for one in self.workers)

    def told(self) -> ComposeResult:
        yield Words(("Leave the console", "head"))
        yield Words("The demo system is running. `quarterdeck demo` opens the console on it again.")
        known = self.bridge.known
        for run in filter(None, map(known.running, known.order)):
            yield Words((f"{run.title}: {run.state}. The demo is not stopped before that has ended.", "warn"))

    def body(self) -> ComposeResult:
        yield Words(id="problem")
        yield Words(("s", "key"), " stop the demo   ", ("l", "key"), " leave it running   ", ("esc", "key"), " stay")

    def on_key(self, event: events.Key) -> None:
        """s stops it, l leaves it."""
        if event.key == "l" and not self.stopping:
            event.stop()
            self.app.exit()
        elif event.key == "s" and not self.stopping:
            event.stop()
            self.query_one("#problem", Words).say("Stopping its processes; this takes up to 10 s.")
            self.ask(STOP, self.stop_demo, lambda _: self.app.exit(), self.not_stopped)
        else:
            super().on_key(event)

    def do_back(self) -> None:
        """Stay, unless the system that this console is on is being stopped."""
        if not self.stopping:
            super().do_back()

    def not_stopped(self, error: AskFailed) -> None:
        """Say why, and let the person choose again."""
        self.query_one("#problem", Words).say((" ".join((str(error), *error.ways_out)), "bad"))
