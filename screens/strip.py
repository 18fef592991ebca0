"""Every environment at once, in one line: health, release, who works there. The one that is shown is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.strip import Strip

from console.watch.views import EnvironmentView
from screens.theme import BRAILLE, Symbols, Tone, mark
from screens.widgets.lines import LinesWidget, strip_of
from screens.widgets.words import width_of

Said = tuple[str, Tone]


RANK = {"bad": 0, "unknown": 1, "warn": 2, "ok": 3}
"""The worst first."""


class EnvironmentStrip(LinesWidget):
    """`◂Production ✗ 1 of 4 unhealthy 1.4.2 ▸deploy │ Staging ✓ healthy 1.5.0-rc2 │ …`."""

    DEFAULT_CSS = """
    EnvironmentStrip { height: 1; background: $surface; }
    """

    def __init__(self, *, symbols: Symbols = BRAILLE, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(symbols=symbols, id=id)
        self.views: Sequence[EnvironmentView] = ()
        self.shown = ""
        self.working: Mapping[str, str] = {}
        self.parked: Mapping[str, str] = {}

    def show(
        self,
        views: Sequence[EnvironmentView],
        shown: str,
        working: Mapping[str, str],
        parked: Mapping[str, str] | None = None,
    ) -> None:
        """The environments, which one the screen shows, the action that runs in each, and the one that is parked."""
        self.views, self.shown, self.working, self.parked = views, shown, working, parked or {}
        self.redraw()

    def lines(self, width: int, height: int) -> list[Strip]:
        """As much as there is room for: words of what is well go first, releases last; glyph and name stay."""
        if not self.views:
            words = " Nothing is known yet: looking for the first time."
            return [strip_of([(words, self.tone("unknown"))], width, self.tone("plain"))]
        for detail in (4, 3, 2, 1, 0):
            said = self._said(detail)
            if sum(width_of(words) for words, _ in said) <= width:
                break
        else:
            said = self._most_wanted(width)
        return [strip_of([(words, self.tone(tone)) for words, tone in said], width, self.tone("plain"))]

    def _most_wanted(self, width: int) -> list[Said]:
        """Of more environments than there is room for: the one that is shown, then those that are not well.

        They keep their order; how many are left out is said, with the worst state among them.
        """
        order = sorted(self.views, key=lambda view: (view.name != self.shown, RANK.get(view.state, 1)))
        for count in range(len(order) - 1, -1, -1):
            kept, left = {view.name for view in order[:count]}, order[count:]
            worst = mark(min((view.state for view in left), key=lambda state: RANK.get(state, 1)), self.symbols)
            said = self._said(0, [view for view in self.views if view.name in kept])
            said += [(f" {self.symbols.bar} {len(left)} more ", "dim"), (worst.glyph, worst.tone)]
            if sum(width_of(words) for words, _ in said) <= width:
                break
        return said

    def _said(self, detail: int, views: Sequence[EnvironmentView] | None = None) -> list[Said]:
        said: list[Said] = []
        for number, view in enumerate(self.views if views is None else views):
            if number:
                said.append((f" {self.symbols.bar}", "dim"))
            here = view.name == self.shown
            state = mark("stale" if view.stale and view.at else view.state, self.symbols)
            said.append((self.symbols.cursor if here else " ", "accent"))
            said.append((view.title or view.name, "strong" if here else "plain"))
            said.append((f" {state.glyph}", state.tone))
            if detail >= 4 or (detail == 3 and view.state != "ok") or (detail == 2 and view.state != "ok" and not here):
                said.append((f" {view.word}", state.tone))
            if detail >= 1 and view.release:
                said.append((f" {view.release}", "unknown" if view.stale else "dim"))
            if action := self.working.get(view.name):
                said.append((f" {self.symbols.running}{action if detail >= 3 else ''}", "accent"))
            elif view.lock is not None and detail >= 1:
                said.append((" locked", "warn"))
            if (waits := self.parked.get(view.name)) and detail >= 1:
                said.append((f" {self.symbols.parked}{waits if detail >= 3 else ''}", "dim"))
        return said
