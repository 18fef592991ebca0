"""The session's listener: called from any thread, any number of times; the screens hear of it a few times a second.

A newer view of the same thing replaces an older one that nobody has looked at yet, and log lines are collected, so that
a flood of ten thousand lines a second is a handful of paints.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from screens.known import LOG_LINES, News

if TYPE_CHECKING:
    from console.feeds.line import LogLine
    from console.session import Happening
    from console.watch.views import ChecklistView, EnvironmentView, MetricsView, RunLine, SystemView


class Ears:
    """Implements `console.session.Listener`. `wake` is called, from the caller's thread, once for each heap of news."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._news = News()
        self._waiting = False

    def take(self) -> News:
        """The heap so far; a new one begins."""
        with self._lock:
            news, self._news, self._waiting = self._news, News(), False
        return news

    def _heard(self) -> bool:
        """Whether this is the first of a heap; the lock is held."""
        first, self._waiting = not self._waiting, True
        return first

    def system(self, view: SystemView) -> None:
        """The profile was read."""
        with self._lock:
            self._news.system = view
            first = self._heard()
        self._called(first)

    def environment(self, view: EnvironmentView) -> None:
        """An environment was looked at."""
        with self._lock:
            self._news.environments[view.name] = view
            first = self._heard()
        self._called(first)

    def metrics(self, environment: str, view: MetricsView) -> None:
        """Its metrics were read."""
        with self._lock:
            self._news.metrics[environment] = view
            first = self._heard()
        self._called(first)

    def checklist(self, environment: str, view: ChecklistView) -> None:
        """Its checklist was read, or ticked."""
        with self._lock:
            self._news.checklists[environment] = view
            first = self._heard()
        self._called(first)

    def logs(self, environment: str, lines: list[LogLine]) -> None:
        """New lines of its logs; of a heap larger than what is kept, the oldest are dropped here already."""
        with self._lock:
            held = self._news.logs.setdefault(environment, [])
            held.extend(lines)
            if len(held) > LOG_LINES:
                del held[:-LOG_LINES]
            first = self._heard()
        self._called(first)

    def runs(self, lines: tuple[RunLine, ...]) -> None:
        """The list of runs changed."""
        with self._lock:
            self._news.runs = lines
            first = self._heard()
        self._called(first)

    def happened(self, what: Happening) -> None:
        """Something to tell the person."""
        with self._lock:
            self._news.events.append(what)
            first = self._heard()
        self._called(first)

    def _called(self, first: bool) -> None:
        if first:
            self._wake()
