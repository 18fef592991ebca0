"""What a chart shows, and where each value falls: times into columns, values onto a scale. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeGuard

from screens.theme import Tone

GAP = 2.5
"""Samples further apart than so many of their usual distances have a gap between them, and no line."""


def usable(value: float | None) -> TypeGuard[float]:
    """Whether a value can be drawn: there, finite, and not so large that arithmetic with it is not."""
    return value is not None and abs(value) < 1e300


class Series(NamedTuple):
    """One line of a chart."""

    label: str
    unit: str
    points: Sequence[tuple[float, float | None]]
    """(unix seconds, value), oldest first. None is a gap: asked, and no answer."""
    decimals: int | None = None
    step_s: float | None = None
    """The usual distance of samples; None: the median of those given."""

    @property
    def last(self) -> tuple[float, float] | None:
        """The newest sample that has a value."""
        for at, value in reversed(self.points):
            if usable(value):
                return at, value
        return None

    def gap_s(self) -> float:
        """The longest distance of two samples that are still joined by a line."""
        step = self.step_s
        if step is None:
            steps = sorted(b[0] - a[0] for a, b in zip(self.points, self.points[1:], strict=False))
            step = steps[len(steps) // 2] if steps else 1.0
        return max(step, 1e-6) * GAP


class Threshold(NamedTuple):
    """From this value on (`above`), or up to it (`below`), a value is `warn` or `bad`."""

    value: float
    tone: Literal["warn", "bad"]
    direction: Literal["above", "below"] = "above"

    def broken_by(self, value: float) -> bool:
        """Whether a value is on the wrong side."""
        return value >= self.value if self.direction == "above" else value <= self.value


class Marker(NamedTuple):
    """An upright line at a moment: a deploy, a restart."""

    at: float
    label: str = ""


class ChartData(NamedTuple):
    """Everything that a chart draws."""

    title: str
    series: tuple[Series, ...]
    end: float
    """Unix seconds of the right edge: the moment of the last look, not of the last sample."""
    span_s: float = 900.0
    thresholds: tuple[Threshold, ...] = ()
    markers: tuple[Marker, ...] = ()
    state: Literal["live", "stale", "unknown"] = "live"
    note: str = ""
    """Why it is stale or unknown, or how old ("2 min old"); shown after the value."""
    low: float | None = 0.0
    """The lower end of the scale; None: from the data."""
    high: float | None = None
    """The upper end of the scale; None: from the data and the thresholds near it."""


def tone_of(value: float | None, thresholds: Sequence[Threshold]) -> Tone:
    """What a value means: `bad` before `warn` before `plain`; `unknown` if there is none."""
    if value is None or not math.isfinite(value):
        return "unknown"
    broken = {threshold.tone for threshold in thresholds if threshold.broken_by(value)}
    return "bad" if "bad" in broken else "warn" if "warn" in broken else "plain"


def nice(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is not below a positive value."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    for step in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0):
        if step * power >= value * (1 - 1e-9):
            return step * power
    return 10.0 * power


def scale_of(data: ChartData, before: tuple[float, float] | None = None) -> tuple[float, float]:
    """(low, high) of the scale. It grows at once and shrinks only when the data need less than half of it.

    A scale that follows every sample would move the whole picture each time, which is hard to read and costs bytes.
    A threshold is within the scale when the data come up to half of it.
    """
    values = [v for s in data.series for t, v in s.points if usable(v) and t <= data.end]
    top = max(values, default=0.0)
    bottom = min(values, default=0.0)
    for threshold in data.thresholds:
        if values and threshold.value > top and top >= threshold.value / 2:
            top = threshold.value * 1.05
    low = data.low if data.low is not None else (-nice(-bottom) if bottom < 0 else 0.0)
    if low > bottom:
        low = -nice(-bottom) if bottom < 0 else 0.0
    if data.high is not None and top <= data.high:
        return low, max(data.high, low + 1e-9)
    high = nice(top) if top > 0 else max(low + 1.0, 1.0)
    if before is not None and before[0] == low and top <= before[1] and top - low > 0.4 * (before[1] - low):
        high = before[1]
    return low, max(high, low + 1e-9)


class Track(NamedTuple):
    """One series as dots: for each dot column, the lowest and highest dot row that is set (0: bottom), or None."""

    spans: list[tuple[int, int] | None]


class TimeGrid(NamedTuple):
    """Dot columns of equal time. The edge is aligned to whole cells of the clock, so that a picture stands still
    until a cell is full, then moves by one cell; between the two only its last cell changes."""

    start: float
    step_s: float
    columns: int

    def column(self, at: float) -> int:
        """The dot column of a moment; below 0 or beyond `columns` if outside."""
        return math.floor((at - self.start) / self.step_s + 1e-9)


def time_grid(end: float, span_s: float, cells: int, dots: int) -> TimeGrid:
    """The grid of `cells` character cells of `dots` columns each that ends with the cell in which `end` lies."""
    cell_s = span_s / max(cells, 1)
    edge = (math.floor(end / cell_s) + 1) * cell_s
    return TimeGrid(edge - cells * cell_s, cell_s / dots, cells * dots)


def track(series: Series, grid: TimeGrid, low: float, high: float, rows: int) -> Track:
    """Where a series' line runs: each column from its lowest to its highest value, so that no spike is lost.

    Neighbouring samples are joined; a None, or more than `gap_s` without a sample, is a gap.
    """
    spans: list[tuple[int, int] | None] = [None] * grid.columns
    gap = series.gap_s()
    per_value = (rows - 1) / (high - low)

    def put(column: int, a: int, b: int) -> None:
        if 0 <= column < grid.columns:
            lo, hi = (a, b) if a <= b else (b, a)
            old = spans[column]
            spans[column] = (lo, hi) if old is None else (min(lo, old[0]), max(hi, old[1]))

    before: tuple[float, int, int] | None = None
    for at, value in series.points:
        if not usable(value):
            before = None
            continue
        column = grid.column(at)
        row = round((min(max(value, low), high) - low) * per_value)
        if before is not None and at - before[0] <= gap and column > before[1]:
            _join(put, before[1], before[2], column, row)
        elif before is not None and at - before[0] <= gap and column == before[1]:
            put(column, before[2], row)
        else:
            put(column, row, row)
        before = (at, column, row)
    return Track(spans)


def _join(put: Callable[[int, int, int], None], column: int, row: int, to_column: int, to_row: int) -> None:
    """Put the columns after `column` up to `to_column`, each reaching back to the row of the one before."""
    width = to_column - column
    last = row
    for i in range(1, width + 1):
        here = row + round((to_row - row) * i / width)
        step = 0 if here == last else (1 if here > last else -1)
        put(column + i, last + step, here)
        last = here
