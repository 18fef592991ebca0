"""Words of a known width."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screens.widgets.words import cell, clock, duration, fit, number, quantity, width_of


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (63, "63"),
        (0.034, "0.034"),
        (0.5, "0.50"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234, "1234"),
        (1234.5, "1.23k"),
        (12_345, "12.3k"),
        (3_200_000, "3.20M"),
        (999_999, "1.00M"),
        (-45, "-45"),
        (2e12, "2T"),
        (-3e200, "-3e+200"),
    ],
)
def test_numbers_stay_short(value: float, words: str) -> None:
    assert number(value) == words


def test_a_quantity_that_is_not_known_is_a_question_mark_and_never_a_zero() -> None:
    assert quantity(None, "ms") == "?"
    assert quantity(float("nan"), "ms") == "?"
    assert quantity(0.0, "ms") == "0 ms"
    assert quantity(99.5, "%", 1) == "99.5%"
    assert quantity(12, "/s") == "12/s"


def test_a_clock_time_says_the_day_once_it_is_another() -> None:
    at = 1_790_000_000.0
    assert clock(at, UTC) == "14:13:20"
    assert clock(at, timezone(timedelta(hours=2))) == "16:13:20"
    assert clock(at, UTC, at + 3600) == "14:13:20"
    assert clock(at, UTC, at + 86_400) == "21 Sep 14:13:20"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (0.44, "0.4 s"), (12.9, "12 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"), (273_600, "3 d 4 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.text(max_size=30), st.integers(0, 20), st.booleans())
def test_a_cell_has_its_width_and_a_fitted_text_never_more(text: str, width: int, right: bool) -> None:
    assert width_of(fit(text, width)) <= width
    assert width_of(cell(text, width, right)) == width


def test_a_text_that_fits_is_left_alone() -> None:
    assert fit("frontend", 8) == "frontend"
    assert fit("frontend", 7) == "fronte…"
    assert fit("日本語", 4) == "日…"
