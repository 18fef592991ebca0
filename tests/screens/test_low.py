"""Questions on a low terminal: field and keys are seen, or nothing is asked."""

from __future__ import annotations

import asyncio

import pytest

from screens.entry import Entry
from screens.question import QuestionScreen
from screens.quit import QuitScreen
from tests.screens.driving import Driver, driven
from tests.screens.fixed import PRODUCTION, FixedSession
from tests.screens.test_confirm import to_confirmation

ASKED = (f"Type {PRODUCTION}", "enter answer", "tab reason", "esc No")


async def all_asked(console: Driver) -> None:
    for words in ASKED:
        await console.shows(words)
    word = console.app.screen.query_one("#word", Entry)
    assert console.app.screen.region.contains_region(word.region) and word.region.height == 1, console.text
    shown = console.text.splitlines()[word.region.y][word.region.x : word.region.right]
    assert shown.strip() == (word.value or "No"), console.text


@pytest.mark.parametrize("size", [(60, 15), (80, 16), (80, 18), (80, 20), (80, 24)])
def test_what_is_asked_is_seen_on_a_low_terminal_and_a_wrong_word_is_said(size: tuple[int, int]) -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session, size=size) as console:
            await to_confirmation(console)
            await console.shows(f"Deploy 1.5.0 to {PRODUCTION}")
            await all_asked(console)
            await console.type("prod")
            await console.press("enter")
            await console.shows(f"That is not {PRODUCTION}")
            await all_asked(console)
            await console.type(PRODUCTION)
            await console.press("enter")
            await console.at("RunScreen")
            assert "start" in session.names()

    asyncio.run(drive())


def test_what_is_asked_is_seen_beside_what_is_reported_and_the_rest_can_be_scrolled_to() -> None:
    async def drive() -> None:
        async with driven(FixedSession(), size=(60, 13)) as console:
            await to_confirmation(console)
            await all_asked(console)
            console.app.notify("one thing that was reported", timeout=60)
            console.app.notify("another thing, so long that it takes a second line of the terminal", timeout=60)
            await console.shows("another thing")
            await all_asked(console)
            assert "it is refused" not in console.text
            await console.press("pagedown")
            await console.shows("it is refused")
            await all_asked(console)

    asyncio.run(drive())


def test_where_what_is_asked_cannot_be_seen_nothing_is_asked() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await to_confirmation(console)
            await console.pilot.resize_terminal(80, 7)
            await console.shows("nothing is asked.")
            await console.type(PRODUCTION)
            await console.press("enter")
            await console.pilot.pause(0.1)
            assert type(console.app.screen).__name__ == "ConfirmScreen" and "start" not in session.names()
            await console.pilot.resize_terminal(80, 24)
            await all_asked(console)
            await console.type(PRODUCTION)
            await console.press("enter")
            await console.at("RunScreen")

    asyncio.run(drive())


def test_a_yes_is_none_where_its_question_cannot_be_seen() -> None:
    async def drive() -> None:
        said: list[bool | None] = []
        async with driven(FixedSession(), size=(60, 5)) as console:
            long = "It is " + "very " * 40 + "long."
            console.app.push_screen(QuestionScreen(console.app.bridge, PRODUCTION, "Sure?", long), said.append)
            await console.at("QuestionScreen")
            await console.shows("y yes")
            await console.pilot.resize_terminal(60, 3)
            await console.shows("needs")
            await console.press("y")
            assert not said
            await console.press("escape")
            await console.until(lambda: said == [None], "left")

    asyncio.run(drive())


def test_no_key_of_a_sheet_means_anything_where_it_cannot_be_seen() -> None:
    """Not only in those that ask for a word: s would stop the demo."""

    async def drive() -> None:
        stopped: list[str] = []
        async with driven(FixedSession(), size=(80, 24)) as console:
            console.app.push_screen(QuitScreen(console.app.bridge, PRODUCTION, lambda: stopped.append("stopped")))
            await console.at("QuitScreen")
            await console.pilot.resize_terminal(80, 3)
            await console.shows("nothing is asked")
            await console.press("s", "l")
            await console.pilot.pause(0.2)
            assert not stopped and type(console.app.screen).__name__ == "QuitScreen"
            await console.press("escape")
            await console.at("Dashboard")

    asyncio.run(drive())
