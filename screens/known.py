"""What the console knows right now: the latest plain values, as every screen draws them. No Textual, no asking."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from console.watch.views import EnvironmentView, left_to_a_person
from screens.theme import BRAILLE, Symbols

if TYPE_CHECKING:
    from console.feeds.line import LogLine
    from console.session import Happening, Session
    from console.watch.views import ChecklistView, MetricsView, RunLine, SystemView

LOG_LINES = 20_000
"""Lines kept for each environment: what a person scrolls back to. Older ones are read from the source again."""
EVENTS = 500


class News:
    """What the session told since the last time it was looked at; a newer value replaces an older one."""

    def __init__(self, system: SystemView | None = None) -> None:
        self.system = system
        self.environments: dict[str, EnvironmentView] = {}
        self.metrics: dict[str, MetricsView] = {}
        self.checklists: dict[str, ChecklistView] = {}
        self.logs: dict[str, list[LogLine]] = {}
        self.runs: tuple[RunLine, ...] | None = None
        self.events: list[Happening] = []


class Known:
    """The newest values by environment, in the profile's order of environments."""

    def __init__(self) -> None:
        self.title = ""
        self.order: tuple[str, ...] = ()
        self.environments: dict[str, EnvironmentView] = {}
        self.metrics: dict[str, MetricsView] = {}
        self.checklists: dict[str, ChecklistView] = {}
        self.logs: dict[str, deque[LogLine]] = {}
        self.tails: dict[str, tuple[str, ...]] = {}
        """The last log lines of the session before, until live ones come."""
        self.runs: tuple[RunLine, ...] = ()
        self.events: deque[Happening] = deque(maxlen=EVENTS)

    def take(self, news: News) -> None:
        """Make the news part of what is known. A live value always replaces a remembered one."""
        if news.system is not None:
            self.title = news.system.title or news.system.system
            self.order = tuple(one.name for one in news.system.environments)
            for one in news.system.environments:
                if one.name not in self.environments or self.environments[one.name].stale or one.at:
                    self.environments[one.name] = one
            for name, tail in news.system.logs.items():
                self.tails.setdefault(name, tail)
            for name, metrics in news.system.metrics.items():
                self.metrics.setdefault(name, metrics)
            for name, checklist in news.system.checklists.items():
                self.checklists.setdefault(name, checklist)
        self.environments.update(news.environments)
        self.metrics.update(news.metrics)
        self.checklists.update(news.checklists)
        for name, lines in news.logs.items():
            self.logs.setdefault(name, deque(maxlen=LOG_LINES)).extend(lines)
        if news.runs is not None:
            self.runs = news.runs
        self.events.extend(news.events)

    def environment(self, name: str) -> EnvironmentView:
        """What is known of an environment: never nothing. A lock seen before its run was over is none any more."""
        view = self.environments.get(name) or EnvironmentView(name, name, production=False, colour="")
        if view.lock is not None and any(
            one.id == view.lock.run and one.state not in UNFINISHED and view.at < one.started + one.took_s
            for one in self.runs
        ):
            return view._replace(lock=None)
        return view

    def all(self) -> tuple[EnvironmentView, ...]:
        """Every environment in the profile's order."""
        return tuple(self.environment(name) for name in self.order)

    def running(self, environment: str) -> RunLine | None:
        """The run that works in this environment now, or waits there for a person."""
        for run in self.runs:
            if run.environment == environment and run.state in UNFINISHED and run.state not in PARKED:
                return run
        return None

    def parked(self, environment: str) -> list[RunLine]:
        """The runs of this environment that wait without it."""
        return [run for run in self.runs if run.environment == environment and run.state in PARKED]

    def left_to_a_person(self, environment: str) -> RunLine | None:
        """The run that NEEDS A HUMAN there still."""
        return left_to_a_person(self.runs, environment)

    def neighbour(self, environment: str, step: int) -> str:
        """The environment so many places further in the profile's order, round the corner."""
        if environment not in self.order:
            return self.order[0] if self.order else environment
        return self.order[(self.order.index(environment) + step) % len(self.order)]


PARKED = frozenset({"parked", "parked, due"})
UNFINISHED = PARKED | {
    *("running", "undoing", "waiting for you", "interrupted", "waiting for unlock", "created, not begun"),
}
"""States of a run that is not over: the words of `console.runs.seen.Seen.state`."""


class Bridge:
    """What every screen is given: whom to ask and what is known. Which environment is shown is the screen's own."""

    def __init__(self, session: Session, known: Known, read_only: bool = False) -> None:
        self.session = session
        self.known = known
        self.read_only = read_only
        self.clock: Callable[[], float] = time.time
        """Unix seconds; fixed in pictures."""
        self.symbols: Symbols = BRAILLE

    def armed(self, environment: str) -> bool:
        """Whether changes to this environment are allowed at this moment."""
        until = None if self.read_only else self.session.armed_until(environment)
        return until is not None and until > self.clock()

    def armed_until(self, environment: str) -> float | None:
        """Until when changes are allowed (unix seconds), or None."""
        return self.session.armed_until(environment) if self.armed(environment) else None
