"""The line of the dashboard that offers a run which nobody executes, or which asks something. Not there without one.

A run that is parked is offered once its time has come and nobody goes on with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.strip import Strip

from console.watch.views import WAITING
from screens.theme import BRAILLE, Symbols
from screens.widgets.lines import LinesWidget, Part, strip_of
from screens.words import moment

if TYPE_CHECKING:
    from console.watch.views import RunLine


def waiting(runs: Sequence[RunLine], environment: str) -> list[RunLine]:
    """The runs that wait for somebody, those of the shown environment first, newest first."""
    found = [one for one in runs if one.state in WAITING]
    return sorted(found, key=lambda one: one.environment != environment)


def words_of(run: RunLine, now: float) -> str:
    """What it waits for, and since when nobody has looked."""
    since = moment(max(run.heard, run.looked) or run.started, now)
    if run.state == "waiting for you":
        return f"asks something since {since}"
    if run.state == "parked, due":
        needs = "looked at" if run.looked > run.heard else "not looked at since"
        return f"parked, due since {moment(run.until, now)}; {needs} {since}"
    if run.state not in ("interrupted", "waiting for unlock"):
        return f"never begun, not looked at since {since}"
    if run.looked > run.heard:
        return f"{run.state} at {moment(run.heard, now)}; looked at {since}: needs you"
    return f"{run.state}, not looked at since {since}"


class WaitingLine(LinesWidget):
    """`! r Deploy 1.5.0 on production: interrupted, not looked at since 02:14:05`; more of them as `(+2: w)`."""

    DEFAULT_CSS = """
    WaitingLine { height: 1; background: $surface; }
    """

    def __init__(self, *, symbols: Symbols = BRAILLE, id: str | None = None) -> None:  # noqa: A002 - Textual's word
        super().__init__(symbols=symbols, id=id)
        self.runs: Sequence[RunLine] = ()
        self.now = 0.0

    def show(self, runs: Sequence[RunLine], now: float) -> None:
        """The runs that wait; none hides the line."""
        self.runs, self.now = runs, now
        self.display = bool(runs)
        self.redraw()

    def lines(self, width: int, height: int) -> list[Strip]:
        """The first of them; how many more there are."""
        if not self.runs:
            return []
        first = self.runs[0]
        where = "" if first.environment in first.title else f" on {first.environment}"
        more = f" (+{len(self.runs) - 1}: w)" if len(self.runs) > 1 else ""
        parts: list[Part] = [
            (" ! ", self.tone("warn")),
            ("r ", self.tone("key")),
            (f"{first.title}{where}", self.tone("strong")),
            (more, self.tone("dim")),
            (f": {words_of(first, self.now)}", self.tone("warn")),
        ]
        return [strip_of(parts, width, self.tone("plain"))]
