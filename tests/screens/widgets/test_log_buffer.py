"""The ring of lines: against a plain list that does the same slowly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.feeds.lines import Level, LogLine
from screens.widgets.log_buffer import BadFilter, Filter, LogBuffer

WORDS = st.sampled_from(["alpha", "beta", "gamma", "GET /healthz", "boom"])
LEVELS: st.SearchStrategy[Level | None] = st.sampled_from([None, "info", "error"])
LINES = st.lists(st.builds(lambda text, level: LogLine(None, "s", text, level), WORDS, LEVELS), max_size=12)
STACKS = st.sampled_from(
    [
        [],
        [Filter("a")],
        [Filter("!healthz")],
        [Filter("/^[ab]/"), Filter("!beta")],
        [Filter("beta", on=False)],
        [Filter("!a"), Filter("!boom")],
        [Filter("nothing has this")],
    ]
)


def passes(line: LogLine, stack: list[Filter]) -> bool:
    """Slowly and plainly."""
    for one in stack:
        if one.on and (one.pattern().search(line.text + "\0" + line.source) is None) is not one.inverse:
            return False
    return True


@settings(max_examples=300)
@given(st.lists(st.one_of(LINES, STACKS.map(tuple), st.integers(1, 5)), max_size=12), st.integers(1, 15))
def test_it_shows_what_a_plain_list_would(
    doings: list[list[LogLine] | tuple[Filter, ...] | int], max_lines: int
) -> None:
    buffer = LogBuffer(max_lines)
    everything: list[LogLine] = []
    stack: list[Filter] = []
    for doing in doings:
        if isinstance(doing, int):
            buffer.scan(doing)
        elif isinstance(doing, tuple):
            stack = list(doing)
            buffer.set_filters(stack)
        else:
            buffer.append(doing)
            everything += doing
        first = max(0, len(everything) - max_lines)
        assert (buffer.first, buffer.end) == (first, len(everything))
        if not buffer.scanning:
            wanted = [n for n in range(first, len(everything)) if passes(everything[n], stack)]
            assert [buffer.shown(i) for i in range(len(buffer))] == wanted
            assert buffer.hidden == len(everything) - first - len(wanted)
            for n in range(first, len(everything) + 1):
                assert buffer.place(n) == sum(1 for other in wanted if other < n)
            errors = [n for n in wanted if everything[n].level == "error"]
            for n in range(first, len(everything)):
                assert buffer.error_after(n) == next((e for e in errors if e > n), None)
                assert buffer.error_before(n) == next((e for e in reversed(errors) if e < n), None)
    assert buffer.errors == sum(1 for line in everything[buffer.first :] if line.level == "error")
    while buffer.scan(3):
        pass
    wanted = [n for n in range(buffer.first, len(everything)) if passes(everything[n], stack)]
    assert [buffer.shown(i) for i in range(len(buffer))] == wanted


def test_memory_is_bounded_by_bytes_too() -> None:
    buffer = LogBuffer(max_bytes=1_000_000)
    for _ in range(30):
        buffer.append([LogLine(None, "s", "x" * 16_000) for _ in range(10)])
    assert buffer.bytes_held <= 1_000_000
    assert 50 <= len(buffer) <= 62
    assert buffer.first == 300 - len(buffer)
    buffer.clear()
    assert (len(buffer), buffer.bytes_held, buffer.first) == (0, 0, 300)


def test_a_batch_larger_than_the_ring_keeps_its_end() -> None:
    buffer = LogBuffer(max_lines=5)
    buffer.append([LogLine(None, "", str(i)) for i in range(3)])
    buffer.append([LogLine(None, "", str(i)) for i in range(3, 20)])
    assert [buffer.line(buffer.shown(i)).text for i in range(len(buffer))] == ["15", "16", "17", "18", "19"]
    with pytest.raises(IndexError):
        buffer.line(14)


def test_a_filter_looks_at_case_only_where_it_has_a_capital() -> None:
    assert Filter("timeout").pattern().search("TimeOut")
    assert not Filter("Timeout").pattern().search("timeout")
    assert Filter("a.c").pattern().search("abc") is None
    assert Filter("/a.c/").pattern().search("abc")
    assert Filter("!x").inverse and not Filter("!").inverse


@pytest.mark.parametrize(("text", "why"), [("/(/", "not a regular expression"), ("/(a+)+$/", "repeats a group")])
def test_a_pattern_that_cannot_be_used_says_why_and_changes_nothing(text: str, why: str) -> None:
    buffer = LogBuffer()
    buffer.append([LogLine(None, "", "a"), LogLine(None, "", "b")])
    buffer.set_filters([Filter("a")])
    buffer.scan()
    with pytest.raises(BadFilter, match=why):
        buffer.set_filters([Filter(text)])
    assert len(buffer) == 1
    assert buffer.filters == (Filter("a"),)


def test_a_time_is_found_and_lines_without_one_are_passed_over() -> None:
    buffer = LogBuffer()
    times = [1.0, None, 2.0, None, None, 3.0, 4.0, None]
    buffer.append([LogLine(at, "", "x") for at in times])
    assert [buffer.at_time(at) for at in (0.0, 1.5, 2.0, 2.5, 3.5)] == [0, 2, 2, 5, 6]
    assert buffer.at_time(9.0) is None


def test_where_filters_match_is_told_for_those_that_show() -> None:
    buffer = LogBuffer()
    buffer.set_filters([Filter("ab"), Filter("!zz"), Filter("/c$/")])
    assert buffer.matches("ab ab c") == [(0, 2), (3, 5), (6, 7)]
    assert len(buffer.matches("ab" * 500)) == 50
