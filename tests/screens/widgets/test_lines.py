"""Strips of few runs, and that what is sent makes the old line into the new one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from screens.widgets.lines import LinesWidget, changed_width, strip_of
from tests.screens.widgets.hosting import Host

RED, BLUE, MARKED = Style(color="red"), Style(color="blue"), Style(color="red", bgcolor="white")
STYLES = st.sampled_from([RED, BLUE, MARKED, Style(underline=True)])
PARTS = st.lists(st.tuples(st.text(alphabet="ab 日", max_size=5), STYLES), max_size=6)


def cells(strip: Strip) -> list[tuple[str, Style | None]]:
    """Characters with their styles; a blank's colour is not seen, so that it is left out."""
    out: list[tuple[str, Style | None]] = []
    for text, style, _ in strip:
        for character in text:
            seen = style
            if character == " " and style is not None and not style.underline:
                seen = Style(bgcolor=style.bgcolor)
            out.append((character, seen))
    return out


@given(PARTS, st.integers(1, 20))
def test_a_strip_has_its_width_and_looks_like_its_parts(parts: list[tuple[str, Style]], width: int) -> None:
    made = strip_of(parts, width, RED)
    assert sum(segment.cell_length for segment in made) == width == made.cell_length
    whole = Strip([*(Segment(text, style) for text, style in parts if text), Segment(" " * width, RED)])
    assert cells(made) == cells(whole.crop(0, width))


def test_a_control_character_is_drawn_and_never_sent() -> None:
    made = strip_of([("one\ntwo\r\x1b[2J", RED), ("\t\x7f\x9b日", BLUE)], 20, RED)
    assert made.text == "one␊two␍        ␡日 "
    assert sum(segment.cell_length for segment in made) == 20


def test_blanks_cost_no_run_of_their_own() -> None:
    assert len(strip_of([("a", RED), ("  ", BLUE), ("b", RED)], 10, BLUE)) == 1
    assert len(strip_of([("a", RED), ("  ", MARKED), ("b", RED)], 10, RED)) == 3


@given(PARTS, PARTS, st.integers(1, 20))
def test_the_part_that_is_sent_makes_the_old_line_into_the_new_one(
    old_parts: list[tuple[str, Style]], new_parts: list[tuple[str, Style]], width: int
) -> None:
    old, new = strip_of(old_parts, width, RED), strip_of(new_parts, width, RED)
    sent = changed_width(old, new)
    assert (sent == 0) == (old == new)
    assert cells(Strip.join([new.crop(0, sent), old.crop(sent)])) == cells(new)


class Counted(LinesWidget):
    """Shows some words, one a line, and keeps what it was asked to send."""

    def __init__(self) -> None:
        super().__init__()
        self.words = ["one", "two", "three"]
        self.regions: list[Region] = []

    def lines(self, width: int, height: int) -> Sequence[Strip]:
        return [strip_of([(word, self.tone("plain"))], width, self.tone("plain")) for word in self.words]

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Counted:
        self.regions.extend(regions)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


def test_a_redraw_sends_the_changed_line_up_to_its_last_changed_cell() -> None:
    async def run() -> None:
        widget = Counted()
        app = Host(widget)
        async with app.run_test(size=(20, 5)) as pilot:
            await pilot.pause()
            widget.regions.clear()
            assert widget.redraw() == 0
            assert widget.regions == []
            widget.words[1] = "tw0"
            assert widget.redraw() == 1
            assert widget.regions == [Region(0, 1, 3, 1)]
            assert widget.sent_cells == 3
            await pilot.resize_terminal(30, 6)
            await pilot.pause()
            assert widget.render_line(1).cell_length == 30

    asyncio.run(run())


def test_colours_of_another_theme_are_used_at_once() -> None:
    async def run() -> None:
        widget = Counted()
        app = Host(widget)
        async with app.run_test(size=(20, 5)) as pilot:
            await pilot.pause()
            before = widget.render_line(0)
            app.theme = "quarterdeck-light"
            await pilot.pause()
            assert widget.render_line(0).text == before.text
            assert widget.render_line(0) != before

    asyncio.run(run())
