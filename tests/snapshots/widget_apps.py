"""Small apps around the widgets, with fixed data, for their pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import UTC

from textual.app import App, ComposeResult
from textual.containers import Grid, Horizontal, Vertical
from textual.widget import Widget

from console.feeds.lines import Level, LogLine
from screens.theme import BRAILLE, Symbols, mark, register_themes
from screens.widgets.chart import Chart
from screens.widgets.chart_data import ChartData, Marker, Series, Threshold
from screens.widgets.frame import Frame
from screens.widgets.key_line import KeyHint, KeyLine
from screens.widgets.log_view import LogView
from screens.widgets.steps import StepRow, StepTree
from screens.widgets.table import Cell, Column, Row, RowTable
from screens.widgets.top_line import TopLine, TopState

END = 1_790_000_095.0
Points = tuple[tuple[float, float | None], ...]


class WidgetApp(App[None]):
    """Widgets on an empty screen, in the theme that the environment names."""

    CSS = "Grid { grid-size: 2 4; grid-gutter: 0 2; }"

    def __init__(self, make: Callable[[], list[Widget]], after: Callable[[App[None]], None] | None = None) -> None:
        super().__init__()
        self._make = make
        self._after = after

    def compose(self) -> ComposeResult:
        yield from self._make()

    def on_mount(self) -> None:
        register_themes(self, os.environ)
        if self._after is not None:
            self.call_after_refresh(self._after, self)


def wave(base: float, height: float, phase: float, gap: range = range(0)) -> Points:
    """A quarter of an hour of something that goes up and down, with no answer in `gap`."""
    return tuple(
        (
            END - 897 + 3 * i,
            None if i in gap else base + height * math.sin(i / 17 + phase) + 0.3 * height * math.sin(i / 3 + phase),
        )
        for i in range(300)
    )


def charts(symbols: Symbols = BRAILLE) -> list[Widget]:
    """One chart of each kind: marker, thresholds, gap, stale, no data, two lines, below."""
    every = [
        ChartData("requests", (Series("r", "/s", wave(120, 40, 0)),), END, markers=(Marker(END - 400, "1.4.2"),)),
        ChartData(
            "errors", (Series("e", "%", wave(4, 3, 1), 1),), END, thresholds=(Threshold(5, "warn"), Threshold(7, "bad"))
        ),
        ChartData(
            "latency p95",
            (Series("l", "ms", wave(180, 60, 2, range(100, 160))),),
            END,
            thresholds=(Threshold(300, "bad"),),
        ),
        ChartData(
            "CPU",
            (Series("c", "%", (*wave(55, 30, 3)[:-1], (END, 91.0)), 0),),
            END,
            thresholds=(Threshold(80, "warn"), Threshold(90, "bad")),
            high=100,
        ),
        ChartData("memory", (Series("m", "GB", wave(3.2, 0.2, 4)),), END + 120, state="stale", note="2 min old"),
        ChartData("queue depth", (Series("q", "", ()),), END, state="unknown"),
        ChartData("traffic", (Series("in", "MB/s", wave(30, 9, 0)), Series("out", "MB/s", wave(15, 9, 2))), END),
        ChartData(
            "confidence",
            (Series("k", "", wave(0.8, 0.1, 1), 2),),
            END,
            thresholds=(Threshold(0.7, "warn", "below"),),
            high=1,
        ),
    ]
    return [Grid(*(Chart(data, symbols=symbols, zone=UTC) for data in every))]


def log_lines(count: int = 120) -> list[LogLine]:
    """Lines as services write them, with what must never be taken for markup."""
    kinds: list[tuple[Level | None, str]] = [
        ("info", "INFO  POST /v1/route 200 model=m-{0} in {1} ms"),
        ("info", "INFO  GET /healthz 200 in 1 ms"),
        ("debug", "DEBUG cache miss key={1} [bold]not markup[/bold]"),
        ("warn", "WARN  pool is nearly full: 48 of 50"),
        ("info", "INFO  prompt 日本語 routed to m-{0} in {1} ms"),
        (
            "error",
            'ERROR connection to server at "db-1" failed: timeout expired after 5000 ms on a slot',
        ),
        (None, "  at route (gateway.py:{1})"),
    ]
    lines = []
    for i in range(count):
        level, text = kinds[(i * i + i // 3) % len(kinds)]
        source = ("backend", "frontend", "routing-gateway")[i % 3]
        lines.append(LogLine(END - count + i, source, text.format(i % 9, i * 37 % 900), level))
    return lines


def services(symbols: Symbols = BRAILLE) -> RowTable:
    """Services in four states."""
    table = RowTable(
        [
            Column("service", 9, grow=1),
            Column("state", 12),
            Column("release", 8, 1),
            Column("host", 8, 2),
            Column("restarts", 8, 3, right=True),
            Column("since", 11, 4),
        ],
        symbols=symbols,
    )
    states = [("backend", "healthy", 0), ("frontend", "unhealthy", 4), ("routing-gateway", "unknown", 0)]
    states += [("database", "degraded", 1), ("proxy", "healthy", 0)]
    table.show(
        [
            Row(
                name,
                (
                    Cell(name),
                    Cell.of(mark(state, symbols)),
                    Cell("1.4.2"),
                    Cell("app-1", "dim"),
                    Cell(str(restarts), "warn" if restarts else "dim"),
                    Cell("14:12:03", "dim"),
                ),
            )
            for name, state, restarts in states
        ]
    )
    return table


def steps(symbols: Symbols = BRAILLE) -> StepTree:
    """A run half-way."""
    tree = StepTree(symbols=symbols)
    tree.show(
        [
            StepRow("gates", "Check the gates", "done", "", 0.4),
            StepRow("pull", "Pull images", "done", "app-1", 12.3),
            StepRow("pull2", "Pull images", "done", "app-2", 13.1),
            StepRow("start", "Start green", "running", "app-1", 4.0, note="attempt 2"),
            StepRow("healthy", "Wait until healthy", "waiting", "app-1", depth=1),
            StepRow("switch", "Switch the proxy", "waiting", "edge-1"),
            StepRow("reload", "Reload the proxy", "failed", "edge-1", 1.2, 1, "rc 1: configuration test failed"),
            StepRow("stop", "Stop blue", "unknown", "app-2", 75.0),
            StepRow("undo", "Give traffic back", "undoing", "edge-1", 2.0),
            StepRow("old", "Remove old images", "skipped", "app-1"),
        ]
    )
    return tree


def whole(production: bool, symbols: Symbols = BRAILLE) -> list[Widget]:
    """A frame with a table, charts and a log in it."""
    state = TopState(
        "Routing ML",
        "production" if production else "staging",
        production,
        "armed until 14:31" if production else "read-only",
        production,
        "keyring locked",
        True,
        "locked by anna: deploy 1.4.2" if production else "",
        False,
        "deploy 1.4.2: step 3 of 9" if production else "",
    )
    hints = [
        KeyHint("?", "Help", 0),
        KeyHint("d", "Deploy", 1, production),
        KeyHint("b", "Roll back", 1, production),
        KeyHint("tab", "Next pane", 2),
        KeyHint("z", "Zoom", 3),
        KeyHint("/", "Filter", 3),
        KeyHint("w", "Runs", 4),
        KeyHint("f", "Follow", 5),
    ]
    log = LogView(zone=UTC, symbols=symbols)
    keys = KeyLine(symbols=symbols)
    keys.show(hints, production=production)
    frame = Frame(
        TopLine(state, symbols=symbols),
        Horizontal(services(symbols), *charts(symbols)),
        Vertical(log),
        keys,
    )
    frame.show_production(production)
    return [frame]


def fill_logs(app: App[None]) -> None:
    """Give every log its lines, and the first table the focus."""
    for log in app.query(LogView):
        log.append_lines(log_lines())
    for table in app.query(RowTable):
        table.focus()
