"""What explains a line: the health answers, the query, the evidence behind it. Every red thing opens one of these."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from screens.base import Deck
from screens.page import Page, hanging, text
from screens.widgets.words import width_of

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from console.session import AskFailed
    from screens.known import Bridge, News


class DetailScreen(Deck[None]):
    """Asks the session to explain one thing, and shows what is known meanwhile."""

    AUTO_FOCUS = "#page"
    SCOPES = ("app",)

    def __init__(
        self,
        bridge: Bridge,
        environment: str,
        kind: str,
        name: str,
        meanwhile: str = "",
        below: tuple[str, Sequence[str]] = ("", ()),
    ) -> None:
        super().__init__(bridge, environment)
        self.kind, self.about, self.meanwhile, self.below = kind, name, meanwhile, below
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
        heading, rows = self.below
        if rows:
            made += [text(""), text((heading, "head")), *(text(row) for row in rows)]
        self.query_one("#page", Page).show(made)


Fact = tuple[str, str]
"""A word and what it is; two empty ones are a line between, and one without a word is text of its own."""


class TextScreen(Deck[None]):
    """A text that is already known, in full: a heading, and facts below it."""

    AUTO_FOCUS = "#page"

    def __init__(self, bridge: Bridge, environment: str, about: str, heading: str, facts: Sequence[Fact]) -> None:
        super().__init__(bridge, environment)
        self.about, self.heading, self.facts = about, heading, tuple(facts)

    def words(self) -> str:
        return self.about

    def body(self) -> ComposeResult:
        yield Page(id="page")

    def news(self, news: News) -> None:
        """Nothing of it changes."""

    def on_resize(self) -> None:
        """Break the lines anew."""
        self.draw()

    def draw(self) -> None:
        page = self.query_one("#page", Page)
        wide = max((width_of(word) for word, _ in self.facts), default=0)
        made = [text((self.heading, "head")), text("")]
        for word, what in self.facts:
            lead = f"{word}{' ' * (wide - width_of(word))}  " if word else ""
            made += hanging([(lead, "dim")], what, "plain", page.room)
        page.show(made)
