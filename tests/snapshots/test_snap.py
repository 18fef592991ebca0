"""The fixture itself: that it sees a change of a character, of a colour alone, and of neither."""

from __future__ import annotations

import asyncio

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Input, Static

from tests.snapshots.picture import screen_picture
from tests.snapshots.serialise import screen_text
from tests.snapshots.snap import Snap


class Small(App[None]):
    """One line in one colour, and a field with a cursor."""

    def __init__(self, words: str, colour: str) -> None:
        super().__init__()
        self._words = words
        self._colour = colour

    def compose(self) -> ComposeResult:
        line = Static(self._words, markup=False)
        line.styles.color = self._colour
        yield line
        yield Input("typed")


def taken(app: App[None]) -> tuple[str, str]:
    """The text and the picture of an app at 40x6."""

    async def run() -> tuple[str, str]:
        async with app.run_test(size=(40, 6)) as pilot:
            await pilot.pause()
            return screen_text(app), screen_picture(app)

    return asyncio.run(run())


def test_a_screen_with_a_cursor_rests_and_is_kept(snap: Snap) -> None:
    snap(lambda: Small("all is [red]well[/red] ⣿▄", "green"), sizes=[(40, 6)], picture=(40, 6))


def test_a_character_and_a_colour_make_a_difference_and_a_second_run_does_not() -> None:
    text, svg = taken(Small("all is well", "green"))
    assert taken(Small("all is well", "green")) == (text, svg)
    assert taken(Small("all is bell", "green"))[0] != text
    other, painted = taken(Small("all is well", "red"))
    assert other != text and painted != svg
    characters, _, styles = text.partition("\n\n")
    assert other.partition("\n\n")[0] == characters
    assert other.partition("\n\n")[2] != styles


def test_a_screen_that_never_rests_fails(snap: Snap, monkeypatch: pytest.MonkeyPatch) -> None:
    class Restless(App[None]):
        def compose(self) -> ComposeResult:
            yield Static("0")

        def on_mount(self) -> None:
            self.count = 0
            self.set_interval(0.01, self.tick)

        def tick(self) -> None:
            self.count += 1
            for line in self.query(Static):
                line.update(str(self.count))

    monkeypatch.setattr("tests.snapshots.snap.SETTLE_S", 0.5)
    with pytest.raises(AssertionError, match="moves by itself"):
        snap(Restless, sizes=[(40, 6)])


def test_what_is_waited_for_and_does_not_come_fails(snap: Snap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.snapshots.snap.SETTLE_S", 0.3)
    with pytest.raises(AssertionError, match="did not come"):
        snap(lambda: Small("x", "red"), sizes=[(40, 6)], until=lambda app: False)


def test_what_comes_later_by_itself_is_waited_for(snap: Snap) -> None:
    class Late(App[None]):
        def compose(self) -> ComposeResult:
            yield Static("nothing yet")

        def on_mount(self) -> None:
            self.set_timer(0.6, self.come)

        def come(self) -> None:
            self.query_one(Static).update("it came")

    snap(Late, sizes=[(40, 6)], then=lambda app: "it came" in screen_text(app))
