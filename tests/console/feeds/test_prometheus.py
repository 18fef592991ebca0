"""The Prometheus client tamed: each way in which a server fails has its kind, its sentence and its time bound.

The server is a real HTTP server that answers what Prometheus 2.42, proxies and login pages were measured to answer; the
lab asks a real Prometheus.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.feeds.prometheus import Answer, FeedError, PrometheusFeed, number, step_for
from tests.console.hosts.web import Door, Handler, Web, certificate, free_port, serving, tls

QUICK_S = 3.0
"""A failure that is known at once is told at once; the library's own retries take 6 s."""


def matrix(*series: dict[str, Any], **more: Any) -> str:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **more})


def one(*values: list[Any]) -> dict[str, Any]:
    return {"metric": {"job": "backend"}, "values": list(values)}


def refusal(error: str, kind: str = "bad_data") -> str:
    return json.dumps({"status": "error", "errorType": kind, "error": error})


def says(status: int, body: str, kind: str = "application/json", **headers: str) -> Callable[[Handler], None]:
    return lambda request: request.say(status, body, kind, **headers)


def hangs(request: Handler) -> None:
    request.server.over.wait(30)


def stalls_in_the_body(request: Handler) -> None:
    request.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"status":')
    request.server.over.wait(30)


def drips(request: Handler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n")
    while not request.server.over.wait(0.05):
        request.wfile.write(b" ")


def hangs_up(request: Handler) -> None:
    request.close_connection = True


def ask(feed: PrometheusFeed) -> Answer:
    now = time.time()
    return feed.range("up", now - 600, now, 10.0)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving(says(200, matrix())) as running:
        yield running


@pytest.fixture
def feed(web: Web) -> Iterator[PrometheusFeed]:
    made = PrometheusFeed(web.url, connect_s=1.0, read_s=0.5)
    yield made
    made.close()


LOGIN = "<html><title>Sign in</title></html>"
POINTS = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (hangs, "timeout", "did not answer in time"),
        (stalls_in_the_body, "timeout", "did not answer in time"),
        (drips, "timeout", "0.5 s for the answer"),
        (hangs_up, "unreachable", "cannot be reached: Remote end closed connection"),
        (says(503, "no healthy upstream", "text/plain"), "overloaded", "(HTTP 503): no healthy upstream."),
        (says(503, refusal("query timed out in expression evaluation", "timeout")), "overloaded", "query timed out in"),
        (says(502, "<html>Bad Gateway</html>", "text/html"), "overloaded", "(HTTP 502): no reason given."),
        (says(429, "slow down", "text/plain"), "overloaded", "slow down"),
        (says(401, "Unauthorized", "text/plain"), "auth", "wants a login (HTTP 401): name a credential"),
        (says(403, LOGIN, "text/html"), "auth", "wants a login (HTTP 403)"),
        (
            says(400, refusal('1:5: parse error: unexpected "}"')),
            "bad_query",
            "the query: 1:5: parse error: unexpected",
        ),
        (says(422, refusal("many-to-many matching", "execution")), "bad_query", "many-to-many matching."),
        (says(400, refusal(POINTS)), "too_many_points", "exceeded maximum resolution"),
        (says(200, LOGIN, "text/html"), "not_prometheus", "not Prometheus (HTTP 200): is it a login page?"),
        (says(200, '{"hello": 1}'), "not_prometheus", "is not Prometheus"),
        (says(200, "[1, 2]"), "not_prometheus", "is not Prometheus"),
        (says(404, "404 page not found", "text/plain"), "not_prometheus", "(HTTP 404)"),
        (says(302, "", Location="/login?back=%2F"), "not_prometheus", "sends elsewhere to /login (HTTP 302)"),
        (says(500, "boom", "text/plain"), "failed", "failed (HTTP 500): boom."),
        (says(200, '{"status": "success"}'), "failed", "failed (HTTP 200)"),
        (says(200, '{"status": "success", "data": []}'), "failed", "failed (HTTP 200)"),
        (says(200, matrix({"metric": {}})), "failed", "failed (HTTP 200)"),
        (says(200, matrix({"metric": {}, "values": [["x"]]})), "failed", "failed (HTTP 200)"),
    ],
)
def test_each_failure_has_its_kind_its_sentence_and_its_time(
    web: Web, feed: PrometheusFeed, answer: Callable[[Handler], None], kind: str, words: str
) -> None:
    web.answer = answer
    began = time.monotonic()
    with pytest.raises(FeedError) as caught:
        ask(feed)
    took = time.monotonic() - began
    assert (caught.value.kind, words in str(caught.value)) == (kind, True), str(caught.value)
    assert str(caught.value).count(web.url) == 1
    assert str(caught.value)[-1] in ".?"
    assert "\n" not in str(caught.value) and "object at 0x" not in str(caught.value)
    assert took < QUICK_S
    assert len(web.asked) == 1  # no retries


def test_refused_is_told_at_once() -> None:
    feed = PrometheusFeed(f"http://127.0.0.1:{free_port()}")
    began = time.monotonic()
    with pytest.raises(FeedError, match=r"cannot be reached: .*Connection refused\.$") as caught:
        ask(feed)
    assert caught.value.kind == "unreachable"
    assert time.monotonic() - began < QUICK_S


def test_a_name_that_does_not_exist_is_unreachable() -> None:
    with pytest.raises(FeedError, match="cannot be reached") as caught:
        ask(PrometheusFeed("http://nobody.invalid:9090"))
    assert caught.value.kind == "unreachable"


def test_a_host_in_between_that_is_gone_is_told_in_its_own_words() -> None:
    door: Any = Door(1)
    door.gone = True
    with pytest.raises(FeedError) as caught:
        ask(PrometheusFeed("http://127.0.0.1:9090", via=door))
    assert str(caught.value) == (
        "http://127.0.0.1:9090 via bastion cannot be reached: bastion does not answer any more."
    )


def test_certificates(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path, "127.0.0.1")
    with serving(says(200, matrix()), tls(crt, key)) as web:
        url = web.url.replace("http:", "https:")
        assert ask(PrometheusFeed(url, ca_file=str(crt))).series == ()
        with pytest.raises(FeedError) as caught:
            ask(PrometheusFeed(url))
        assert caught.value.kind == "tls"
        assert f"The certificate of {url} is not accepted: self-signed certificate; `ca` names" in str(caught.value)
    with serving(says(200, matrix())) as plain, pytest.raises(FeedError, match="is it plain http") as caught:
        ask(PrometheusFeed(plain.url.replace("http:", "https:")))
    assert caught.value.kind == "tls"


def test_what_follows_a_failure_is_not_coloured_by_it(web: Web, feed: PrometheusFeed) -> None:
    web.answer = says(400, refusal("bad"))
    with pytest.raises(FeedError):
        ask(feed)
    web.answer = says(200, matrix(one([1.0, "2"]), warnings=None))
    assert ask(feed).warnings == ()


def test_warnings_of_a_partial_answer_are_kept(web: Web, feed: PrometheusFeed) -> None:
    web.answer = says(200, matrix(one([1.0, "2"]), warnings=["store-2 \x1b[31mtimed out"], infos=["not a counter"]))
    assert ask(feed).warnings == ("store-2 timed out", "not a counter")


def test_warnings_of_two_threads_do_not_mix(web: Web, feed: PrometheusFeed) -> None:
    web.answer = lambda request: request.say(
        200, matrix(warnings=["w"] if "warned" in request.path else []), "application/json"
    )
    wrong: list[str] = []

    def go(query: str, expected: tuple[str, ...]) -> None:
        for _ in range(40):
            if feed.range(query, 0, 10, 1).warnings != expected:
                wrong.append(query)

    threads = [threading.Thread(target=go, args=args) for args in (("warned", ("w",)), ("fine", ())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_is_no_number_is_a_gap_and_nothing_is_not_zero(web: Web, feed: PrometheusFeed) -> None:
    web.answer = says(200, matrix(one([1, "1.5"], [2, "NaN"], [3, "+Inf"], [4, "-Inf"], [5, "0"])))
    assert ask(feed).series[0].points == ((1.0, 1.5), (2.0, None), (3.0, None), (4.0, None), (5.0, 0.0))
    web.answer = says(200, matrix())
    assert ask(feed).series == ()


def test_labels_from_outside_are_made_safe(web: Web, feed: PrometheusFeed) -> None:
    web.answer = says(200, matrix({"metric": {"path": "/\x1b]0;x\x07a"}, "values": [[1, "1"]]}))
    assert ask(feed).series[0].labels == (("path", "/a"),)


def test_times_are_whole_steps_and_the_query_travels_whole(web: Web, feed: PrometheusFeed) -> None:
    query = 'sum(rate(http_requests_total{path="/a b",code=~"5.."}[1m])) + 1'
    feed.range(query, 1000.7, 1099.9, 15.0)
    from urllib.parse import parse_qs, urlsplit

    asked = parse_qs(urlsplit(web.asked[0][0]).query)
    assert asked["query"] == [query]
    assert [float(asked[name][0]) for name in ("start", "end", "step")] == [990.0, 1095.0, 15.0]


def test_an_instant_query_takes_vectors_and_scalars(web: Web, feed: PrometheusFeed) -> None:
    def answer(data: dict[str, Any]) -> Callable[[Handler], None]:
        return says(200, json.dumps({"status": "success", "data": data}))

    web.answer = answer({"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [3.5, "7"]}]})
    assert feed.instant("x").series[0].points == ((3.5, 7.0),)
    web.answer = answer({"resultType": "scalar", "result": [3.5, "7"]})
    assert feed.instant("7").series[0].points == ((3.5, 7.0),)


def test_alerts_and_targets(web: Web, feed: PrometheusFeed) -> None:
    web.answer = says(200, json.dumps({"status": "success", "data": {"alerts": [{"state": "firing"}]}}))
    assert feed.alerts() == [{"state": "firing"}]
    web.answer = says(200, json.dumps({"status": "success", "data": {"activeTargets": [{"health": "up"}]}}))
    assert feed.targets() == [{"health": "up"}]
    web.answer = says(401, "")
    for call in (feed.alerts, feed.targets):
        with pytest.raises(FeedError, match="wants a login"):
            call()


def test_headers_are_sent_with_every_question_and_never_shown(web: Web) -> None:
    feed = PrometheusFeed(web.url, headers={"Authorization": "Bearer s3cret-token"})
    ask(feed)
    web.answer = says(401, "")
    with pytest.raises(FeedError) as caught:
        feed.alerts()
    assert [headers["Authorization"] for _, headers in web.asked] == ["Bearer s3cret-token"] * 2
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("range_s", "columns", "scrape_s", "step"),
    [
        (900, 60, 5, 10),
        (900, 60, 15, 15),
        (3600, 60, 15, 30),
        (3600, 100, 1, 30),
        (86_400, 60, 15, 900),
        (86_400, 100, 15, 600),
        (7 * 86_400, 60, 15, 7200),
        (60, 60, 1, 1),
        (60, 60, 0.1, 1),
        (900, 0, 5, 900),
        (365 * 86_400, 60, 15, 4 * 86_400),
        (1e9, 1_000_000, 15, 2 * 86_400),
    ],
)
def test_the_step(range_s: float, columns: int, scrape_s: float, step: float) -> None:
    assert step_for(range_s, columns, scrape_s) == step
    assert range_s / step <= 11_000 or step == 1


@pytest.mark.parametrize(
    ("text", "value"), [("1e3", 1000.0), ("NaN", None), ("+Inf", None), ("", None), (None, None), (2, 2.0)]
)
def test_a_samples_value(text: object, value: float | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    "body",
    [
        '{"status":"success","data":' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"status":"success","data":{"resultType":"matrix","result":[{"metric":[],"values":[[1,"1"]]}]}}',
        '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1e999,"1"]]}]}}',
        '{"status":"success","data":{"resultType":"matrix","result":7}}',
        '{"status":"success","warnings":5,"data":{"resultType":"matrix","result":[]}}',
    ],
)
def test_an_answer_that_was_made_to_do_harm_is_a_failure_of_the_feed(web: Web, feed: PrometheusFeed, body: str) -> None:
    web.answer = says(200, body)
    try:
        ask(feed)
    except FeedError as error:
        assert str(error)
