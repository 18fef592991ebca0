"""The log view: follow, filter, jumps, wrap, copies, and how often it paints."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any

import pytest
from textual.pilot import Pilot

from console.feeds.lines import Level, LogLine
from screens.panes.log_pane import LogPane
from screens.theme import ASCII
from screens.widgets.log_buffer import Filter
from screens.widgets.log_view import REMOTE_BYTES, LogView
from tests.screens.widgets.hosting import Host, screen_of

AT = 1_790_000_000.0


def lines(count: int, start: int = 0, level: Level | None = None) -> list[LogLine]:
    """`line 0`, `line 1`…, a second apart."""
    return [LogLine(AT + i, "backend", f"line {i}", level) for i in range(start, start + count)]


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def with_log(
    do: Callable[[LogView, Pilot[Any], Clock], Awaitable[None]], size: tuple[int, int] = (50, 10), **options: Any
) -> list[str]:
    """The screen after `do`, with a log of 50x10 in it."""

    async def run() -> list[str]:
        clock = Clock()
        app = Host(log := LogView(zone=UTC, monotonic=clock, **options))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await do(log, pilot, clock)
            await pilot.pause()
            return screen_of(app)

    return asyncio.run(run())


def test_it_follows_the_newest_line_and_says_so() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines(lines(20))

    rows = with_log(do)
    assert rows[0] == "  14:13:31 backend line 11"
    assert rows[8] == "  14:13:39 backend line 19"
    assert rows[9] == "following"


def test_scrolling_up_stops_following_and_it_stays_stopped() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.focus()
        log.append_lines(lines(20))
        await pilot.press("up")
        assert not log.following
        for i in range(20, 40):
            clock.now += 1
            log.append_lines(lines(1, i))
        await pilot.press("down")
        assert not log.following

    rows = with_log(do)
    assert rows[0].endswith("line 11")
    assert rows[8].endswith("line 19")
    assert rows[9].startswith("NOT following, 20 new")


def test_end_follows_again() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.focus()
        log.append_lines(lines(20))
        await pilot.press("home")
        assert log.chosen is not None and log.chosen.text == "line 0"
        clock.now += 1
        log.append_lines(lines(5, 20))
        await pilot.press("end")
        assert log.following

    rows = with_log(do)
    assert rows[8].endswith("line 24")
    assert rows[9] == "following"


def test_a_filter_hides_what_does_not_match_and_counts_it() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines(lines(30))
        log.set_filters([Filter("/line .*5/"), Filter("!15")])

    rows = with_log(do)
    assert [row[-7:].strip() for row in rows[:2]] == ["line 5", "line 25"]
    assert rows[2] == ""
    assert rows[9] == "following · //line .*5/ /!15 · 28 hidden"


def test_a_filter_of_the_stack_is_switched_off_and_on_and_a_bad_one_is_refused_in_words() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines(lines(30))
        log.set_filters([Filter("25"), Filter("nothing")])
        assert len(log.buffer) == 0
        log.toggle_filter(1)
        assert len(log.buffer) == 1
        assert "not a regular expression" in (log.filter("/[/") or "")
        assert len(log.buffer) == 1
        log.toggle_filter(0)
        assert len(log.buffer) == 30
        assert log.filter("line 7") is None
        assert len(log.buffer) == 1
        assert log.filter("") is None

    assert with_log(do)[8].endswith("line 29")


def test_many_lines_are_looked_at_in_pieces_newest_first() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines(lines(23_000))
        log.filter("9")
        assert log.buffer.scanning
        newest = log.buffer.shown(len(log.buffer) - 1)
        assert newest == 22_999
        while log.buffer.scanning:
            await pilot.pause(0.01)
        assert len(log.buffer) == sum("9" in str(i) for i in range(23_000))

    assert "still looking" not in with_log(do)[9]


def test_errors_are_jumped_to_in_both_directions() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines(lines(40))
        log.append_lines(lines(1, 40, "error"))
        log.append_lines(lines(40, 41))
        log.append_lines(lines(1, 81, "error"))
        log.append_lines(lines(40, 82))
        assert not log.next_error()
        assert log.previous_error() and log.chosen is not None and log.chosen.text == "line 81"
        assert log.previous_error() and log.chosen.text == "line 40"
        assert not log.previous_error()
        assert log.next_error() and log.chosen.text == "line 81"
        log.previous_error()

    rows = with_log(do)
    assert rows[4] == "E 14:14:00 backend line 40"
    assert "2 errors" in rows[9]


def test_a_time_is_jumped_to() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines(lines(100))
        assert log.go_to_time(AT + 50.5)
        assert log.chosen is not None and log.chosen.text == "line 51"
        assert not log.go_to_time(AT + 1000)

    assert any(row.endswith("line 51") for row in with_log(do))


def test_long_lines_are_cut_with_an_ellipsis_scrolled_sideways_or_wrapped() -> None:
    text = "0123456789" * 8

    async def cut(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines([LogLine(AT, "backend", text, "error")])

    async def sideways(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        await cut(log, pilot, clock)
        log.focus()
        await pilot.press("right")

    async def wrapped(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        await cut(log, pilot, clock)
        log.set_options(wrap=True, times=False)
        log.move_sideways(5)

    head = "E 14:13:20 backend "
    assert with_log(cut)[0] == head + text[:30] + "…"
    assert with_log(sideways)[0] == head + "<" + text[10:39] + "…"
    rows = with_log(wrapped)
    assert rows[0] == "E backend " + text[:40]
    assert rows[1] == " " * 10 + text[40:]
    assert rows[9].endswith("wrapped")


def test_a_wrapped_log_keeps_its_newest_line_whole_at_the_bottom() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.set_options(wrap=True, times=False, sources=False)
        log.append_lines([LogLine(AT, "b", f"{i} " + "x" * 60) for i in range(9)])

    rows = with_log(do)
    assert rows[8] == "  " + "x" * 14
    assert rows[7] == "  8 " + "x" * 46


def test_nothing_in_a_line_is_markup_and_wide_characters_keep_the_columns() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines([LogLine(None, "", "[red]x[/red] [@click=app.quit]y[/] 日本"), LogLine(None, "", "日" * 40)])

    rows = with_log(do)
    assert rows[0].strip() == "[red]x[/red] [@click=app.quit]y[/] 日本"
    assert rows[1].endswith("…")


def test_copied_is_plain_text_from_the_mark_to_the_chosen_line() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        assert log.copied == ""
        log.append_lines(lines(20))
        assert log.copied == "14:13:39 backend line 19"
        log.move(-5)
        log.toggle_mark()
        log.move(2)
        assert log.copied == "\n".join(f"14:13:{34 + i} backend line {14 + i}" for i in range(3))
        log.set_options(times=False, sources=False)
        assert log.copied == "line 14\nline 15\nline 16"

    rows = with_log(do)
    assert any(row.startswith("◂") and row.endswith("line 14") for row in rows)


def test_old_lines_that_fall_out_are_counted_and_the_chosen_one_goes_to_the_oldest() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines(lines(50))
        log.move(-40)
        for i in range(50, 200, 10):
            clock.now += 1
            log.append_lines(lines(10, i))
        assert log.chosen is not None and log.chosen.text == "line 150"
        log.move(1)
        assert log.chosen.text == "line 151"

    rows = with_log(do, max_lines=50, size=(90, 10))
    assert rows[0].endswith("line 150")
    assert "150 dropped" in rows[9]


def test_it_paints_at_once_after_silence_and_then_at_most_four_times_a_second() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        painted: list[float] = []
        drawn = log.redraw

        def redraw() -> int:
            painted.append(clock.now)
            return drawn()

        log.redraw = redraw  # type: ignore[method-assign]
        log.append_lines(lines(1))
        assert painted == [100.0]
        for i in range(1, 50):
            log.append_lines(lines(1, i))
        assert painted == [100.0]
        await pilot.pause(0.4)
        assert len(painted) == 2
        clock.now += 10
        log.append_lines(lines(1, 50))
        assert len(painted) == 3

    assert with_log(do)[8].endswith("line 50")


def test_a_budget_of_bytes_slows_painting_down_but_not_beyond_four_seconds() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines(lines(30))
        assert log._next_paint == clock.now + 4.0
        clock.now += 5
        log.bytes_per_second = 1_000_000
        log.append_lines(lines(1, 30))
        assert log._next_paint == clock.now + 0.25

    with_log(do, bytes_per_second=100)


@pytest.mark.parametrize("rate", [10, 1000])
def test_a_log_on_the_whole_of_a_big_screen_keeps_its_budget(rate: int) -> None:
    """Lines as wide as the screen, over 30 s by a clock that is set; bytes as the view counts them."""
    sent: dict[bool, float] = {}

    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        total, next_line = 0, 0
        began = clock.now
        while clock.now < began + 30:
            clock.now += 0.25
            count = max(1, round(rate / 4))
            wide = [one._replace(text=f"{one.text} {'x' * 160}") for one in lines(count, next_line)]
            next_line += count
            paints = clock.now >= log._next_paint
            if log._timer is not None:  # the clock that is set stands in for the timer
                log._timer.stop()
                log._timer = None
            log.append_lines(wide)
            total += log.cost() if paints else 0
        sent[log.bytes_per_second is not None] = total / 30

    with_log(do, size=(160, 48), bytes_per_second=REMOTE_BYTES, fill="page")
    assert sent[True] < 10_000
    with_log(do, size=(160, 48))
    assert sent[False] > 20_000  # control: what a local terminal gets


def test_only_a_terminal_at_the_other_end_of_ssh_has_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    here = LogPane("logs").view
    assert here.bytes_per_second is None and here.fill == "scroll"
    for name in ("SSH_CONNECTION", "SSH_TTY"):
        with monkeypatch.context() as there:
            there.setenv(name, "10.0.0.1 50000 10.0.0.2 22")
            view = LogPane("logs").view
        assert view.bytes_per_second == REMOTE_BYTES and view.fill == "page"


def test_page_fashion_sends_only_new_lines_until_the_page_is_full() -> None:
    sent: dict[str, int] = {}

    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        total = 0
        log.append_lines(lines(9))
        for i in range(9, 69):
            clock.now += 1
            log.append_lines(lines(1, i))
            await pilot.pause()
            total += log.sent_cells
            assert any(row.endswith(f"line {i}") for row in screen_of(pilot.app))
        sent[log.fill] = total

    with_log(do, fill="scroll")
    with_log(do, fill="page")
    assert sent["page"] < sent["scroll"]


def test_clear_counts_what_was_forgotten_and_ascii_has_no_other_characters() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines(lines(20))
        log.move(-2)
        log.clear()
        log.append_lines([LogLine(AT, "a-very-long-source", "x" * 90, "warn")])
        clock.now += 5
        log.append_lines([LogLine(AT, "b", "last")])

    rows = with_log(do, symbols=ASCII)
    assert "20 dropped" in rows[9]
    assert "".join(rows).isascii()


def test_a_service_keeps_its_whole_name_where_lines_are_long_enough() -> None:
    async def do(log: LogView, pilot: Pilot[Any], clock: Clock) -> None:
        log.append_lines([LogLine(AT, "frontend-prediction", "GET /", "info")])

    assert with_log(do, size=(94, 4))[0] == "  14:13:20 frontend-prediction GET /"
    assert with_log(do, size=(50, 4))[0] == "  14:13:20 frontend-pr… GET /"
