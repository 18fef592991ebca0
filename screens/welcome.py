"""No profile yet: what Quarterdeck is, and the two ways to begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.base import Deck
from screens.page import Page, text

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from screens.known import Bridge


class WelcomeScreen(Deck[None]):
    """`d` opens the demo, `i` writes a first profile; both end this screen and are carried out by the app."""

    AUTO_FOCUS = "#page"
    ONLY = frozenset({"help", "quit"})
    TITLE_WORDS = "no profile yet"

    def __init__(self, bridge: Bridge, looked: str = "") -> None:
        super().__init__(bridge, "")
        self.looked = looked

    def body(self) -> ComposeResult:
        yield Page(id="page")

    def draw(self) -> None:
        made = [
            text(("Quarterdeck", "head")),
            text("Run a production system from the terminal: see every environment, deploy, undo."),
            text(""),
            text("It is told about a system by a profile, a YAML file. None was found."),
            *([text((self.looked, "dim"))] if self.looked else []),
            text(""),
            text(("d", "key"), "  the demo: a small routing service in two environments on this machine;"),
            text("   no Docker, no network, nothing to set up"),
            text(""),
            text(("i", "key"), "  begin a profile of your own: writes quarterdeck.yaml here, with comments"),
            text(""),
            text(("q", "key"), "  leave.   ", ("quarterdeck -p FILE", "strong"), " opens a profile that is elsewhere"),
        ]
        self.query_one("#page", Page).show(made)

    def on_key(self, event: events.Key) -> None:
        """The two beginnings."""
        if event.key in ("d", "i"):
            event.stop()
            self.app.exit({"d": "demo", "i": "init"}[event.key])
