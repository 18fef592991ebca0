"""Drive the console by real keys: an app on the fixed session, polled with a deadline, never slept for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from textual import events
from textual.message import Message
from textual.pilot import Pilot

from console.app import QuarterdeckApp
from screens.base import Deck
from tests.screens.fixed import NOW, PRODUCTION, FixedSession

ENVIRON = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", "QUARTERDECK_SYMBOLS": "braille"}
BURST_NAMES = ("enter", "escape", "tab", "shift+tab")
DEADLINE_S = 20.0
"""Longer than a run that waits is left alone by its screen."""


def console(
    session: FixedSession,
    environment: str | None = PRODUCTION,
    read_only: bool = False,
    environ: Mapping[str, str] = ENVIRON,
) -> QuarterdeckApp:
    """The console on fixed data and a clock that stands still."""
    return QuarterdeckApp(session, environment, read_only, clock=lambda: NOW, environ=environ)


class Driver:
    """A pilot with the app's screens and texts at hand."""

    def __init__(self, app: QuarterdeckApp, pilot: Pilot[Any], messages: list[Message]) -> None:
        self.app, self.pilot, self.messages = app, pilot, messages

    @property
    def screen(self) -> Deck[Any]:
        """The screen in front."""
        return cast("Deck[Any]", self.app.screen)

    @property
    def text(self) -> str:
        """What the terminal would show, without colours."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips(self.app.size))

    async def press(self, *keys: str) -> None:
        """Real keys, one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, words: str) -> None:
        """Characters."""
        await self.press(*words)

    def burst(self, *keys: str) -> None:
        """All keys at once, as a paste, a slow line or a test's own haste brings them; a word is its characters."""
        for key in keys:
            for one in (key,) if key in BURST_NAMES else key:
                self.app.post_message(events.Key(one, one if len(one) == 1 else None))

    async def until(self, holds: Callable[[], bool], what: str = "") -> None:
        """Wait until it holds; fails with what is on the screen."""
        end = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < end, f"{what or 'it'} did not happen; the screen shows:\n{self.text}"
            await self.pilot.pause(0.01)

    async def shows(self, words: str) -> None:
        """Wait until these words are on the screen."""
        await self.until(lambda: words in self.text, f"{words!r} on the screen")

    async def at(self, kind: str) -> None:
        """Wait until a screen of that class is in front and at rest."""
        await self.until(lambda: type(self.app.screen).__name__ == kind and self.app.screen.is_mounted, kind)
        await self.pilot.pause()


@asynccontextmanager
async def driven(
    session: FixedSession,
    environment: str | None = PRODUCTION,
    *,
    read_only: bool = False,
    size: tuple[int, int] = (100, 30),
    live: bool = True,
    environ: Mapping[str, str] = ENVIRON,
) -> AsyncIterator[Driver]:
    """The console running without a terminal, once its first live values are drawn."""
    messages: list[Message] = []
    app = console(session, environment, read_only, environ)
    async with app.run_test(size=size, message_hook=messages.append, notifications=True) as pilot:
        driver = Driver(app, pilot, messages)
        if live:
            await driver.until(lambda: bool(app.bridge.known.runs), "the first live values")
            await pilot.pause()
        yield driver
