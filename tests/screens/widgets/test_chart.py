"""Charts: scale, gaps, thresholds, and that they stand still."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screens.theme import ASCII, BLOCK, BRAILLE, Symbols
from screens.widgets.chart import Chart
from screens.widgets.chart_data import ChartData, Marker, Series, Threshold, nice, scale_of, time_grid, tone_of, track
from tests.screens.widgets.hosting import Host, shown

END = 1_790_000_095.0
STEP = 3.0


def wave(end: float = END, count: int = 300, base: float = 50.0) -> tuple[tuple[float, float], ...]:
    """Samples at whole steps up to `end`."""
    last = end - end % STEP
    return tuple((last - STEP * i, base + 30 * math.sin((last - STEP * i) / 40)) for i in range(count - 1, -1, -1))


def data(end: float = END, **changes: object) -> ChartData:
    """A chart of a wave."""
    made = ChartData("CPU", (Series("cpu", "%", wave(end), 1),), end, high=100.0)
    return made._replace(**changes)  # type: ignore[arg-type]


def test_the_title_has_the_last_value_and_the_clock_time_of_its_sample() -> None:
    title = shown(Chart(data(), zone=UTC))[0]
    assert title.startswith("CPU ")
    assert title.endswith("%  14:14:54")


@pytest.mark.parametrize("symbols", [BRAILLE, BLOCK, ASCII])
def test_each_symbol_set_draws_a_line_of_its_own_characters(symbols: Symbols) -> None:
    rows = shown(Chart(data(), symbols=symbols, zone=UTC), size=(60, 8))
    picture = "".join(row[6:] for row in rows[1:-1]).replace(" ", "")
    allowed = {"braille": {chr(0x2800 + i) for i in range(256)}, "block": set("▄▀█"), "ascii": set(".'|")}[symbols.name]
    assert picture and set(picture) <= allowed
    if symbols is ASCII:
        assert "".join(rows).isascii()


def test_none_and_a_long_silence_are_gaps_and_not_lines_or_zeros() -> None:
    points = ((0.0, 5.0), (1.0, 5.0), (2.0, None), (3.0, 5.0), (4.0, 5.0), (9.0, 5.0))
    grid = time_grid(9.9, 10.0, 10, 1)
    assert grid.start == 0.0
    spans = track(Series("x", "", points, step_s=1.0), grid, 0.0, 10.0, 11).spans
    assert spans == [(5, 5), (5, 5), None, (5, 5), (5, 5), None, None, None, None, (5, 5)]


def test_neighbouring_samples_are_joined_and_a_spike_within_a_column_is_kept() -> None:
    points = ((0.0, 0.0), (3.0, 9.0), (4.0, 2.0), (4.2, 10.0), (4.4, 1.0))
    spans = track(Series("x", "", points, step_s=3.0), time_grid(4.9, 5.0, 5, 1), 0.0, 10.0, 11).spans
    assert spans[0] == (0, 0)
    assert None not in spans
    for before, after in pairwise(spans):
        assert before is not None and after is not None
        assert after[0] <= before[1] + 1 and before[0] <= after[1] + 1
    assert spans[4] == (1, 10)


@given(
    st.lists(st.tuples(st.floats(0, 100), st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)))),
    st.integers(1, 40),
    st.integers(1, 12),
)
def test_nothing_that_a_source_sends_breaks_a_chart(
    points: list[tuple[float, float | None]], cells: int, rows: int
) -> None:
    chart = ChartData("x", (Series("x", "", tuple(sorted(points, key=lambda p: p[0]))),), 100.0, 60.0, low=None)
    low, high = scale_of(chart)
    assert math.isfinite(low) and math.isfinite(high) and low < high
    for span in track(chart.series[0], time_grid(100.0, 60.0, cells, 2), low, high, rows * 4).spans:
        assert span is None or 0 <= span[0] <= span[1] < rows * 4


@given(st.floats(1e-9, 1e15))
def test_a_nice_number_is_not_below_and_not_far_above(value: float) -> None:
    assert value * 0.999 <= nice(value) <= value * 1.7


def test_the_scale_grows_at_once_and_shrinks_late() -> None:
    def chart(top: float) -> ChartData:
        return ChartData("x", (Series("x", "", ((1.0, top),)),), 2.0)

    first = scale_of(chart(9.0))
    assert first == (0.0, 10.0)
    assert scale_of(chart(11.0), first) == (0.0, 15.0)
    assert scale_of(chart(5.0), first) == first
    assert scale_of(chart(3.0), first) == (0.0, 3.0)


def test_a_threshold_near_the_data_is_within_the_scale_and_a_far_one_is_not() -> None:
    def high(top: float) -> float:
        return scale_of(ChartData("x", (Series("x", "", ((1.0, top),)),), 2.0, thresholds=(Threshold(100, "bad"),)))[1]

    assert high(60.0) > 100
    assert high(10.0) == 10.0


def test_a_broken_threshold_shows_its_glyph_beside_the_value_and_on_the_scale() -> None:
    limits = (Threshold(40, "warn"), Threshold(60, "bad"))
    high = data(series=(Series("cpu", "%", ((END, 70.0),)),), thresholds=limits)
    rows = shown(Chart(high, zone=UTC), size=(40, 12))
    assert "✗ 70%" in rows[0]
    assert any(row.strip().startswith("60✗") for row in rows)
    assert any(row.strip().startswith("40▲") for row in rows)
    assert tone_of(50, limits) == "warn"
    assert tone_of(0.2, (Threshold(0.5, "bad", "below"),)) == "bad"
    assert tone_of(None, limits) == tone_of(math.nan, limits) == "unknown"


def test_a_note_is_cut_before_the_title_is() -> None:
    noted = data(title="Jobs running", state="stale", note="http://127.0.0.1:24624/metrics answered HTTP 502.")
    rows = shown(Chart(noted, zone=UTC), size=(60, 6))
    assert rows[0].startswith("Jobs running ") and "http://127.0.0.1:24" in rows[0]


def test_what_is_stale_or_unknown_has_a_question_mark_and_is_never_green_or_red() -> None:
    stale = data(state="stale", note="2 min old", series=(Series("cpu", "%", ((END, 99.0),)),))
    stale = stale._replace(thresholds=(Threshold(90, "bad"),))
    assert shown(Chart(stale, zone=UTC), size=(60, 6))[0].endswith("? 99%  14:14:55  2 min old")
    assert shown(Chart(data(series=(Series("cpu", "%", ()),)), zone=UTC))[0].endswith("? no data")
    assert shown(Chart())[0] == "? nothing yet"

    async def run() -> None:
        app = Host(chart := Chart(stale, zone=UTC))
        async with app.run_test(size=(60, 8)) as pilot:
            await pilot.pause()
            wrong = {chart.tone(tone).color for tone in ("ok", "bad", "warn", "accent")}
            used = {style.color for y in range(8) for _, style, _ in chart.render_line(y) if style is not None}
            assert not used & wrong
            chart.show(stale._replace(state="live"))
            await pilot.pause()
            used = {style.color for y in range(8) for _, style, _ in chart.render_line(y) if style is not None}
            assert chart.tone("bad").color in used

    asyncio.run(run())


def test_a_marker_stands_at_its_time_with_its_label() -> None:
    rows = shown(Chart(data(markers=(Marker(END - 450, "1.4.2"),)), zone=UTC), size=(60, 10))
    assert "▾1.4.2" in rows[-1]
    assert any("┊" in row for row in rows[1:-1])


def test_one_line_is_a_sparkline_with_the_value() -> None:
    row = shown(Chart(data(), zone=UTC), size=(50, 1))[0]
    assert row.startswith("CPU ") and row.endswith("14:14:54")
    assert set(row) & set("▂▃▄▅▆▇")


def test_sparklines_below_one_another_begin_and_end_together() -> None:
    ramp = set("▁▂▃▄▅▆▇█")
    one, two = data(), data()._replace(title="Queue of jobs")
    needs = [Chart(zone=UTC).needs(each, 60) for each in (one, two)]
    assert needs[0][0] < needs[1][0]
    beside = (max(name for name, _ in needs), max(values for _, values in needs) + 3)
    spans = []
    for each in (one, two):
        chart = Chart(zone=UTC)
        chart._data, chart._beside = each, beside
        row = shown(chart, size=(60, 1))[0]
        drawn = [x for x, char in enumerate(row) if char in ramp]
        spans.append((drawn[0], drawn[-1]))
        assert row.endswith("14:14:54")
    assert spans[0] == spans[1]


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (8, 3), (12, 1), (50, 10), (80, 24)])
def test_every_size_is_drawn_and_no_line_is_too_wide(size: tuple[int, int]) -> None:
    rows = shown(Chart(data(markers=(Marker(END - 1, "long label"),)), zone=UTC), size=size)
    assert len(rows) == size[1]


def test_between_two_cells_of_time_only_the_title_and_the_end_of_the_line_are_sent() -> None:
    async def run() -> None:
        app = Host(chart := Chart(data(END), zone=UTC))
        async with app.run_test(size=(50, 10)) as pilot:
            await pilot.pause()
            chart.show(data(END))
            assert chart.sent_cells == 0
            lines = [chart.show(data(END + 3 * i)) for i in range(1, 60)]
            still = [count for count in lines if count <= 4]
            assert len(still) > 40
            assert max(lines) >= 5

    asyncio.run(run())


@pytest.mark.parametrize("width", range(3, 40))
@pytest.mark.parametrize("height", [1, 3])
def test_a_value_is_shown_whole_or_not_at_all(width: int, height: int) -> None:
    series = (Series("in", "MB/s", ((END, 19.4),)), Series("out", "MB/s", ((END, 21.1),)))
    title = shown(Chart(data(series=series), zone=UTC), size=(width, height))[0]
    assert title.count("19.4") == title.count("19.4 MB/s")
    assert title.count("21") == title.count("21.1 MB/s")
    assert "19.4" in title or "…" in title
    assert "14:1" not in title or "14:14" in title
