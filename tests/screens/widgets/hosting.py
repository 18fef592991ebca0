"""A bare app around one widget, and what is on its screen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget

from screens.theme import register_themes


class Host(App[None]):
    """Shows the widgets, in the theme of the console."""

    def __init__(self, *widgets: Widget) -> None:
        super().__init__()
        self._widgets = widgets

    def compose(self) -> ComposeResult:
        yield from self._widgets

    def on_mount(self) -> None:
        register_themes(self, {"QUARTERDECK_THEME": "quarterdeck"})


def screen_of(app: App[Any]) -> list[str]:
    """The characters on the screen, one text a line, blanks at the end cut."""
    return ["".join(segment.text for segment in strip).rstrip() for strip in app.screen._compositor.render_strips()]


def shown(
    widget: Widget, do: Callable[[Pilot[Any]], Awaitable[None]] | None = None, size: tuple[int, int] = (40, 10)
) -> list[str]:
    """The screen of an app with one widget, after `do`."""

    async def run() -> list[str]:
        app = Host(widget)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            if do is not None:
                await do(pilot)
            await pilot.pause()
            return screen_of(app)

    return asyncio.run(run())
