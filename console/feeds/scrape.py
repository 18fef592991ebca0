"""Metrics scraped directly from `/metrics`, for systems without Prometheus and for when it is down.

Computes what the panels need itself as readings come: value, rate with counter resets, quantile from histogram
buckets; keeps points, not pages. Parsing is prometheus_client's own parser (70 kB in about 20 ms). Blocking; called
from worker threads.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import httpx

from console.feeds.prometheus import FeedError
from console.text.sanitise import clean
from profiles.models import Metric

Labels = tuple[tuple[str, str], ...]
BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of one answer; an exporter that sends more is refused, not cut."""
SIDE_BY_SIDE = 8
"""Targets that are read at the same time."""


@dataclass(frozen=True, slots=True)
class Scraped:
    """One reading of one target: when, and every sample by name and labels."""

    at: float
    samples: Mapping[str, tuple[tuple[Labels, float], ...]]


def parse(text: str, at: float, target: str) -> Scraped:
    """The exposition format as samples. `at` in unix seconds. Raises FeedError for anything else."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, list[tuple[Labels, float]]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = tuple(sorted((clean(k), clean(v)) for k, v in sample.labels.items()))
                found.setdefault(sample.name, []).append((labels, float(sample.value)))
    except (ValueError, KeyError, IndexError) as error:
        raise FeedError(
            "not_prometheus", f"What {target} answers is not in the exposition format: {clean(str(error), 200)}."
        ) from error
    return Scraped(at, {name: tuple(rows) for name, rows in found.items()})


class Figure:
    """One figure of the profile, computed as readings come: keeps its points, and samples only for its window."""

    def __init__(self, metric: Metric, keep: int) -> None:
        self.metric = metric
        self.points: deque[tuple[float, float | None]] = deque(maxlen=keep)
        self._recent: deque[tuple[float, dict[Labels, float]]] = deque()
        self._below = Figure(metric.divide_by, 1) if metric.divide_by is not None else None

    def take(self, at: float, readings: Mapping[str, Scraped]) -> None:
        """Add the point of this moment. `readings`: what each target that answered gave."""
        value = self._value(at, readings)
        if self._below is not None:
            self._below.take(at, readings)
            under = self._below.points[-1][1]
            value = value / under if value is not None and under else None
        self.points.append((at, value))

    def _value(self, at: float, readings: Mapping[str, Scraped]) -> float | None:
        metric = self.metric
        name = f"{metric.metric}_bucket" if metric.function == "quantile" else metric.metric
        now = {
            (("target", target), *labels): value
            for target, one in readings.items()
            for labels, value in one.samples.get(name, ())
            if math.isfinite(value) and _matches({**dict(labels), "target": target}, metric.match)
        }
        if metric.function == "value":
            return _combined(now.values(), metric.combine)
        self._recent.append((at, now))
        while len(self._recent) > 2 and self._recent[1][0] <= at - metric.window:
            self._recent.popleft()
        # A series that is not in the newest reading has no rate at its time: the window still holds what it was before.
        grown = {labels: rate for labels, rate in increases(self._recent).items() if labels in now}
        if metric.function == "rate":
            return _combined(grown.values(), metric.combine)
        buckets: dict[float, float] = {}
        for labels, rate in grown.items():
            bound = _bound(dict(labels).get("le", ""))
            if bound is not None:
                buckets[bound] = buckets.get(bound, 0.0) + rate
        return quantile_of(metric.quantile, sorted(buckets.items()))


class ScrapeFeed:
    """Targets that are read together, and the figures made of them."""

    def __init__(
        self,
        targets: Mapping[str, str],
        metrics: Sequence[Metric],
        client: Callable[[str], httpx.Client],
        keep: int = 720,
    ) -> None:
        """`targets`: URL by name; `client`: HTTP client for a target's name; `keep`: points kept of a figure."""
        self._targets = dict(targets)
        self._client = client
        self._figures = [Figure(metric, keep) for metric in metrics]

    def look(self, at: float) -> list[FeedError]:
        """Read every target once, at `at` (unix seconds); the problems of those that failed. Each failure is a gap.

        Targets are read side by side: one that hangs holds up nobody but the end of this look. As in Prometheus each
        target has a figure `up`: 1 if it answered, 0 if not.
        """
        readings: dict[str, Scraped] = {}
        problems: list[FeedError] = []
        with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(self._targets) or 1), "scrape") as pool:
            outcomes = pool.map(lambda name: self._tried(name, self._targets[name], at), self._targets)
            for name, outcome in zip(self._targets, outcomes, strict=True):
                if isinstance(outcome, FeedError):
                    problems.append(outcome)
                    readings[name] = Scraped(at, {"up": (((), 0.0),)})
                else:
                    readings[name] = Scraped(at, {**outcome.samples, "up": (((), 1.0),)})
        for figure in self._figures:
            figure.take(at, readings)
        return problems

    def points(self, index: int) -> tuple[tuple[float, float | None], ...]:
        """The points of the figure at `index` of the metrics given, oldest first."""
        return tuple(self._figures[index].points)

    def _tried(self, name: str, url: str, at: float) -> Scraped | FeedError:
        try:
            return parse(self._page(name, url), at, url)
        except FeedError as error:
            return error

    def _page(self, name: str, url: str) -> str:
        """What the target answers. Raises FeedError."""
        try:
            with self._client(name).stream("GET", url) as response:
                if response.status_code in (401, 403):
                    raise FeedError("auth", f"{url} wants a login (HTTP {response.status_code}).")
                if response.status_code != 200:
                    raise FeedError("failed", f"{url} answered HTTP {response.status_code}.")
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > BODY_LIMIT:
                        raise FeedError("failed", f"{url} sent more than {BODY_LIMIT} bytes.")
        except httpx.TimeoutException as error:
            raise FeedError("timeout", f"{url} did not answer in time.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = clean(str(error)).rstrip(".") or type(error).__name__
            raise FeedError("unreachable", f"{url} cannot be reached: {why}.") from error
        return bytes(body).decode("utf-8", "replace")


def _matches(have: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Labels match as the profile says: each regular expression fits the whole value; a missing label is empty."""
    return all(re.fullmatch(pattern, have.get(name, "")) is not None for name, pattern in wanted.items())


def _combined(values: Iterable[float], how: str) -> float | None:
    """Several series as one figure; None where there is none, which is not zero."""
    known = list(values)
    if not known:
        return None
    match how:
        case "avg":
            return sum(known) / len(known)
        case "min":
            return min(known)
        case "max":
            return max(known)
        case _:
            return sum(known)


def increases(readings: Iterable[tuple[float, Mapping[Labels, float]]]) -> dict[Labels, float]:
    """Increase a second of each series over consecutive readings (time, value by series).

    Counts only neighbours that both have the series; a counter that went down was reset and counts from zero. Empty
    where no series is in two neighbours: no data, which is not a rate of zero.
    """
    grown: dict[Labels, float] = {}
    seconds: dict[Labels, float] = {}
    for (begin, before), (end, after) in pairwise(readings):
        for labels in before.keys() & after.keys():
            step = after[labels] - before[labels]
            grown[labels] = grown.get(labels, 0.0) + (step if step >= 0 else after[labels])
            seconds[labels] = seconds.get(labels, 0.0) + end - begin
    return {labels: value / seconds[labels] for labels, value in grown.items() if seconds[labels] > 0}


def _bound(le: str) -> float | None:
    try:
        return float(le)
    except ValueError:
        return None


def quantile_of(q: float, buckets: Sequence[tuple[float, float]]) -> float | None:
    """The q-quantile from cumulative (upper bound, rate) pairs in order, as Prometheus does it; None without data."""
    if len(buckets) < 2 or buckets[-1][1] <= 0:
        return None
    rank = q * buckets[-1][1]
    lower, below = 0.0, 0.0
    for bound, rate in buckets:
        if rate >= rank:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * ((rank - below) / (rate - below) if rate > below else 0.0)
        lower, below = bound, rate
    return lower
