"""What explains a line: the health answers, the query, the evidence behind it. Every red thing opens one of these."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from screens.base import Deck
from screens.page import Page, text

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from console.session import AskFailed
    from screens.known import Bridge


class DetailScreen(Deck[None]):
    """Asks the session to explain one thing, and shows what is known meanwhile."""

    AUTO_FOCUS = "#page"
    SCOPES = ("app",)

    def __init__(self, bridge: Bridge, environment: str, kind: str, name: str, meanwhile: str = "") -> None:
        super().__init__(bridge, environment)
        self.kind, self.about, self.meanwhile = kind, name, meanwhile
        self.answer = ""

    def words(self) -> str:
        return f"{self.kind} {self.about}"

    def body(self) -> ComposeResult:
        yield Page(id="page")

    def on_mount(self) -> None:
        super().on_mount()
        self.look()

    def look(self) -> None:
        """Ask again."""
        question = partial(self.bridge.session.explain, self.environment, self.kind, self.about)
        self.ask("explain", question, self._explained, self._failed)

    def do_refresh(self) -> None:
        self.look()

    def _explained(self, answer: str) -> None:
        self.answer = answer
        self.draw()

    def _failed(self, error: AskFailed) -> None:
        self.answer = "\n".join((str(error), *error.ways_out))
        self.draw()

    def draw(self) -> None:
        made = [text((f"{self.kind} {self.about}", "head")), text("")]
        if self.meanwhile:
            made += [text(self.meanwhile), text("")]
        made.append(text(self.answer) if self.answer else text(("Asking what explains it.", "dim")))
        self.query_one("#page", Page).show(made)


class TextScreen(Deck[None]):
    """A text that is already known, in full."""

    AUTO_FOCUS = "#page"

    def __init__(self, bridge: Bridge, environment: str, about: str, body: str) -> None:
        super().__init__(bridge, environment)
        self.about, self.text_shown = about, body

    def words(self) -> str:
        return self.about

    def body(self) -> ComposeResult:
        yield Page(id="page")

    def draw(self) -> None:
        self.query_one("#page", Page).show([text(self.text_shown)])
