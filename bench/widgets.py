"""What the widgets send and compute while data arrive, beside Textual's own, at 100x30 on a terminal that is mute.

Budget: a dashboard of 8 charts every 5 s and a log at 10 lines/s, under 10 KB/s. Charts are refreshed every half second
here with data five seconds further on, so that a short run holds many refreshes; their figures are for one refresh.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from textual.app import App, ComposeResult
from textual.containers import Grid, Vertical
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Log, RichLog, Sparkline

from bench.pty import Terminal
from bench.tables import kept, show
from console.feeds.lines import LogLine, level_of
from screens.theme import register_themes
from screens.widgets.chart import Chart
from screens.widgets.chart_data import ChartData, Series, Threshold
from screens.widgets.log_view import LogView
from screens.widgets.table import Cell, Column, Row, RowTable

START = 1_790_000_000.0
SAMPLES = 300
BUDGET = 10_000.0
SETTLE_S = 2.0
WINDOW_S = 12.0


def samples(which: int, end: float) -> tuple[tuple[float, float], ...]:
    """Five minutes to a quarter of an hour of something that goes up and down, at whole steps of 3 s."""
    last = end - end % 3
    times = [last - 3 * (SAMPLES - 1 - i) for i in range(SAMPLES)]
    return tuple((t, 50 + 30 * math.sin(t / (40 + 9 * which)) + 10 * math.sin(t / (7 + which))) for t in times)


def line(number: int) -> LogLine:
    """A line as services write them."""
    level = "ERROR" if number % 40 == 0 else "WARN" if number % 17 == 0 else "INFO"
    text = f"{level} request {number} POST /v1/route 200 model=m-{number % 7} in {number * 37 % 900} ms"
    return LogLine(START + number / 10, ("backend", "frontend")[number % 2], text, level_of(text))


class Bench(App[None]):
    """One scene, which feeds itself."""

    CSS = """
    Grid { grid-size: 2 4; grid-gutter: 0 1; }
    .lower { height: 9; }
    .upper { height: 1fr; }
    Sparkline { height: 1fr; }
    """

    def __init__(self, scene: str) -> None:
        super().__init__()
        self.scene = scene
        self.number = 0
        self.end = START

    def compose(self) -> ComposeResult:
        match self.scene:
            case "charts":
                yield Grid(*(Chart() for _ in range(8)))
            case "sparklines":
                yield Grid(*(Sparkline() for _ in range(8)))
            case "log" | "log page" | "log budget":
                yield LogView(
                    fill="page" if self.scene == "log page" else "scroll",
                    bytes_per_second=4000 if self.scene == "log budget" else None,
                )
            case "stock log":
                yield Log()
            case "stock rich log":
                yield RichLog()
            case "table":
                yield RowTable([Column(f"column {i}", 10) for i in range(7)])
            case "stock table":
                yield DataTable()
            case "dashboard" | "dashboard budget":
                with Vertical(classes="upper"):
                    yield Grid(*(Chart() for _ in range(8)))
                yield LogView(bytes_per_second=4000 if "budget" in self.scene else None, classes="lower")

    def on_mount(self) -> None:
        register_themes(self, os.environ)
        match self.scene:
            case "charts" | "sparklines":
                self.set_interval(0.5, self.five_seconds)
            case "log" | "log page" | "log budget" | "stock log" | "stock rich log":
                self.lines(200)
                self.set_interval(0.1, self.lines)
            case "table" | "stock table":
                if self.scene == "stock table":
                    stock: DataTable[str] = self.query_one(DataTable)
                    stock.add_columns(*(f"column {i}" for i in range(7)))
                    for i in range(20):
                        stock.add_row(*(str(i + j) for j in range(7)), key=str(i))
                self.set_interval(1.0, self.cells)
            case _:
                self.lines(200)
                self.five_seconds()
                self.set_interval(5.0, self.five_seconds)
                self.set_interval(0.1, self.lines)

    def five_seconds(self) -> None:
        """New samples for every chart."""
        self.end += 5
        for i, chart in enumerate(self.query(Chart)):
            series = Series("value", "%", samples(i, self.end), 1)
            limits = (Threshold(80, "warn"), Threshold(90, "bad"))
            chart.show(ChartData(f"panel {i}", (series,), self.end, thresholds=limits, high=100))
        for i, spark in enumerate(self.query(Sparkline)):
            spark.data = [value for _, value in samples(i, self.end)]

    def lines(self, count: int = 1) -> None:
        """Lines as they arrive."""
        new = [line(self.number + i) for i in range(count)]
        self.number += count
        for log in self.query(LogView):
            log.append_lines(new)
        for stock in self.query(Log):
            stock.write_lines([one.text for one in new])
        for rich in self.query(RichLog):
            for one in new:
                rich.write(one.text)

    def cells(self) -> None:
        """Five cells in three rows change."""
        self.number += 1
        changed = {(3, 1), (3, 2), (7, 4), (12, 5), (12, 6)}
        for table in self.query(RowTable):
            table.show(
                [
                    Row(str(i), tuple(Cell(str(i + j + self.number * ((i, j) in changed))) for j in range(7)))
                    for i in range(20)
                ]
            )
        for stock in self.query(DataTable):
            for i, j in changed:
                stock.update_cell_at(Coordinate(i, j), str(i + j + self.number))


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used. Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(scene: str, settle_s: float = SETTLE_S, window_s: float = WINDOW_S) -> tuple[float, float]:
    """Bytes a second to the terminal, and per cent of one core, while a scene runs."""
    env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    env.pop("NO_COLOR", None)
    with Terminal([sys.executable, "-m", "bench.widgets", scene], env) as terminal:
        ends = time.monotonic() + 20.0
        while len(terminal.seen) < 3000 and time.monotonic() < ends:
            terminal.read(0.2)
        if len(terminal.seen) < 3000:
            raise RuntimeError(f"the scene {scene} did not paint: {bytes(terminal.seen[-300:])!r}")
        terminal.drain(settle_s)
        began, used = time.monotonic(), cpu_s(terminal.pid)
        count = terminal.drain(window_s)
        took = time.monotonic() - began
        return count / took, 100 * (cpu_s(terminal.pid) - used) / took


SCENES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("charts", "8 charts, one refresh", lambda rate: f"{rate / 2:,.0f} bytes"),
    ("sparklines", "  8 Sparklines of Textual", lambda rate: f"{rate / 2:,.0f} bytes"),
    ("log", "log, 10 lines/s, scrolled", lambda rate: f"{rate:,.0f} B/s"),
    ("log page", "log, 10 lines/s, page by page", lambda rate: f"{rate:,.0f} B/s"),
    ("log budget", "log, 10 lines/s, budget of 4,000 B/s", lambda rate: f"{rate:,.0f} B/s"),
    ("stock log", "  Log of Textual", lambda rate: f"{rate:,.0f} B/s"),
    ("stock rich log", "  RichLog of Textual", lambda rate: f"{rate:,.0f} B/s"),
    ("table", "table 7x20, 5 cells a second", lambda rate: f"{rate:,.0f} B/s"),
    ("stock table", "  DataTable of Textual", lambda rate: f"{rate:,.0f} B/s"),
    ("dashboard", "8 charts every 5 s + log of 9 lines", lambda rate: f"{rate:,.0f} B/s {kept(rate, BUDGET)}"),
    ("dashboard budget", "  the same, log budget of 4,000 B/s", lambda rate: f"{rate:,.0f} B/s {kept(rate, BUDGET)}"),
)


def main() -> None:
    """Print the table."""
    rows = []
    for scene, title, said in SCENES:
        rate, cpu = measure(scene)
        rows.append((title, said(rate), f"{cpu:.1f} %"))
    show(("what", "to the terminal", "of one core"), rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Bench(" ".join(sys.argv[1:])).run()
    else:
        main()
