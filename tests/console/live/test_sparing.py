"""What is not asked for twice, and not read faster than anybody can: dead hosts, and output that pours."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from console.cli.status import environment_text
from console.live.elsewhere import Elsewhere
from console.live.runs import READ_S, RunsDesk
from console.watch.views import EnvironmentView, HostView


def test_a_host_that_is_known_not_to_answer_is_not_waited_for_once_more() -> None:
    asked: list[Any] = []

    def on_hosts(environment: Any, hosts: Any) -> dict[str, Any]:
        asked.append((environment.name, tuple(hosts)))
        return {}

    ground: Any = SimpleNamespace(known_runs=SimpleNamespace(on_hosts=on_hosts), records=None)
    places: Any = [
        SimpleNamespace(name="well", hosts=("a", "b")),
        SimpleNamespace(name="half", hosts=("a", "dead")),
        SimpleNamespace(name="gone", hosts=("dead",)),
    ]
    Elsewhere(ground).look(places, again=True, silent=["dead"])
    assert asked == [("well", ()), ("half", ("a",))]


@pytest.mark.parametrize(("problem", "said"), [("no route.", True), ("", False)])
def test_status_says_where_a_parked_run_cannot_be_known_of(problem: str, said: bool) -> None:
    host = HostView("web", "web.example.com", "unknown" if problem else "ok", problem)
    view = EnvironmentView("staging", "Staging", False, "blue", hosts=(host,))
    assert ("Whether a run is parked" in environment_text(view)) is said


def test_whoever_follows_a_run_that_never_stops_writing_rests_between_two_looks() -> None:
    desk = RunsDesk(SimpleNamespace(loaded=True))  # type: ignore[arg-type]
    desk.marks = lambda run: (time.monotonic(),)  # type: ignore[method-assign]
    began = time.monotonic()
    for _ in range(3):
        desk.wait_for_change("r", (0.0,), 0.25)
    assert 3 * READ_S <= time.monotonic() - began < 3 * 0.25
