"""Nothing is changed by a key until a person has armed the environment, and never in a read-only console."""

from __future__ import annotations

import asyncio

from screens.base import ArmedChanged
from tests.screens.driving import driven
from tests.screens.fixed import NOW, PRODUCTION, STAGING, FixedSession

WRITES = "dbasL"


def test_a_write_key_says_how_to_arm_and_does_nothing() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            for key in WRITES:
                await console.press(key)
                assert type(console.app.screen).__name__ == "Dashboard", key
            await console.shows("Press A to allow changes")
            assert not {"form", "plan", "start", "shell", "lock", "actions"} & set(session.names())

    asyncio.run(drive())


def test_once_armed_each_write_key_works_and_its_use_extends_the_time() -> None:
    async def drive() -> None:
        for key, screen in {"d": "FormScreen", "b": "FormScreen", "a": "ActionsScreen", "L": "LockScreen"}.items():
            session = FixedSession()
            async with driven(session) as console:
                await console.press("A")
                await console.shows("armed until 02:29")
                session.clock = NOW + 60
                await console.press(key)
                await console.at(screen)
                assert session.armed[PRODUCTION] == NOW + 960, "using a command keeps the environment armed"
                assert any(isinstance(one, ArmedChanged) for one in console.messages)

    asyncio.run(drive())


def test_arming_is_of_one_environment_and_a_second_press_takes_it_back() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("A", "right_square_bracket", "right_square_bracket")
            assert console.screen.environment == STAGING
            await console.press("d")
            assert type(console.app.screen).__name__ == "Dashboard"
            assert session.armed_until(STAGING) is None
            await console.press("left_square_bracket", "left_square_bracket", "A")
            assert session.armed_until(PRODUCTION) is None
            await console.shows("read-only")

    asyncio.run(drive())


def test_time_that_ran_out_is_read_only_again() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            session.armed[PRODUCTION] = NOW - 1
            console.app.post_message(ArmedChanged())
            await console.press("d")
            await console.shows("Press A to allow changes")
            assert "form" not in session.names()

    asyncio.run(drive())


def test_a_read_only_console_cannot_be_armed_and_does_not_offer_to_change() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.armed[PRODUCTION] = NOW + 900
        async with driven(session, read_only=True) as console:
            assert "Deploy" not in console.text.splitlines()[-1]
            await console.press("A")
            await console.shows("--read-only")
            for key in WRITES:
                await console.press(key)
            assert type(console.app.screen).__name__ == "Dashboard"
            assert "arm" not in session.names()

    asyncio.run(drive())


def test_a_read_only_console_shows_a_run_and_does_not_decide_over_it() -> None:
    async def drive() -> None:
        for read_only in (False, True):
            session = FixedSession()
            async with driven(session, read_only=read_only) as console:
                await console.press("w", "down", "enter")
                await console.shows("Its runner died")
                assert ("Undo the run" in console.text) is not read_only
                for key in "curl":
                    await console.press(key)
                    if not read_only and key == "u":
                        await console.at("QuestionScreen")
                        await console.press("escape")
                        await console.at("RunScreen")
                assert type(console.app.screen).__name__ == ("RunScreen" if read_only else "QuestionScreen")

    asyncio.run(drive())


def test_what_stops_harm_needs_no_arming() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("w")
            await console.at("RunsScreen")
            await console.press("enter")
            await console.at("RunScreen")
            await console.shows("Replace 3 services")
            await console.press("c")
            await console.at("QuestionScreen")
            await console.press("y")
            await console.until(lambda: ("cancel", "r-0043") in session.asked)

    asyncio.run(drive())


def test_before_an_environment_is_known_there_is_nothing_to_arm_or_to_change() -> None:
    async def drive() -> None:
        session = FixedSession(first_time=True, fresh=False)
        async with driven(session, None, live=False) as console:
            await console.press("A")
            await console.shows("there is nothing to arm")
            assert not session.armed and "armed" not in console.text
            await console.press("d")
            await console.shows("Deploy: no environment is known yet")

    asyncio.run(drive())


def test_a_read_only_console_ticks_nothing_and_stops_no_demo() -> None:
    async def drive() -> None:
        session = FixedSession()
        session.stops_demo = lambda: None
        async with driven(session, read_only=True) as console:
            for pane in ("services", "checklist", "metrics", "logs"):
                console.app.clear_notifications()
                await console.until(lambda p=pane: console.app.screen.pane() == p, pane)  # type: ignore[misc,attr-defined]
                if pane == "checklist":
                    await console.press("space")
                    await console.shows("Tick or untick: this console was opened with --read-only and changes nothing.")
                await console.press("tab")
            changing = {
                "tick",
                "waive",
                "lock",
                "start",
                "plan",
                "shell",
                "form",
                "set_credential",
                "remove_credential",
            }
            assert not changing & set(session.names()), session.names()
            await console.press("colon")
            await console.at("PaletteScreen")
            await console.type("untick")
            await console.shows("no such command")
            await console.press("escape", "q")
            await console.until(lambda: not console.app.is_running, "left without a question")

    asyncio.run(drive())
