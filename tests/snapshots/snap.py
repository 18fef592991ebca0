"""The fixture's value: run an app without a terminal at some sizes, and compare what it shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from tests.snapshots.picture import screen_picture
from tests.snapshots.serialise import screen_text

SIZES = ((80, 24), (160, 48))
SETTLE_S = 20.0
"""A screen that has not come to rest by then is a failure: something on it moves by itself."""


class ScreenText(SingleFileSnapshotExtension):
    """One text file a screen."""

    file_extension = "txt"
    _write_mode = WriteMode.TEXT


class ScreenPicture(SingleFileSnapshotExtension):
    """One SVG file a screen."""

    file_extension = "svg"
    _write_mode = WriteMode.TEXT


Doing = Callable[[Pilot[Any]], Awaitable[None]]


class Snap:
    """Called with a function that makes a fresh app; fails where a screen differs from the stored one."""

    def __init__(self, snapshot: SnapshotAssertion) -> None:
        self._text = snapshot.use_extension(ScreenText)
        self._picture = snapshot.use_extension(ScreenPicture)

    def __call__(
        self,
        make_app: Callable[[], App[Any]],
        *,
        sizes: Iterable[tuple[int, int]] = SIZES,
        press: Iterable[str] = (),
        until: Callable[[App[Any]], bool] | None = None,
        do: Doing | None = None,
        then: Callable[[App[Any]], bool] | None = None,
        picture: tuple[int, int] | None = None,
        name: str = "",
    ) -> None:
        """Compare the app's screen at each size.

        `until` is polled before keys are pressed (the first data have come); `press` are keys; `do` is anything else
        to do with the pilot; `then` is polled after both, for what a screen fetches by itself. `picture`: a size at
        which an SVG is kept too. `name` tells several calls of one test apart.
        """
        for columns, rows in sizes:
            text, svg = asyncio.run(_take(make_app(), (columns, rows), tuple(press), until, do, then))
            title = f"{name} {columns}x{rows}".strip()
            assert text == self._text(name=title)
            if picture == (columns, rows):
                assert svg == self._picture(name=title)


async def _take(
    app: App[Any],
    size: tuple[int, int],
    press: tuple[str, ...],
    until: Callable[[App[Any]], bool] | None,
    do: Doing | None,
    then: Callable[[App[Any]], bool] | None,
) -> tuple[str, str]:
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await _wait(pilot, until or (lambda _: True))
        for key in press:
            await pilot.press(key)
        if do is not None:
            await do(pilot)
        if then is not None:
            await _wait(pilot, then)
        await _rest(pilot)
        return screen_text(app), screen_picture(app)


async def _wait(pilot: Pilot[Any], until: Callable[[App[Any]], bool]) -> None:
    ends = time.monotonic() + SETTLE_S
    await pilot.pause()
    while not until(pilot.app):
        assert time.monotonic() < ends, f"what the picture waits for did not come within {SETTLE_S:.0f} s"
        await pilot.pause(0.02)


async def _rest(pilot: Pilot[Any]) -> None:
    """Until the screen is the same three times running. Blinking cursors are made to stand still."""
    ends = time.monotonic() + SETTLE_S
    seen: list[str] = []
    while len(seen) < 3 or len(set(seen[-3:])) > 1:
        assert time.monotonic() < ends, "the screen does not come to rest: something on it moves by itself"
        for field in pilot.app.screen.query("Input, TextArea"):
            if isinstance(field, Input | TextArea):
                field.cursor_blink = False
        await pilot.pause(0.03)
        seen.append(screen_text(pilot.app))
