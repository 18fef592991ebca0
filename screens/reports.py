"""Toasts, and the list of those that went by: a toast is lost when you look away, its line here is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from console.session import Happening
from screens.base import Deck
from screens.page import Page, hanging, text
from screens.theme import mark
from screens.words import moment

if TYPE_CHECKING:
    from textual.app import App, ComposeResult
    from textual.content import Content

    from screens.known import Bridge, News

SEVERITY = {"ok": "information", "warn": "warning", "bad": "error", "unknown": "warning"}
TOAST_S = {"ok": 4.0, "warn": 8.0, "bad": 12.0, "unknown": 8.0}


def report(app: App[Any], bridge: Bridge, what: Happening) -> None:
    """Keep it, and show it for a while."""
    if what not in bridge.known.events:
        bridge.known.events.append(what)
    severity: Any = SEVERITY[what.tone]
    app.notify(what.text, severity=severity, timeout=TOAST_S[what.tone], markup=False)


class ReportsScreen(Deck[None]):
    """Newest first."""

    AUTO_FOCUS = "#page"
    TITLE_WORDS = "reports"
    _drawn: Happening | None = None

    def do_events(self) -> None:
        """It is open already: a key that is held down opens no second one on it."""

    def body(self) -> ComposeResult:
        yield Page(id="page")

    def news(self, news: News) -> None:
        """Drawn again only when something was reported: all of it is wrapped each time."""
        if self._newest() is not self._drawn:
            self.draw()

    def _newest(self) -> Happening | None:
        return self.bridge.known.events[-1] if self.bridge.known.events else None

    def on_resize(self) -> None:
        """Break the lines anew."""
        self.draw()

    def draw(self) -> None:
        now, self._drawn = self.bridge.clock(), self._newest()
        made: list[Content] = []
        page = self.query_one("#page", Page)
        times = [moment(one.at, now) for one in self.bridge.known.events]
        wide = max(map(len, times), default=0)
        for one, at in zip(reversed(self.bridge.known.events), reversed(times), strict=True):
            shown = mark(one.tone, self.bridge.symbols)
            made += hanging([(f"{at:<{wide}}  ", "dim"), (f"{shown.glyph} ", shown.tone)], one.text, "plain", page.room)
        page.show(made or [text(("Nothing was reported since this console opened.", "dim"))])
