"""What does not change is not read again and again, nor drawn."""

from __future__ import annotations

import asyncio

import pytest

from console.session import Happening
from screens import reports
from screens import run as run_screen
from tests.screens.driving import driven
from tests.screens.fixed import NOW, FixedSession


@pytest.mark.parametrize(("row", "waits"), [((), False), (("down",), True)])
def test_a_run_that_waits_is_read_once_and_one_that_goes_on_again_and_again(row: tuple[str, ...], waits: bool) -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("w", *row, "enter")
            await console.at("RunScreen")
            await console.shows("began")
            screen = console.screen
            assert isinstance(screen, run_screen.RunScreen)
            for _ in range(3):
                await console.until(lambda: not screen._looking)
                screen._tick()
                await console.pilot.pause()
            await console.until(lambda: not screen._looking)
            before = session.names().count("run")
            screen._tick()
            await console.until(lambda: not screen._looking)
            assert (session.names().count("run") == before) is waits
            if waits:  # what the list says of it is news
                line = next(one for one in session.listed if one.id == screen.id_shown)
                assert session.listener is not None
                session.listener.runs((line._replace(state="undoing"),))
                await console.until(lambda: session.names().count("run") > before)

    asyncio.run(drive())


def test_reports_are_wrapped_anew_only_when_there_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    async def drive() -> None:
        session = FixedSession()
        async with driven(session) as console:
            await console.press("n")
            await console.at("ReportsScreen")
            drawn: list[int] = []
            draw = reports.ReportsScreen.draw

            def counted(self: reports.ReportsScreen) -> None:
                drawn.append(1)
                draw(self)

            monkeypatch.setattr(reports.ReportsScreen, "draw", counted)
            assert session.listener is not None
            session.listener.runs(())
            await console.until(lambda: console.app.bridge.known.runs == ())
            await console.pilot.pause()
            assert drawn == []
            session.listener.happened(Happening("something new", "ok", NOW))
            await console.shows("something new")
            assert drawn

    asyncio.run(drive())
