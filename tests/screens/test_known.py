"""What the console knows, where two things that it was told belong together."""

from __future__ import annotations

import pytest

from console.watch.views import EnvironmentView, LockView, RunLine
from screens.known import Known, News

LOOKED = 1000.0


@pytest.mark.parametrize(
    ("state", "took_s", "holds"),
    [("running", 5.0, True), ("succeeded", 30.0, False), ("succeeded", 5.0, True), ("NEEDS A HUMAN", 30.0, False)],
)
def test_a_lock_that_was_seen_before_its_run_was_over_is_none_any_more(state: str, took_s: float, holds: bool) -> None:
    """One that is still seen after the end of its run is left there, and shown."""
    run = RunLine("r", "deploy", "staging", "Deploy", state, "good", "ada", LOOKED - 10, took_s)
    lock = LockView("ada", "r", "", LOOKED - 10, 0.0, dead=False)
    view = EnvironmentView("staging", "Staging", production=False, colour="", lock=lock, at=LOOKED)
    known, news = Known(), News()
    news.environments["staging"], news.runs = view, (run,)
    known.take(news)
    assert (known.environment("staging").lock is not None) is holds
    news.runs = ()
    known.take(news)
    assert known.environment("staging").lock == lock, "a run that is not known"
