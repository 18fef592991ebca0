"""What is live, what was live, and what can be gone back to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from console.session import ReleaseShown
from screens.listing import ListScreen
from screens.widgets.table import Cell, Column, Row, RowTable
from screens.words import when

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from screens.known import Bridge

COLUMNS = (
    Column("", 1),
    Column("release", 7),
    Column("candidate", 10, grow=1),
    Column("when", 12),
    Column("verified", 12, 2),
    Column("schema", 6, 3),
    Column("who", 8, 4),
    Column("can be gone back to", 20, grow=2),
)


class ReleasesScreen(ListScreen):
    """Enter shows a release in full; b plans the way back to the chosen one."""

    SCOPES = ("app", "releases")
    TITLE_WORDS = "releases"

    def __init__(self, bridge: Bridge, environment: str) -> None:
        super().__init__(bridge, environment)
        self.releases: tuple[ReleaseShown, ...] = ()

    def do_releases(self) -> None:
        """It is open already: a key that is held down opens no second one on it."""

    def body(self) -> ComposeResult:
        words = f"reading the releases of {self.environment}"
        yield RowTable(COLUMNS, symbols=self.bridge.symbols, empty=words, id="releases")

    def do_refresh(self) -> None:
        question = partial(self.bridge.session.releases, self.environment)
        self.ask("releases", question, self._show, self.unread)

    def _show(self, releases: tuple[ReleaseShown, ...]) -> None:
        self.releases = releases
        self.table.empty = "no release is recorded yet: `baseline` records what is live"
        self.draw()

    def draw(self) -> None:
        self.table.show([self._row(one) for one in self.releases])

    def _row(self, one: ReleaseShown) -> Row:
        symbols, now = self.bridge.symbols, self.bridge.clock()
        if one.live:
            words = f"live now, not on {', '.join(one.without)}" if one.without else "live now"
            back, glyph = Cell(words, "warn" if one.without else "ok"), Cell(symbols.running, "ok")
        elif one.can_go_back:
            back, glyph = Cell(f"no: {one.can_go_back}", "dim"), Cell(symbols.undone if one.undone else "", "warn")
        else:
            back, glyph = Cell(f"yes, {one.doubt}" if one.doubt else "yes", "dim" if one.doubt else "plain"), Cell("")
        return Row(
            one.id,
            (
                glyph,
                Cell(one.id, "strong" if one.live else "plain"),
                Cell(one.candidate, "strong" if one.live else "plain"),
                Cell(when(one.when, now), "dim"),
                Cell(
                    when(one.verified, now) or ("undone" if one.undone else "not verified"),
                    "dim" if one.verified else "warn",
                ),
                Cell(one.schema, "dim"),
                Cell(one.who, "dim"),
                back,
            ),
        )

    @property
    def chosen(self) -> ReleaseShown | None:
        """The release under the cursor."""
        key = self.table.cursor_key
        return next((one for one in self.releases if one.id == key), None)

    def do_open(self) -> None:
        from screens.detail import TextScreen

        if (one := self.chosen) is None:
            return
        missing = f", not on {', '.join(one.without)}" if one.without else ""
        facts = [
            ("made", f"{when(one.when, self.bridge.clock())} by {one.who}, {one.action}, run {one.run}"),
            ("verified", when(one.verified, self.bridge.clock()) or "no"),
            ("schema", one.schema or "none"),
            ("live", f"{'yes' if one.live else 'no'}{', was undone' if one.undone else ''}{missing}"),
            (
                "go back",
                "it is live"
                if one.live
                else one.can_go_back or f"possible{f', {one.doubt}' if one.doubt else ''}: b plans it",
            ),
            ("", ""),
            *one.images,
        ]
        heading = f"{one.id} ({one.candidate})"
        self.app.push_screen(TextScreen(self.bridge, self.environment, f"release {one.id}", heading, facts))

    def do_rollback(self) -> None:
        """Plan the way back to the chosen release."""
        one = self.chosen
        if one is None:
            self.begin("rollback")
        elif one.live or one.can_go_back:
            self.say(f"{one.candidate}: {one.can_go_back or 'it is live already'}", "warn")
        else:
            self.begin("rollback", release=one.id, to=one.id, candidate=one.candidate)
