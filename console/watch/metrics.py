"""Reads an environment's panels again and again: from Prometheus, or straight from its targets."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from console.credentials.errors import CredentialError
from console.environment import FieldMissing
from console.watch.looks import grid, merged, panel_view
from console.watch.views import MetricsView, PanelView

if TYPE_CHECKING:
    import httpx

    from console.environment import Environment
    from console.feeds.prometheus import PrometheusFeed
    from profiles.models import Panel, ScrapeFeed
    from profiles.models import PrometheusFeed as PrometheusConfig

Publish = Callable[[MetricsView], None]
Points = tuple[tuple[float, float | None], ...]
Past = dict[int, Points]
"""The points of each panel, by its place, that were read straight from targets."""
COLUMNS = 60
"""Charts are about so wide: the step is chosen for it."""
AGAIN_WHOLE_S = 600.0
"""A panel is read whole so often; in between only what is new."""


_AWAY = ("unreachable", "timeout", "auth", "tls", "not_prometheus", "overloaded")
"""Failures of the server, not of one query."""
_SECRET_ERRORS = (CredentialError, FieldMissing)


def watch_metrics(environment: Environment, publish: Publish, stop: threading.Event, past: Past | None = None) -> None:
    """Publish the panels every few seconds until `stop`; once that there are none where the profile names none.

    `past`: what was read when these panels were watched before, where nobody else keeps it; it is kept up.
    """
    feed = environment.config.feeds.metrics
    panels = environment.config.panels
    if feed is None or not panels:
        publish(MetricsView(problem="the profile names no metrics" if feed is None else "the profile names no panels"))
        return
    if feed.kind == "prometheus":
        _Prometheus(environment, feed, panels).loop(publish, stop)
    else:
        _scrape(environment, feed, panels, publish, stop, past if past is not None else {})


class _Prometheus:
    """Panels from a Prometheus server, each refreshed by its newest part."""

    def __init__(self, environment: Environment, feed: PrometheusConfig, panels: tuple[Panel, ...]) -> None:
        self._environment = environment
        self._feed = feed
        self._panels = panels
        self._views: list[PanelView] = [panel_view(panel, ()) for panel in panels]
        self._points: list[tuple[tuple[float, float | None], ...]] = [() for _ in panels]
        self._whole_at = [0.0 for _ in panels]
        self._next = 0
        self._client: PrometheusFeed | None = None

    def loop(self, publish: Publish, stop: threading.Event) -> None:
        source = f"Prometheus {self._feed.url}" + (f" via {self._feed.via}" if self._feed.via else "")
        try:
            while not stop.is_set():
                began = time.monotonic()
                problem = self._look(time.time(), stop)
                publish(
                    MetricsView(
                        source=source,
                        panels=tuple(self._views),
                        at=max((view.at for view in self._views), default=0.0),
                        problem=problem,
                    )
                )
                stop.wait(max(min(0.5, self._feed.every), self._feed.every - (time.monotonic() - began)))
        finally:
            if self._client is not None:
                self._client.close()

    def _look(self, now: float, stop: threading.Event) -> str:
        """Read every panel, beginning after the one that ended the last look: a slow one must not starve the rest."""
        order = [(self._next + n) % len(self._panels) for n in range(len(self._panels))]
        for place, index in enumerate(order):
            if stop.is_set():
                return ""
            try:
                problem = self._read(index, now)
            except (*_SECRET_ERRORS, OSError) as error:
                problem = str(error)
            if problem:
                self._next = (index + 1) % len(self._panels)
                return self._all_away(problem, order[place:])
        return ""

    def _read(self, index: int, now: float) -> str:
        """Read one panel. What it gives back is why none can be read now, or empty."""
        from console.feeds.prometheus import FeedError, step_for

        panel = self._panels[index]
        if panel.query is None:
            self._views[index] = panel_view(panel, (), problem="needs a `query` to be read from Prometheus")
            return ""
        step = step_for(panel.range, COLUMNS, 5.0)
        since = math.floor((now - panel.range) / step) * step
        known = self._points[index]
        whole = now - self._whole_at[index] > AGAIN_WHOLE_S or not known
        start = since if whole else max(since, known[-1][0] - step)
        try:
            answer = self._connected().range(panel.query, start, now, step)
        except FeedError as error:
            view = panel_view(panel, known, since=since)
            self._views[index] = view._replace(problem=str(error), stale=True)
            return str(error) if error.kind in _AWAY else ""
        if whole:
            self._whole_at[index] = now
        self._points[index] = merged(() if whole else known, answer, since, grid(start, now, step))
        self._views[index] = panel_view(
            panel,
            self._points[index],
            partial=bool(answer.warnings),
            problem="; ".join(answer.warnings),
            since=since,
            expected=now - 3 * step,
        )
        return ""

    def _all_away(self, problem: str, left: Sequence[int]) -> str:
        """The server itself is away: the panels left keep their last values, from when they are, as stale."""
        for index in left:
            self._views[index] = self._views[index]._replace(problem=problem, stale=True)
        return problem

    def _connected(self) -> PrometheusFeed:
        if self._client is None:
            from console.feeds.prometheus import PrometheusFeed
            from console.probes.request import login_headers

            via = self._environment.hosts[self._feed.via] if self._feed.via else None
            self._client = PrometheusFeed(
                self._feed.url,
                via=via,
                headers=login_headers(self._feed.auth, self._environment.secret_field),
                ca_file=self._feed.ca,
                read_s=self._feed.timeout,
            )
        return self._client


def _scrape(
    environment: Environment,
    feed: ScrapeFeed,
    panels: tuple[Panel, ...],
    publish: Publish,
    stop: threading.Event,
    past: Past,
) -> None:
    """Panels computed from the targets' own pages. The past begins when somebody looks for the first time."""
    from console.feeds.prometheus import FeedError
    from console.feeds.scrape import ScrapeFeed as Targets
    from console.hosts.http import client as http_client
    from console.probes.request import login_headers

    drawn = [(panel, panel.scrape) for panel in panels if panel.scrape is not None]
    clients: dict[str, httpx.Client] = {}
    by_name = {target.name: target for target in feed.targets}

    def client(name: str) -> httpx.Client:
        if name not in clients:
            target = by_name[name]
            via = environment.hosts[target.via] if target.via else None
            try:
                made = http_client(via, timeout_s=target.timeout, ca_file=target.ca)
                made.headers.update(login_headers(target.auth, environment.secret_field))
            except (*_SECRET_ERRORS, OSError) as error:
                raise FeedError("auth", str(error)) from error
            clients[name] = made
        return clients[name]

    longest = max((panel.range for panel, _ in drawn), default=900.0)
    targets = Targets(
        {target.name: target.url for target in feed.targets},
        [metric for _, metric in drawn],
        client,
        keep=max(10, int(longest / feed.every) + 1),
    )
    source = f"direct scrape of {', '.join(by_name)}"
    before = dict(past)
    try:
        while not stop.is_set():
            began, now = time.monotonic(), time.time()
            problems = targets.look(now)
            away = str(problems[0]) if problems and len(problems) == len(by_name) else ""
            some = "; ".join(str(one) for one in problems)
            drawing = iter(range(len(drawn)))
            views = []
            for place, panel in enumerate(panels):
                if panel.scrape is None:
                    views.append(panel_view(panel, (), problem="needs a `scrape` to be read without a Prometheus"))
                    continue
                points = continued(before.get(place, ()), targets.points(next(drawing)), 2 * feed.every)
                if not stop.is_set():
                    past[place] = tuple(point for point in points if point[0] >= now - panel.range)
                view = panel_view(
                    panel,
                    points,
                    since=now - panel.range,
                    expected=now - 2 * feed.every,
                    partial=bool(problems),
                )
                # What says that nobody answers is itself a value of now.
                about_up = panel.scrape.metric == "up"
                views.append(view._replace(problem=away, stale=True) if away and not about_up else view)
            newest = max((view.at for view in views), default=0.0)
            publish(MetricsView(source, tuple(views), newest, problem=away or some))
            stop.wait(max(min(0.5, feed.every), feed.every - (time.monotonic() - began)))
    finally:
        for one in clients.values():
            one.close()


def continued(before: Points, points: Points, apart: float) -> Points:
    """Points of now after those of before; more than `apart` seconds between them are a gap, not a line."""
    if before and points and points[0][0] - before[-1][0] > apart:
        return (*before, ((before[-1][0] + points[0][0]) / 2, None), *points)
    return before + points
