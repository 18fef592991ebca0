"""Rates, resets and quantiles computed from direct scrapes, against values worked out by hand."""

import time

import pytest

from console.feeds.prometheus import FeedError
from console.feeds.scrape import Figure, ScrapeFeed, increases, parse, quantile_of
from console.hosts.http import client
from profiles.models import Metric
from tests.console.hosts.web import Handler, free_port, serving

ONE = (("code", "200"),)


def readings(*values: float, every: float = 5.0) -> list[tuple[float, dict[tuple[tuple[str, str], ...], float]]]:
    return [(index * every, {ONE: value}) for index, value in enumerate(values)]


def test_rate_is_increase_over_the_readings() -> None:
    assert increases(readings(0, 10, 20, 40)) == {ONE: 40 / 15}


def test_counter_that_went_down_counts_from_zero() -> None:
    assert increases(readings(90, 100, 5)) == {ONE: 15 / 10}


def test_a_series_that_is_gone_gives_no_rate_rather_than_zero() -> None:
    assert increases([(0.0, {ONE: 1.0}), (5.0, {}), (10.0, {})]) == {}


def feed(metric: Metric, *pages: str) -> list[float | None]:
    figure = Figure(metric, 100)
    for index, page in enumerate(pages):
        figure.take(index * 5.0, {"t": parse(page, index * 5.0, "t")} if page else {})
    return [value for _, value in figure.points]


def test_old_readings_leave_the_window() -> None:
    pages = [f"c_total {n}\n" for n in (0, 100, 100, 100, 100)]
    assert feed(Metric(metric="c_total", function="rate", window=10.0), *pages)[-1] == 0.0


def test_a_target_that_does_not_answer_leaves_a_gap() -> None:
    assert feed(Metric(metric="up"), "up 1\n", "", "up 1\n") == [1.0, None, 1.0]


def test_a_rate_ends_with_its_target_and_not_with_its_window() -> None:
    """Else the last rate would be shown with the time of now for as long as the window is."""
    rate = Metric(metric="c_total", function="rate", window=60.0)
    assert feed(rate, "c_total 0\n", "c_total 10\n", "", "", "c_total 30\n") == [None, 2.0, None, None, 2.0]
    slow = Metric(metric="h", function="quantile", quantile=0.5, window=60.0)
    page = 'h_bucket{le="1"} %d\nh_bucket{le="+Inf"} %d\n'
    assert feed(slow, page % (0, 0), page % (10, 10), "", "") == [None, 0.5, None, None]


def test_labels_match_in_full_and_ratios_divide() -> None:
    page = 'r_total{code="200"} %d\nr_total{code="500"} %d\nr_total{code="5000"} 999\n'
    errors = Metric(
        metric="r_total",
        function="rate",
        match={"code": "5.."},
        divide_by=Metric(metric="r_total", function="rate", match={"code": "[25].."}),
    )
    assert feed(errors, page % (0, 0), page % (90, 10))[-1] == pytest.approx(0.1)


def test_a_ratio_of_nothing_is_no_value() -> None:
    errors = Metric(metric="a", divide_by=Metric(metric="b"))
    assert feed(errors, "a 1\nb 0\n", "a 1\n") == [None, None]


def test_quantile_of_a_histogram_over_a_window() -> None:
    page = 'd_bucket{le="0.1"} %d\nd_bucket{le="0.5"} %d\nd_bucket{le="+Inf"} %d\nd_count %d\nd_sum 1\n'
    metric = Metric(metric="d", function="quantile", quantile=0.75)
    pages = ("# TYPE d histogram\n" + page % n for n in ((0, 0, 0, 0), (50, 100, 100, 100)))
    assert feed(metric, *pages)[-1] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("q", "buckets", "expected"),
    [
        (0.5, [(0.1, 50.0), (0.5, 100.0), (float("inf"), 100.0)], 0.1),
        (0.75, [(0.1, 50.0), (0.5, 100.0), (float("inf"), 100.0)], 0.3),
        (0.99, [(0.1, 0.0), (0.5, 50.0), (float("inf"), 100.0)], 0.5),
        (0.95, [(0.1, 0.0), (float("inf"), 0.0)], None),
        (0.95, [], None),
    ],
)
def test_quantile_as_prometheus_computes_it(q: float, buckets: list[tuple[float, float]], expected: float) -> None:
    assert quantile_of(q, buckets) == (pytest.approx(expected) if expected is not None else None)


def test_a_login_page_is_not_taken_for_metrics() -> None:
    with pytest.raises(FeedError) as caught:
        parse("<html><body>Please log in {</body></html>", 0.0, "http://x/metrics")
    assert caught.value.kind == "not_prometheus"


def test_samples_are_found_by_name_and_labels() -> None:
    scraped = parse('# TYPE up gauge\nup{job="a"} 1\nup{job="b"} 0\n', 1.0, "t")
    assert scraped.samples["up"] == (((("job", "a"),), 1.0), ((("job", "b"),), 0.0))


PAGE = "# TYPE jobs gauge\njobs 3\nup 7\n# TYPE r_total counter\nr_total 5\n"


def targets(urls: dict[str, str], *metrics: Metric, timeout_s: float = 1.0) -> ScrapeFeed:
    clients = {name: client(timeout_s=timeout_s) for name in urls}
    return ScrapeFeed(urls, metrics, clients.__getitem__)


def last(feed: ScrapeFeed, index: int) -> float | None:
    return feed.points(index)[-1][1]


def test_up_is_one_for_a_target_that_answers_and_zero_for_one_that_does_not() -> None:
    with serving(lambda request: request.say(200, PAGE)) as web:
        feed = targets(
            {"a": f"{web.url}/metrics", "b": f"http://127.0.0.1:{free_port()}/metrics"},
            Metric(metric="up"),
            Metric(metric="up", match={"target": "b"}),
            Metric(metric="up", combine="min"),
            Metric(metric="jobs"),
        )
        problems = feed.look(1.0)
        assert [last(feed, index) for index in range(4)] == [1.0, 0.0, 0.0, 3.0]
        assert [problem.kind for problem in problems] == ["unreachable"]


def test_uptime_is_the_share_of_targets_that_answer_and_zero_when_none_does() -> None:
    with serving(lambda request: request.say(200, PAGE)) as web:
        feed = targets({"a": web.url, "b": web.url}, Metric(metric="up", combine="avg"), Metric(metric="jobs"))
        assert feed.look(1.0) == []
        web.answer = lambda request: request.say(500, "")
        assert len(feed.look(2.0)) == 2
        assert feed.points(0) == ((1.0, 1.0), (2.0, 0.0))
        assert feed.points(1) == ((1.0, 6.0), (2.0, None))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, "", "auth"),
        (500, "", "failed"),
        (302, "", "failed"),
        (200, "<html>{", "not_prometheus"),
        (200, "x 1\n" * (3 * 1024 * 1024), "failed"),
    ],
)
def test_each_failure_is_named(status: int, body: str, kind: str) -> None:
    with serving(lambda request: request.say(status, body)) as web:
        assert [problem.kind for problem in targets({"a": web.url}, timeout_s=5.0).look(1.0)] == [kind]


def test_a_target_that_hangs_does_not_hold_up_the_others_and_is_given_up() -> None:
    def answer(request: Handler) -> None:
        request.server.over.wait(30)

    with serving(answer) as web:
        names = {f"t{n}": web.url for n in range(6)}
        began = time.monotonic()
        problems = targets(names, timeout_s=0.5).look(1.0)
        assert [problem.kind for problem in problems] == ["timeout"] * 6
        assert time.monotonic() - began < 2.0


def test_what_is_no_number_does_not_spoil_a_sum() -> None:
    assert feed(Metric(metric="a"), 'a{x="1"} NaN\na{x="2"} 2\n', "a NaN\n") == [2.0, None]


def test_the_target_is_a_label() -> None:
    figure = Figure(Metric(metric="a", match={"target": "t2"}), 10)
    figure.take(1.0, {name: parse(f'a{{target="t1"}} {n}\n', 1.0, name) for n, name in enumerate(("t1", "t2"))})
    assert figure.points[-1] == (1.0, 1.0)
