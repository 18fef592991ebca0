"""The palette: the cursor is the person's, whatever is looked at meanwhile."""

from __future__ import annotations

import asyncio

from screens.widgets.table import RowTable
from tests.screens.driving import driven
from tests.screens.fixed import FixedSession


def test_what_is_looked_at_meanwhile_does_not_move_the_cursor_of_the_palette() -> None:
    async def drive() -> None:
        session = FixedSession()
        gate = session.hang("actions")
        async with driven(session) as console:
            await console.press("colon")
            await console.at("PaletteScreen")
            await console.type("ro")
            table = console.screen.query_one("#found", RowTable)
            await console.until(lambda: table.cursor_key == "rollback", "the best one first")
            await console.press("down")
            assert table.cursor_key == "rotate"
            assert session.listener is not None
            for told in range(3):
                before = len(console.messages)
                session.tell_all(session.listener)
                await console.until(
                    lambda: any(type(one).__name__ == "Fresh" for one in console.messages[before:]),  # noqa: B023
                    "news",
                )
                await console.pilot.pause(0.05)
                assert table.cursor_key == "rotate", told
            gate.set()
            await console.pilot.pause(0.3)
            assert table.cursor_key == "rotate", "actions came"
            await console.type("l")
            await console.until(lambda: table.cursor_key == "rollback", "another letter begins anew")
            await console.press("escape")
            await console.at("Dashboard")

    asyncio.run(drive())
