"""Metrics from a Prometheus server, through prometheus-api-client, tamed.

What the library does by itself, measured on 0.7.2, and what is done about it here: three retries that turn a refused
connection into 6 s and a hanging one into 10 s (none: the console shows a failure at once and has its own back-off);
no deadline at all (one for connecting, one for the whole answer); warnings of a partial answer dropped (read from the
answer as it passes); a login page of a proxy surfaces as a JSON error (named for what it is); errors carry raw bytes
(one sentence each). Times are always given: the library's defaults were evaluated when it was imported.

Blocking; called from worker threads. Imported late: the library brings requests, 0.2 s.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.exceptions import ReadTimeoutError

from console.hosts.base import Host, HostError
from console.hosts.http import session
from console.text.sanitise import clean

Problem = Literal[
    "unreachable", "timeout", "auth", "tls", "bad_query", "too_many_points", "overloaded", "not_prometheus", "failed"
]
T = TypeVar("T")
MAX_POINTS = 11_000
"""Prometheus answers 400 to a range query of more points per series than this."""


class FeedError(Exception):
    """Why a feed has no value now: a kind for the program and a sentence for a person."""

    def __init__(self, kind: Problem, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Sampled:
    """One series of an answer: its labels and (unix seconds, value) pairs; NaN and infinities are None (a gap)."""

    labels: tuple[tuple[str, str], ...]
    points: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gave: possibly nothing, which is not zero, and possibly with warnings, which mean it is partial."""

    series: tuple[Sampled, ...]
    warnings: tuple[str, ...] = ()


def step_for(range_s: float, columns: int, scrape_s: float = 15.0) -> float:
    """A step in seconds that gives about two points a column, no finer than the scrape interval, from a round list.

    Aligned starts and round steps make consecutive refreshes give the same points.
    """
    wanted = max(scrape_s, range_s / max(1, 2 * columns), range_s / (MAX_POINTS - 1))
    for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400):
        if step >= wanted:
            return float(step)
    return float(math.ceil(wanted / 86400) * 86400)


class PrometheusFeed:
    """One Prometheus server, reached from here or `via` a host."""

    def __init__(
        self,
        url: str,
        *,
        via: Host | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
        connect_s: float = 2.0,
        read_s: float = 8.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._where = f"{self.url} via {via.name}" if via is not None else self.url
        self._session = session(via, connect_s=connect_s, ca_file=ca_file)
        self._session.hooks["response"].append(self._look)
        self._session.max_redirects = 0
        self._passing = threading.local()
        self._client = _Client(self.url, dict(headers or {}), self._session, (connect_s, read_s))

    def range(self, query: str, start_s: float, end_s: float, step_s: float) -> Answer:
        """The query over [start, end] (unix seconds, aligned here to whole steps). Raises FeedError."""
        first = math.floor(start_s / step_s) * step_s
        last = math.floor(end_s / step_s) * step_s
        result = self._ask(
            lambda: self._client.custom_query_range(
                query=query,
                start_time=datetime.fromtimestamp(first, UTC),
                end_time=datetime.fromtimestamp(last, UTC),
                step=f"{step_s:g}",
            )
        )
        return self._answer(result, "values")

    def instant(self, query: str) -> Answer:
        """The query now. Raises FeedError."""
        result = self._ask(lambda: self._client.custom_query(query=query))
        return self._answer(result, "value")

    def targets(self) -> list[dict[str, Any]]:
        """What the server scrapes and how that goes. Raises FeedError."""
        data = self._ask(lambda: self._client.get_targets(state="active"))
        return list(data.get("activeTargets", ())) if isinstance(data, dict) else []

    def alerts(self) -> list[dict[str, Any]]:
        """Pending and firing alerts as the server sees them. The library has no call for them. Raises FeedError."""
        return list(self._envelope("/api/v1/alerts").get("alerts", ()))

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def _envelope(self, path: str) -> dict[str, Any]:
        def get() -> dict[str, Any]:
            response = self._session.get(self.url + path, headers=self._client.headers, timeout=self._client.timeout)
            if response.status_code != 200:
                raise PrometheusApiClientException(f"HTTP Status Code {response.status_code}")
            data: dict[str, Any] = dict(response.json()["data"])
            return data

        return self._ask(get)

    def _look(self, response: requests.Response, *_args: Any, **_kwargs: Any) -> None:
        """Keeps warnings, status and error text of the answer that is passing, for `_ask` on the same thread."""
        self._passing.seen = _seen(response)

    def _ask(self, call: Callable[[], T]) -> T:
        self._passing.seen = _Seen()
        try:
            return call()
        except requests.exceptions.SSLError as error:
            raise FeedError("tls", _tls_sentence(self._where, _cause(error))) from error
        except requests.exceptions.ConnectionError as error:
            if isinstance(error, requests.exceptions.Timeout) or _is_timeout(error):
                raise self._late() from error
            raise FeedError("unreachable", f"{self._where} cannot be reached: {_cause(error)}.") from error
        except requests.exceptions.Timeout as error:
            raise self._late() from error
        except _STRANGE as error:
            raise self._named(error) from error

    def _late(self) -> FeedError:
        connect, read = self._client.timeout
        return FeedError(
            "timeout", f"{self._where} did not answer in time ({connect:g} s to connect, {read:g} s for the answer)."
        )

    def _named(self, error: Exception) -> FeedError:
        seen: _Seen = self._passing.seen
        status, where = seen.status, self._where
        if status in (401, 403):
            return FeedError("auth", f"{where} wants a login (HTTP {status}): name a credential in the profile.")
        if 300 <= status < 400:
            to = f" to {seen.location}" if seen.location else ""
            return FeedError("not_prometheus", f"{where} sends elsewhere{to} (HTTP {status}): is it a login page?")
        if status in (429, 502, 503, 504):
            return FeedError("overloaded", f"{where} is too busy (HTTP {status}): {seen.error or 'no reason given'}.")
        if not seen.envelope and status < 500:
            return FeedError(
                "not_prometheus", f"What answers at {where} is not Prometheus (HTTP {status}): is it a login page?"
            )
        if "exceeded maximum resolution" in seen.error:
            return FeedError("too_many_points", f"The range asked of {where} has too many points: {seen.error}.")
        if status in (400, 422):
            return FeedError("bad_query", f"{where} does not accept the query: {seen.error or 'no reason given'}.")
        return FeedError("failed", f"{where} failed (HTTP {status}): {seen.error or type(error).__name__}.")

    def _answer(self, result: Any, field: Literal["value", "values"]) -> Answer:
        seen: _Seen = self._passing.seen
        try:
            return Answer(tuple(_sampled(one, field) for one in _rows(result)), seen.warnings)
        except _STRANGE as error:
            raise self._named(error) from error


_STRANGE = (
    PrometheusApiClientException, requests.exceptions.RequestException, LookupError, ValueError, TypeError,
    AttributeError, OverflowError, RecursionError,
)  # fmt: skip
"""What the library or our own reading ends with when an answer is not what it should be."""
SHOWN = 300
"""Characters of a server's own words that a sentence shows."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What of an answer the library drops."""

    status: int = 0
    envelope: bool = False
    """It is the JSON object that Prometheus answers with."""
    warnings: tuple[str, ...] = ()
    error: str = ""
    location: str = ""


def _seen(response: requests.Response) -> _Seen:
    status = response.status_code
    try:
        body = response.json()
    except (ValueError, RecursionError):
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        said = " ".join(response.text.split()) if kind == "text/plain" else ""
        location = clean(response.headers.get("Location", "").partition("?")[0], SHOWN)
        return _Seen(status, error=clean(said, SHOWN).rstrip("."), location=location)
    if not isinstance(body, dict) or "status" not in body:
        return _Seen(status)
    notes = [*(body.get("warnings") or ()), *(body.get("infos") or ())]
    error = clean(str(body.get("error") or ""), SHOWN).rstrip(".")
    return _Seen(status, True, tuple(clean(str(text), SHOWN) for text in notes), error)


def _rows(result: Any) -> list[dict[str, Any]]:
    """The series of an answer; a scalar is one without labels. Raises TypeError for anything else."""
    if isinstance(result, list) and len(result) == 2 and not isinstance(result[0], dict | list):
        return [{"metric": {}, "value": result}]
    if not isinstance(result, list):
        raise TypeError("no list of series")
    return result


def _sampled(one: Mapping[str, Any], field: Literal["value", "values"]) -> Sampled:
    """One series. A native histogram has no `value`: no points. Raises what `_STRANGE` names for anything else."""
    if field == "values":
        pairs = one.get("values", ()) if "histograms" in one else one["values"]
    else:
        pairs = () if "histogram" in one else (one["value"],)
    labels = tuple(sorted((clean(str(k)), clean(str(v))) for k, v in one["metric"].items()))
    return Sampled(labels, tuple((float(at), number(value)) for at, value in pairs))


def number(text: object) -> float | None:
    """A sample's value; None for NaN, infinities and what is no number."""
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _cause(error: BaseException) -> str:
    """The innermost reason of a chain of connection errors, as one clean line."""
    for _ in range(10):
        if isinstance(error, HostError):  # a whole sentence of its own
            break
        within = (getattr(error, "reason", None), *error.args[::-1], error.__cause__, error.__context__)
        inner = next((one for one in within if isinstance(one, BaseException)), None)
        if inner is None:
            break
        error = inner
    return clean(str(error) or type(error).__name__, SHOWN).rstrip(".")


def _tls_sentence(where: str, why: str) -> str:
    why = why.split(" (_ssl.c")[0]
    if "certificate" in why.lower():
        why = why.split("certificate verify failed: ")[-1]
        return f"The certificate of {where} is not accepted: {why}; `ca` names the authority to trust."
    return f"{where} does not speak TLS as it should: {why}; is it plain http?"


def _is_timeout(error: BaseException) -> bool:
    """Whether a stall in the middle of an answer is behind it: requests calls that a lost connection."""
    return any(isinstance(one, ReadTimeoutError | TimeoutError) for one in (*error.args, error.__context__))


class _Client(PrometheusConnect):  # type: ignore[misc]
    """The library's client on our session. Its constructor mounts an adapter with retries over ours: put back here."""

    def __init__(
        self,
        url: str,
        headers: dict[str, str],
        ours: requests.Session,
        timeout: tuple[float, float],
    ) -> None:
        adapter = ours.get_adapter(url)
        super().__init__(url=url, headers=headers, session=ours, timeout=timeout)
        ours.mount(self.url, adapter)

    @property
    def timeout(self) -> tuple[float, float]:
        kept: tuple[float, float] = self._timeout
        return kept
