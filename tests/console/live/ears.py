"""A listener that keeps what it is told, and waits for it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from console.feeds.lines import LogLine
from console.session import Happening
from console.watch.views import ChecklistView, EnvironmentView, MetricsView, RunLine, SystemView


class Ears:
    """See `console.session.Listener`."""

    def __init__(self) -> None:
        self.environments: dict[str, EnvironmentView] = {}
        self.metric_views: dict[str, MetricsView] = {}
        self.checklists: dict[str, ChecklistView] = {}
        self.lines: list[LogLine] = []
        self.run_lines: tuple[RunLine, ...] = ()
        self.events: list[Happening] = []
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def system(self, view: SystemView) -> None:
        self._count("system")

    def environment(self, view: EnvironmentView) -> None:
        self.environments[view.name] = view
        self._count(view.name)

    def metrics(self, environment: str, view: MetricsView) -> None:
        self.metric_views[environment] = view
        self._count("metrics")

    def checklist(self, environment: str, view: ChecklistView) -> None:
        self.checklists[environment] = view
        self._count("checklist")

    def logs(self, environment: str, lines: list[LogLine]) -> None:
        with self._lock:
            self.lines.extend(lines)

    def runs(self, lines: tuple[RunLine, ...]) -> None:
        self.run_lines = lines
        self._count("runs")

    def happened(self, what: Happening) -> None:
        self.events.append(what)

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def counted(self, name: str) -> int:
        """How often something was told: an environment's name, or `metrics`, `checklist`, `runs`, `system`."""
        with self._lock:
            return self._counts[name]

    def healthy(self, name: str) -> bool:
        """Whether an environment was last seen healthy."""
        return name in self.environments and self.environments[name].word == "healthy"

    def until(self, test: Callable[[], bool], what: str, timeout: float = 20.0) -> None:
        """Poll until `test` holds."""
        ends = time.monotonic() + timeout
        while not test():
            assert time.monotonic() < ends, f"waited {timeout:g} s for {what}; events: {self.events}"
            time.sleep(0.02)
