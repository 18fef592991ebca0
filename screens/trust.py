"""A profile from the working directory names hosts and commands: it is trusted once, by its digest, after a look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.base import Deck
from screens.page import Page, text

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from console.session import NotTrusted
    from screens.known import Bridge


class TrustScreen(Deck[bool]):
    """True if it is trusted now. Enter and escape both mean No."""

    AUTO_FOCUS = "#page"
    ONLY = frozenset({"help", "quit"})
    TITLE_WORDS = "trust"

    def __init__(self, bridge: Bridge, untrusted: NotTrusted) -> None:
        super().__init__(bridge, "")
        self.untrusted = untrusted

    def body(self) -> ComposeResult:
        yield Page(id="page")

    def draw(self) -> None:
        found = self.untrusted
        made = [
            text(("This profile has not been trusted here yet", "head")),
            text(""),
            text(("file    ", "dim"), found.path),
            text(("digest  ", "dim"), found.digest),
            text(""),
            text(
                "It was found in the directory you are in. A profile names hosts to log in to and commands to run "
                "there and here, so trust it only if you know where it comes from. Trust holds until its content "
                "changes."
            ),
            text(""),
            text(("Hosts it names", "head")),
            *(text(f"  {one}") for one in found.hosts or ("none",)),
            text(""),
            text(("Commands it names", "head")),
            *(text(("  $ ", "dim"), one) for one in found.commands),
            *(() if found.commands else (text("  none"),)),
            text(""),
            text(("T", "key"), "      trust this content"),
            text(("enter", "key"), "  No: leave (the default)"),
        ]
        self.query_one("#page", Page).show(made)

    def on_key(self, event: events.Key) -> None:
        """T trusts; Enter and escape do not."""
        if event.key == "T":
            event.stop()
            self.bridge.session.trust_profile()
            self.dismiss(True)
        elif event.key in ("enter", "escape", "n", "N"):
            event.stop()
            self.dismiss(False)
