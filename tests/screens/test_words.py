"""How long something has lasted, from what a stack says of its start."""

from __future__ import annotations

from datetime import UTC, datetime

from screens.words import lasting

NOW = datetime(2026, 11, 24, 4, 0, 0, tzinfo=UTC).timestamp()


def test_a_start_is_shown_as_how_long_ago_it_was() -> None:
    assert lasting("2026-11-24T03:50:00", NOW) == "10 min"
    assert lasting("2026-11-24T03:50:00Z", NOW) == "10 min"
    assert lasting("2026-11-24T05:50:00+02:00", NOW) == "10 min"
    assert lasting("2026-11-20T04:00:00", NOW) == "4 d"


def test_what_is_no_time_stays_as_it_is() -> None:
    assert lasting("2 min", NOW) == "2 min"
    assert lasting("", NOW) == ""
