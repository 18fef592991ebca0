"""What explains a chart that is read straight from its targets, in words."""

from console.live.explain import metric_words
from profiles.feeds import Metric


def test_a_figure_is_explained_in_words_and_not_in_json() -> None:
    errors = Metric.model_validate(
        {
            "metric": "http_requests_total",
            "function": "rate",
            "match": {"status": "5.."},
            "window": 20,
            "divide_by": {"metric": "http_requests_total", "function": "rate", "window": 20},
        }
    )
    assert metric_words(errors) == (
        "increase a second of http_requests_total over 20 s, sum of all samples with status like 5..\n"
        "divided by: increase a second of http_requests_total over 20 s, sum of all samples"
    )
    slow = Metric(metric="http_request_seconds", function="quantile", window=60.0)
    assert metric_words(slow) == "the value below which 95% of http_request_seconds lie over 60 s"
    assert metric_words(Metric(metric="jobs", combine="max")) == "jobs, max of all samples"
