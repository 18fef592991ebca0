"""Where live values come from: metrics, logs, alerts; and the panels that show them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from profiles.base import HostPath, LocalFile, Name, Seconds, Shape, Text, Url
from profiles.web import Auth, Regex

__all__ = [
    "AlertmanagerFeed",
    "DockerLogs",
    "Feeds",
    "FileLogs",
    "LogFile",
    "LogsFeed",
    "Metric",
    "MetricsFeed",
    "Panel",
    "PromQL",
    "PrometheusFeed",
    "ScrapeFeed",
    "ScrapeTarget",
    "Thresholds",
]


class _Endpoint(Shape):
    url: Url = Field(description="Its address, as seen from `via` when that is given.")
    via: Name | None = Field(default=None, description="Host through whose SSH connection it is reached.")
    auth: Auth | None = Field(default=None, description="How to log in there.")
    ca: LocalFile | None = Field(default=None, description="Certificate authority file here.")
    timeout: Seconds = Field(default=8.0, description="How long one answer may take.")


class PrometheusFeed(_Endpoint):
    """Metrics from a Prometheus server."""

    kind: Literal["prometheus"] = Field(description="A Prometheus server.")
    every: Seconds = Field(default=5.0, description="How often the panels are read.")


class ScrapeTarget(_Endpoint):
    """One /metrics page."""

    name: Name = Field(description="Its name, shown as the label `target`.")


class ScrapeFeed(Shape):
    """Metrics read directly from /metrics pages, without a Prometheus server."""

    kind: Literal["scrape"] = Field(description="Direct scrape.")
    targets: tuple[ScrapeTarget, ...] = Field(min_length=1, description="The pages to read.")
    every: Seconds = Field(default=5.0, description="How often they are read.")


MetricsFeed = Annotated[PrometheusFeed | ScrapeFeed, Field(discriminator="kind")]


class DockerLogs(Shape):
    """Logs of the stack's containers, from the engine."""

    kind: Literal["docker"] = Field(description="Container logs.")
    services: tuple[Name, ...] = Field(default=(), description="Services to follow. Default: all.")
    tail: Annotated[int, Field(ge=0, le=100_000)] = Field(default=500, description="Lines to begin with.")


class LogFile(Shape):
    """One log file on a host."""

    path: HostPath = Field(description="The file on the host. Variables: {directory} {service}.")
    service: Name | None = Field(default=None, description="Service it belongs to.")
    host: Name | None = Field(default=None, description="Host it is on. Default: every host of the environment.")


class FileLogs(Shape):
    """Logs from files on the hosts."""

    kind: Literal["files"] = Field(description="Log files.")
    files: tuple[LogFile, ...] = Field(min_length=1, description="The files to follow.")
    tail: Annotated[int, Field(ge=0, le=100_000)] = Field(default=500, description="Lines to begin with.")


LogsFeed = Annotated[DockerLogs | FileLogs, Field(discriminator="kind")]


class AlertmanagerFeed(_Endpoint):
    """Alerts from an Alertmanager."""

    kind: Literal["alertmanager"] = Field(description="An Alertmanager, API v2.")
    every: Seconds = Field(default=15.0, description="How often alerts are read.")


class Feeds(Shape):
    """Live sources of one environment."""

    metrics: MetricsFeed | None = Field(default=None, description="Prometheus, or direct scrape.")
    logs: LogsFeed | None = Field(default=None, description="Container logs or log files.")
    alerts: AlertmanagerFeed | None = Field(default=None, description="Alertmanager.")


def _promql(value: str) -> str:
    try:
        import promql_parser
    except ImportError:  # the package is a dependency; without it the server still checks the query
        return value
    try:
        promql_parser.parse(value)
    except ValueError as error:
        raise ValueError(f"is not PromQL: {' '.join(str(error).split())}") from None
    return value


PromQL = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_promql)]


class Metric(Shape):
    """One figure made from scraped samples, for feeds without a query language."""

    metric: Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")] = Field(
        description="Name of the metric; for quantile the histogram's name without _bucket."
    )
    function: Literal["value", "rate", "quantile"] = Field(
        default="value", description="value: as it is; rate: per second over `window`; quantile: from a histogram."
    )
    quantile: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.95, description="Which quantile.")
    match: dict[str, Regex] = Field(
        default_factory=dict, description="Labels and the regular expressions they must match in full."
    )
    combine: Literal["sum", "avg", "min", "max"] = Field(default="sum", description="How several series become one.")
    window: Seconds = Field(default=60.0, description="Window of rate and quantile.")
    divide_by: Metric | None = Field(default=None, description="A second figure to divide by, for ratios.")


class Thresholds(Shape):
    """When a figure is worth a look, and when it is bad."""

    warn: float | None = Field(default=None, description="Worth a look from here on.")
    bad: float | None = Field(default=None, description="Bad from here on.")
    direction: Literal["above", "below"] = Field(default="above", description="Whether high or low values are bad.")

    @model_validator(mode="after")
    def _order(self) -> Thresholds:
        if self.warn is None and self.bad is None:
            raise ValueError("says neither `warn` nor `bad`")
        if self.warn is not None and self.bad is not None:
            up = self.direction == "above"
            if (self.warn > self.bad) if up else (self.warn < self.bad):
                side = "below" if up else "above"
                raise ValueError(
                    f"would be bad before it warns: `warn` lies {side} `bad` where {self.direction} is bad"
                )
        return self

    def judge(self, value: float) -> Literal["good", "warn", "bad"]:
        """What a value means. A value exactly on a limit counts as past it."""
        if self.bad is not None and self._past(value, self.bad):
            return "bad"
        if self.warn is not None and self._past(value, self.warn):
            return "warn"
        return "good"

    def _past(self, value: float, limit: float) -> bool:
        return value >= limit if self.direction == "above" else value <= limit


class Panel(Shape):
    """One chart. `query` serves a Prometheus feed, `scrape` a direct one; both may be given."""

    title: Annotated[str, Field(min_length=1, max_length=60)] = Field(description="What it shows.")
    unit: Annotated[str, Field(max_length=12)] = Field(default="", description="Unit behind the number: ms, %, /s, B.")
    query: PromQL | None = Field(default=None, description="PromQL, for a Prometheus feed.")
    scrape: Metric | None = Field(default=None, description="The figure, for a direct scrape.")
    scale: float = Field(default=1.0, description="The value is multiplied by this before it is shown.")
    decimals: Annotated[int, Field(ge=0, le=6)] = Field(default=1, description="Digits after the point.")
    thresholds: Thresholds | None = Field(default=None, description="When it is worth a look and when bad; in `unit`.")
    range: Seconds = Field(default=900.0, description="How much of the past it shows.")
    help: Text = Field(default="", description="What it means and what to do when it is red.")

    @model_validator(mode="after")
    def _one(self) -> Panel:
        if self.query is None and self.scrape is None:
            raise ValueError("shows nothing: give it a `query` (Prometheus) or `scrape` (direct)")
        return self
