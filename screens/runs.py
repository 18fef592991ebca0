"""Every run that is known here or on the hosts, newest first; those that are not over come first of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.known import UNFINISHED
from screens.listing import ListScreen
from screens.theme import Tone, mark
from screens.widgets.table import Cell, Column, Row, RowTable
from screens.widgets.words import duration
from screens.words import moment, state_words

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from console.watch.views import RunLine
    from screens.known import Bridge, News

COLUMNS = (
    Column("", 1),
    Column("state", 21),
    Column("what", 18, grow=3),
    Column("environment", 11),
    Column("began", 12, 2),
    Column("took", 10, 3),
    Column("step", 8, 5, grow=1),
    Column("who", 12, 4, grow=1),
    Column("id", 8, 6),
)


KNOWN = ("running", "undoing", "waiting for you", "parked", "parked, due")
"""States that have a mark of their own; of the others it tells how they ended, or stand."""


class RunsScreen(ListScreen):
    """Enter opens a run; `/` filters."""

    SCOPES = ("app", "runs")
    TITLE_WORDS = "runs"

    def __init__(self, bridge: Bridge, environment: str) -> None:
        super().__init__(bridge, environment)
        self.lines: tuple[RunLine, ...] = bridge.known.runs

    def do_runs(self) -> None:
        """It is open already: a key that is held down opens no second one on it."""

    def body(self) -> ComposeResult:
        yield RowTable(COLUMNS, symbols=self.bridge.symbols, empty="no run yet", id="runs")

    def news(self, news: News) -> None:
        if news.runs is not None:
            self._show(news.runs)

    def do_refresh(self) -> None:
        """Ask the hosts again; what is known stays on the screen meanwhile."""
        self.ask("runs", self.bridge.session.runs, self._show)

    def _show(self, lines: tuple[RunLine, ...]) -> None:
        self.lines = lines
        self.bridge.known.runs = lines
        self.draw()

    def draw(self) -> None:
        first = [one for one in self.lines if one.state in UNFINISHED]
        rest = [one for one in self.lines if one.state not in UNFINISHED]
        self.table.show([self._row(one) for one in (*first, *rest)])

    def _row(self, one: RunLine) -> Row:
        known = mark(one.state, self.bridge.symbols)
        shown = known if one.state in KNOWN else mark(one.tone, self.bridge.symbols)
        loud: Tone = shown.tone if one.tone in ("bad", "warn") or one.state in UNFINISHED else "dim"
        return Row(
            one.id,
            (
                Cell(shown.glyph, shown.tone),
                Cell(state_words(one, self.bridge.clock()), loud),
                Cell(one.title),
                Cell(one.environment, "strong" if one.environment == self.environment else "dim"),
                Cell(moment(one.started, self.bridge.clock()), "dim"),
                Cell(duration(one.took_s) if one.took_s else "", "dim"),
                Cell(one.step, "dim"),
                Cell(one.who if one.local else f"{one.who} (elsewhere)", "dim"),
                Cell(one.id, "dim"),
            ),
        )

    def do_open(self) -> None:
        from screens.run import RunScreen

        key = self.table.cursor_key
        line = next((one for one in self.lines if one.id == key), None)
        if line is not None:
            self.app.push_screen(RunScreen(self.bridge, line.environment, line.id))
