"""A chart drawn in characters: braille dots, blocks or plain ASCII.

It stands still while a cell of time fills, so that a refresh sends the title and the last cell and not the picture.
"""

from __future__ import annotations

from datetime import tzinfo

from rich.style import Style
from textual.strip import Strip

from screens.theme import BRAILLE, Symbols, Tone
from screens.widgets.bars import Piece, fitting
from screens.widgets.chart_data import ChartData, Series, Track, scale_of, time_grid, tone_of, track
from screens.widgets.lines import LinesWidget, Part, strip_of
from screens.widgets.words import cell, clock, fit, number, quantity, width_of

_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Braille bits by dot column and dot row from the bottom (Unicode, block Braille Patterns)."""
_SERIES_TONES: tuple[Tone, ...] = ("accent", "plain", "dim", "strong")
_LABELLED = 3
"""Rows from which a chart has y labels."""
_NOTE = 8
"""Cells that a note gets at least, or it is left out."""
_WITH_AXIS = 6
"""Rows from which a chart has a row of times."""


class Chart(LinesWidget):
    """One chart: title with the last value and the clock time of its sample, y labels, line, thresholds, markers.

    A line of height 1 is a sparkline with the value. What is not live is drawn in the style of the unknown, with a
    question mark. A broken threshold shows its glyph beside the value, in the title and on the scale.
    """

    def __init__(
        self,
        data: ChartData | None = None,
        *,
        symbols: Symbols = BRAILLE,
        zone: tzinfo | None = None,
        id: str | None = None,  # noqa: A002 - Textual's name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(symbols=symbols, id=id, classes=classes)
        self.zone = zone
        self._data = data
        self._beside = (0, 0)
        self._scale: tuple[float, float] | None = None

    @property
    def data(self) -> ChartData | None:
        """What is shown."""
        return self._data

    def show(self, data: ChartData, beside: tuple[int, int] = (0, 0)) -> int:
        """Show this from now on; the number of lines that changed.

        `beside`: cells that title and values of a sparkline take at least, so that those below one another begin and
        end together.
        """
        if self._data is not None and self._data.title != data.title:
            self._scale = None
        self._data, self._beside = data, beside
        return self.redraw()

    def needs(self, data: ChartData, width: int) -> tuple[int, int]:
        """Cells that title and values of a sparkline need on a line of `width`; none for values with a note."""
        name = width_of(self._named(data, width))
        if data.note or not data.series:
            return name, 0
        return name, sum(width_of(text) for text, _ in self._heading(data, max(width - name - 1, 1)))

    def lines(self, width: int, height: int) -> list[Strip]:
        """The title, then the picture; one line if there is only room for one."""
        if width <= 0 or height <= 0:
            return []
        if self._data is None:
            return [strip_of([("? nothing yet", self.tone("unknown"))], width, self.tone("plain"))]
        data = self._data
        self._scale = scale_of(data, self._scale)
        if height == 1:
            return [self._spark(data, width)]
        rows = [self._title(data, width)]
        axis = height >= _WITH_AXIS
        rows += self._picture(data, width, height - 1 - axis)
        if axis:
            rows.append(self._axis(data, width))
        return rows

    # title

    def _value(self, data: ChartData, series: Series) -> tuple[str, Tone]:
        """The last value with its glyph, and its tone."""
        last = series.last
        if last is None:
            return "? no data", "unknown"
        words = quantity(last[1], series.unit, series.decimals)
        if data.state != "live":
            return f"{self.symbols.unknown} {words}", "unknown"
        tone = tone_of(last[1], data.thresholds)
        if tone == "bad":
            return f"{self.symbols.bad} {words}", tone
        if tone == "warn":
            return f"{self.symbols.warn} {words}", tone
        return words, "strong"

    def _heading(self, data: ChartData, width: int, title: int = 0) -> list[tuple[str, Tone]]:
        """The right side of the title in at most `width` cells: values, and the clock time of the newest sample.

        What gives way: the note is cut, then the seconds, the names of several lines and the clock time go. A value is
        never cut: one for which there is no room is an ellipsis. `title`: cells of these that the title would like to
        have, and has before the note.
        """
        pieces: list[Piece] = []
        for series in data.series:
            value, tone = self._value(data, series)
            if len(data.series) > 1:
                pieces.append(Piece(series.label, "dim", 3))
            pieces.append(Piece(value, tone))
        if not data.series:
            pieces.append(Piece("? no data", "unknown"))
        newest = max((s.last[0] for s in data.series if s.last is not None), default=None)
        tone = "dim" if data.state == "live" else "unknown"
        if newest is not None:
            when = clock(newest, self.zone, data.end)
            pieces.append(Piece(when, tone, 2, clock(newest, self.zone, data.end, seconds=False)))
        parts: list[tuple[str, Tone]] = []
        room = width
        for piece in fitting(pieces, width):
            gap = ("", "  ")[bool(parts)]
            if len(gap) + width_of(piece.text) > room:
                if room > len(gap):
                    parts.append((gap + self.symbols.ellipsis, piece.tone))
                break
            parts.append((gap + piece.text, piece.tone))
            room -= len(gap) + width_of(piece.text)
        room -= title
        if data.note and room >= _NOTE + 2 and not any(data.note in text for text, _ in parts):
            parts.append((f"  {fit(data.note, room - 2, self.symbols.ellipsis)}", "unknown"))
        return parts

    def _title(self, data: ChartData, width: int) -> Strip:
        least = min(width_of(data.title), 5)
        right = self._heading(data, max(width - least - 1, 1), width_of(data.title) - least)
        taken = sum(width_of(text) for text, _ in right)
        name = cell(data.title, max(width - taken - 1, 0), ellipsis=self.symbols.ellipsis)
        parts: list[Part] = [(name, self.tone("head")), (" " if name else "", self.tone("head"))]
        parts += [(text, self.tone(tone)) for text, tone in right]
        return strip_of(parts, width, self.tone("plain"))

    # picture

    def _label_width(self, data: ChartData) -> int:
        assert self._scale is not None
        labels = [number(self._scale[0]), number(self._scale[1]), *(number(t.value) for t in data.thresholds)]
        return max(4, min(7, max(len(label) for label in labels) + 1))

    def _picture(self, data: ChartData, width: int, height: int) -> list[Strip]:
        assert self._scale is not None
        low, high = self._scale
        labels = self._label_width(data) + 1 if height >= _LABELLED and width >= 20 else 0
        cells = max(width - labels, 1)
        dots, levels = {"braille": (2, 4), "block": (1, 2), "ascii": (1, 2)}[self.symbols.name]
        grid = time_grid(data.end, data.span_s, cells, dots)
        tracks = [track(series, grid, low, high, height * levels) for series in data.series]
        shown = sorted((t for t in data.thresholds if low <= t.value <= high), key=lambda t: t.tone == "bad")
        threshold_rows = {self._row_of(t.value, low, high, height): t for t in shown}
        uprights = {grid.column(m.at) // dots for m in data.markers if 0 <= grid.column(m.at) < grid.columns}
        rows = []
        for row in range(height - 1, -1, -1):
            parts: list[Part] = []
            threshold = threshold_rows.get(row)
            if labels:
                parts.append(self._label(row, height, labels, threshold.value if threshold else None, data))
            parts += self._row(data, row, height, cells, tracks, levels, threshold is not None, uprights)
            rows.append(strip_of(parts, width, self.tone("plain")))
        return rows

    @staticmethod
    def _row_of(value: float, low: float, high: float, height: int) -> int:
        """The text row, from the bottom, in which a value lies."""
        return min(height - 1, max(0, int((value - low) / (high - low) * height)))

    def _label(self, row: int, height: int, width: int, threshold: float | None, data: ChartData) -> Part:
        assert self._scale is not None
        low, high = self._scale
        if threshold is not None:
            found = next(t for t in data.thresholds if t.value == threshold)
            glyph = self.symbols.bad if found.tone == "bad" else self.symbols.warn
            return f"{cell(number(threshold), width - 1, right=True)}{glyph}", self.tone("dim")
        text = ""
        if row == height - 1:
            text = number(high)
        elif row == 0:
            text = number(low)
        return f"{cell(text, width - 1, right=True)}{self.symbols.bar}", self.tone("dim")

    def _dot_tone(self, data: ChartData, lowest: int, highest: int, dots: int, series: int) -> Tone:
        """The tone of a cell of the line: that of the values that its dots stand for."""
        if data.state != "live":
            return "unknown"
        if data.thresholds:
            assert self._scale is not None
            low, high = self._scale
            per_dot = (high - low) / max(dots - 1, 1)
            tones = {tone_of(low + dot * per_dot, data.thresholds) for dot in (lowest, highest)}
            for tone in ("bad", "warn"):
                if tone in tones:
                    return "bad" if tone == "bad" else "warn"
        return _SERIES_TONES[series % len(_SERIES_TONES)]

    def _row(
        self,
        data: ChartData,
        row: int,
        height: int,
        cells: int,
        tracks: list[Track],
        levels: int,
        threshold: bool,
        uprights: set[int],
    ) -> list[Part]:
        parts: list[Part] = []
        dots = height * levels
        empty: Style = self.tone("dim")
        for x in range(cells):
            text, style = "", empty
            for number_, spans in enumerate(tracks):
                glyph, lowest, highest = self._glyph(spans.spans, x, row, levels)
                if glyph and text:
                    text = self._both(text, glyph)
                elif glyph:
                    text, style = glyph, self.tone(self._dot_tone(data, lowest, highest, dots, number_))
            if not text:
                text = self.symbols.upright if x in uprights else self.symbols.dots if threshold else " "
            if parts and parts[-1][1] is style:
                parts[-1] = (parts[-1][0] + text, style)
            else:
                parts.append((text, style))
        return parts

    def _both(self, one: str, other: str) -> str:
        """Two lines in one cell: their dots are joined."""
        if ord(one) >= 0x2800 and ord(other) >= 0x2800:
            return chr(ord(one) | ord(other))
        halves = self.symbols.halves
        return halves[((halves.index(one) + 1) | (halves.index(other) + 1)) - 1]

    def _glyph(self, spans: list[tuple[int, int] | None], x: int, row: int, levels: int) -> tuple[str, int, int]:
        """The character of one cell (empty if nothing of the line is in it), its lowest and its highest dot row."""
        base = row * levels
        bits = 0
        lowest, highest = base + levels, base - 1
        sides = (2 * x, 2 * x + 1) if levels == 4 else (x,)
        for side, column in enumerate(sides):
            span = spans[column]
            if span is None or span[0] >= base + levels or span[1] < base:
                continue
            bottom, top = max(span[0], base), min(span[1], base + levels - 1)
            lowest, highest = min(lowest, bottom), max(highest, top)
            for dot in range(bottom - base, top - base + 1):
                bits |= _DOTS[side][dot] if levels == 4 else 1 << dot
        if not bits:
            return "", 0, 0
        return (chr(0x2800 + bits) if levels == 4 else self.symbols.halves[bits - 1]), lowest, highest

    def _axis(self, data: ChartData, width: int) -> Strip:
        labels = self._label_width(data) + 1 if width >= 20 else 0
        left = f"{_span(data.span_s)} ago"
        row = [" "] * max(width - labels, 1)
        row[: len(left)] = left[: len(row)]
        if len(row) > len(left) + 4:
            row[-3:] = "now"
        grid = time_grid(data.end, data.span_s, len(row), 1)
        for marker in data.markers:
            at = grid.column(marker.at)
            text = fit(f"{self.symbols.flag}{marker.label}", len(row) - at, self.symbols.ellipsis)
            if 0 <= at < len(row) and width_of(text) == len(text):
                row[at : at + len(text)] = text
        return strip_of([(" " * labels + "".join(row), self.tone("dim"))], width, self.tone("plain"))

    # one line

    def _named(self, data: ChartData, width: int) -> str:
        return fit(data.title, min(max(6, width // 3), width // 2), self.symbols.ellipsis)

    def _spark(self, data: ChartData, width: int) -> Strip:
        name = self._named(data, width)
        right = self._heading(data, max(width - width_of(name) - 1, 1))
        values = sum(width_of(text) for text, _ in right)
        taken = width_of(name) + values + 2
        wide = max(width_of(name), self._beside[0]) + max(values, self._beside[1]) + 2
        parts: list[Part] = [(name, self.tone("head")), (" ", self.tone("head"))]
        if width - wide >= 4:
            before, behind = max(self._beside[0] - width_of(name), 0), max(self._beside[1] - values, 0)
            parts.append((" " * before, self.tone("head")))
            parts += [*self._ramp(data, width - wide), (" " * (behind + 1), self.tone("head"))]
        elif width - taken >= 4:
            parts += [*self._ramp(data, width - taken), (" ", self.tone("head"))]
        elif width >= taken:
            parts.append((" " * (width - taken + 1), self.tone("head")))
        parts += [(text, self.tone(tone)) for text, tone in right]
        return strip_of(parts, width, self.tone("plain"))

    def _ramp(self, data: ChartData, cells: int) -> list[Part]:
        assert self._scale is not None
        low, high = self._scale
        grid = time_grid(data.end, data.span_s, cells, 1)
        levels = len(self.symbols.ramp) - 1
        text = " " * cells
        for series in data.series[:1]:
            spans = track(series, grid, low, high, levels).spans
            text = "".join(" " if span is None else self.symbols.ramp[span[1] + 1] for span in spans)
        return [(text, self.tone("accent" if data.state == "live" else "unknown"))]


def _span(seconds: float) -> str:
    """15 min, 6 h, 30 s."""
    if seconds >= 7200 and seconds % 3600 == 0:
        return f"{int(seconds // 3600)} h"
    if seconds >= 60:
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"
