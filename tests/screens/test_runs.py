"""The list of runs: the id of a run, which is what commands take, has its room where there is room."""

from __future__ import annotations

import asyncio

import pytest

from tests.screens.driving import driven
from tests.screens.fixed import FixedSession

LONG = "20261124T021415Z-9f3a"


@pytest.mark.parametrize("width", [120, 160])
def test_the_id_of_a_run_is_not_cut_where_there_is_room(width: int) -> None:
    async def drive() -> None:
        session = FixedSession(quiet=True)
        session.listed = tuple(one._replace(id=LONG, step="") for one in session.listed[:1])
        async with driven(session, size=(width, 30)) as console:
            await console.press("w")
            await console.at("RunsScreen")
            await console.shows(LONG)
            assert "…" not in console.text

    asyncio.run(drive())
