"""The environment that is shown: its services, and below them whatever else a person must know about it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from textual.strip import Strip

from console.feeds.line import readable
from console.watch.views import EnvironmentView, ServiceView
from screens.panes.pane import Pane
from screens.theme import BRAILLE, Symbols, mark
from screens.widgets.lines import strip_of
from screens.widgets.table import Cell, Column, Row, RowTable
from screens.widgets.words import fit
from screens.words import lasting, moment, state_words

if TYPE_CHECKING:
    from textual.app import ComposeResult

LAST_LINES = 8
"""Of a service's log below what explains its state."""
COLUMNS = (
    Column("", 1),
    Column("service", 11, grow=4),
    Column("state", 9),
    Column("release", 10, 2),
    Column("since", 6, 3),
    Column("host", 6, 4, grow=1),
)


class ServiceTable(RowTable):
    """Rows of two cells are sentences: their second cell takes the whole line."""

    def row_strip(self, row: Row, width: int, on_cursor: bool) -> Strip:
        """A service in its columns, a sentence across them."""
        if len(row.cells) != 2:
            return super().row_strip(row, width, on_cursor)
        glyph, words = row.cells
        return strip_of(
            [
                (self.symbols.cursor if on_cursor else " ", self.tone("accent", on_cursor)),
                (f"{glyph.text}  ", self.tone(glyph.tone, on_cursor)),
                (fit(words.text, width - 4, self.symbols.ellipsis), self.tone(words.tone, on_cursor)),
            ],
            width,
            self.tone("plain", on_cursor),
        )


class ServicesPane(Pane):
    """What runs, and sentences: changed outside, locked, a run, a host that does not answer."""

    TITLE = "Services"
    SCOPES = ("app", "environments")

    def __init__(self, id: str, symbols: Symbols = BRAILLE) -> None:  # noqa: A002 - Textual's word
        super().__init__(id, symbols)
        self.table = ServiceTable(COLUMNS, header=False, symbols=symbols, empty="no service seen yet")
        self.about: dict[str, tuple[str, str, str]] = {}
        """Key of a row: what explains it (kind, name), and what is said meanwhile."""
        self.live_of = ""
        """The environment of which live rows were drawn last: the cursor begins at the top, where what is wrong is."""

    def body(self) -> ComposeResult:
        yield self.table

    def draw(self) -> None:
        view = self.known.environment(self.environment)
        state = mark("stale" if view.stale else view.state, self.symbols)
        said: list[tuple[str, Any]] = [(f"{state.glyph} {view.word}", state.tone)]
        note = self.seen(view.at, view.stale)
        # Only what is old says from when it is: a look every few seconds that finds the same sends nothing.
        self.head.show(said, note if note[1] == "unknown" else ("", "dim"))
        self.about.clear()
        wrong = [one for one in view.services if one.state == "bad" and not view.stale]
        rest = [one for one in view.services if one not in wrong]
        rows = [self._service(one, view.stale) for one in wrong]
        rows += self._sentences(view)
        rows += [self._service(one, view.stale) for one in rest]
        self.table.show(rows)
        live = "" if view.stale else view.name
        if rows and live and live != self.live_of:
            self.table.select(rows[0].key)
        self.live_of = live

    def _service(self, one: ServiceView, stale: bool) -> Row:
        shown = mark("stale" if stale else one.state, self.symbols)
        wrong = one.state in ("bad", "warn") and not stale
        key = f"service:{one.host}:{one.name}"
        again = f", restarted {one.restarts} times" if one.restarts else ""
        self.about[key] = ("service", one.name, f"{one.word}{again}. {one.said}".strip() if wrong else "")
        tone: Any = "unknown" if stale else "plain"
        return Row(
            key,
            (
                Cell(shown.glyph, shown.tone),
                Cell(one.name, tone),
                Cell(one.word, shown.tone if wrong or stale else "dim"),
                Cell(one.release, tone),
                Cell(lasting(one.since, self.deck.bridge.clock()), "dim"),
                Cell(one.host, "dim"),
            ),
        )

    def _sentences(self, view: EnvironmentView) -> list[Row]:
        rows = []
        if view.problem:
            rows.append(self._sentence("problem", "unknown", view.problem, "environment", view.name))
        for host in view.hosts:
            if host.state not in ("ok", "warn") and not view.stale and host.problem not in view.problem:
                words = f"{host.name}: {host.problem or 'not reached'}"
                rows.append(self._sentence(f"host:{host.name}", host.state, words, "host", host.name))
        for host in view.hosts if not view.stale else ():
            if host.behind:
                rows.append(self._sentence(f"behind:{host.name}", "warn", host.behind, "host", host.name))
        for number, words in enumerate(view.differs if not view.stale else ()):
            rows.append(self._sentence(f"differs:{number}", "warn", words, "environment", view.name))
        for number, words in enumerate(view.due if not view.stale else ()):
            tone = "bad" if "OVERDUE" in words else "warn"
            rows.append(self._sentence(f"due:{number}", tone, words, "environment", view.name))
        if view.lock is not None and not view.stale:
            since = moment(view.lock.since, self.deck.bridge.clock())
            words = f"locked by {view.lock.who} since {since}: {view.lock.reason}"
            rows.append(self._sentence("lock", "warn", words, "lock", view.name))
        for run in self.known.runs:
            if run.environment == view.name and run is self.known.running(view.name):
                words = f"{run.title} {run.state}" + (f": {run.step}" if run.step else "")
                rows.append(self._sentence(f"run:{run.id}", run.state, words, "run", run.id))
        if (left := self.known.left_to_a_person(view.name)) is not None:
            words = f"{left.state}: {left.title}"
            rows.append(self._sentence(f"run:{left.id}", left.state.lower(), words, "run", left.id))
        for run in self.known.parked(view.name):
            words = f"{state_words(run, self.deck.bridge.clock())}: {run.title}"
            rows.append(self._sentence(f"run:{run.id}", run.state, words, "run", run.id))
        return rows

    def _sentence(self, key: str, state: str, words: str, kind: str, name: str) -> Row:
        shown = mark(state, self.symbols)
        self.about[key] = (kind, name, words)
        return Row(key, (Cell(shown.glyph, shown.tone), Cell(words, shown.tone)))

    def on_row_list_opened(self) -> None:
        self.do_open()

    def do_open(self) -> None:
        """What explains the chosen line; a run opens its own screen."""
        if (key := self.table.cursor_key) is None:
            return
        kind, name, meanwhile = self.about[key]
        if kind == "run":
            from screens.run import RunScreen

            self.app.push_screen(RunScreen(self.deck.bridge, self.environment, name))
        else:
            below = ("Its last lines", self._last_lines(name)) if kind == "service" else ("", ())
            self.deck.explain(kind, name, meanwhile, below)

    def _last_lines(self, service: str) -> list[str]:
        """What the service has written last, as far as it was followed: why it is down is often there."""
        known, now = self.known.logs.get(self.environment, ()), self.deck.bridge.clock()
        own = list(islice((one for one in reversed(known) if one.source.partition("@")[0] == service), LAST_LINES))
        return [f"{moment(one.at, now) if one.at else '':<8}  {readable(one.text)}" for one in reversed(own)]

    def do_filter(self) -> None:
        self.filter_rows(self.table)

    def chosen_place(self) -> tuple[str | None, str | None]:
        """Service and host of the chosen line."""
        key = self.table.cursor_key or ""
        kind, _, rest = key.partition(":")
        if kind == "service":
            host, _, name = rest.partition(":")
            return name, host
        return None, rest if kind in ("host", "behind") else None
