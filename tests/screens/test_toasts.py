"""What is reported stands below the frame: equal ones once, few at a time, the newest and the bad ones first."""

from __future__ import annotations

import asyncio

from console.answers import Happening
from tests.screens.driving import driven
from tests.screens.fixed import NOW, FixedSession


def test_what_is_said_twice_stands_there_once() -> None:
    async def drive() -> None:
        async with driven(FixedSession(), size=(80, 48)) as console:
            await console.press("d", "d", "b", "d")
            await console.shows("Roll back: production is read-only")
            await console.pilot.pause(0.1)
            assert console.text.count("Deploy: production is read-only") == 1, console.text

    asyncio.run(drive())


def test_few_reports_at_a_time_the_newest_and_what_is_bad_before_others() -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session, size=(80, 24)) as console:
            rows = console.app.screen.query_one("#panes").size.height
            assert session.listener is not None
            for number, tone in enumerate(("ok", "bad", "ok", "warn", "ok", "ok"), 1):
                session.listener.happened(Happening(f"report {number} is {tone}", tone, NOW))
                await console.shows(f"report {number} ")
                shown = [line for line in console.text.splitlines() if "report " in line]
                assert len(shown) <= 2, console.text
                assert number < 2 or any("report 2 is bad" in line for line in shown), console.text
            assert console.app.screen.query_one("#panes").size.height >= rows - 2, console.text
            assert len(console.app.bridge.known.events) >= 6

    asyncio.run(drive())
