"""Keys that come in one burst (a slow line, quick hands) are given one after the other, what is pasted among them.

Textual hands every key at once to what has the focus. What a key changes happens later: the focus goes on to the next
field, a screen opens. Keys of the same burst would still go to the field, or the screen, before it: a reason typed as
the word that confirms. So a key is kept until the one before it has gone through everything that could take it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from textual import events
from textual.app import App

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from textual.message_pump import MessagePump
    from textual.timer import Timer

PRESSED = (
    events.Key, events.Paste, events.MouseDown, events.MouseUp, events.MouseScrollDown, events.MouseScrollUp,
)  # fmt: skip
"""What a person does one after the other."""
TAKEN_S = 0.5
"""How long a key waits at most for the one before it: what holds that up longer holds this one up by itself."""


class BurstOfKeys:
    """Whether a key just given is still on its way, and the keys that wait for it."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._waiting: deque[events.Event] = deque()
        self._next_one: events.Event | None = None
        """The one of them whose turn it is: it was posted again, behind what else the app has to do."""
        self._on_its_way = 0
        """Number of the key that is on its way; 0: none is."""
        self._given = 0
        self._late: Timer | None = None
        self._deaf = False
        """Whether keys are dropped: they were pressed for somebody else."""

    def holds(self, key: events.Event) -> bool:
        """Whether this key, or click between keys, has to wait. If not, it is given now by the caller."""
        if self._deaf:
            return True
        if key is self._next_one:
            self._next_one = None
        elif self._on_its_way or self._next_one is not None:
            self._waiting.append(key)
            self._not_for_ever()
            return True
        elif isinstance(key, events.MouseEvent):
            return False  # it goes where the mouse is, whatever it changes
        self._given += 1
        self._on_its_way = self._given
        self._app.call_next(self._through, partial(self._next, self._given), self._pumps())
        self._not_for_ever()
        return False

    def _not_for_ever(self) -> None:
        """Those that wait are given some time, also where what the key went to is gone with it."""
        if self._waiting and self._on_its_way and self._late is None:
            number = self._on_its_way
            self._late = self._app.set_timer(TAKEN_S, lambda: self._next(number))

    def drop(self, then: Callable[[], None]) -> None:
        """Forget those that wait and those that lie in the app's queue; `then`: once what is on its way is through."""
        self._waiting.clear()
        self._next_one = None
        self._deaf = True

        def hear() -> None:
            self._deaf = False

        def on(rounds: int) -> None:
            if rounds:
                loop.call_soon(on, rounds - 1)
                return
            self._app.call_later(hear)
            self._app.call_later(self._through, then, self._pumps())

        # What the terminal's reader has posted already is in the queue two rounds later.
        loop = asyncio.get_running_loop()
        on(3)

    def _pumps(self) -> list[MessagePump]:
        """Every queue that a key may come to: the last is the app's, where bindings are."""
        return [*(self._app.focused or self._app.screen).ancestors_with_self]

    def _through(self, then: Callable[[], None], pumps: list[MessagePump]) -> None:
        """Behind a key through these queues."""
        while pumps:
            pump = pumps.pop(0)
            if pump.call_later(self._through, then, pumps):
                return
        # A screen that has just opened gives the focus to its first field.
        if not self._app.screen_stack or not self._app.screen.call_later(then):
            then()

    def _next(self, number: int) -> None:
        """Give the next key, unless somebody did meanwhile."""
        if number != self._on_its_way or self._next_one is not None:
            return
        self._on_its_way = 0
        if self._late is not None:
            self._late.stop()
            self._late = None
        if self._waiting:
            self._next_one = self._waiting.popleft()
            self._app.post_message(self._next_one)
