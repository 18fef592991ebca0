"""What is not known is said, and output that pours is not read faster than anybody can."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from console.cli.status import environment_text
from console.hosts.base import HostUnreachable
from console.live.elsewhere import Elsewhere
from console.live.runs import READ_S, RunsDesk
from console.watch.views import EnvironmentView


def test_where_no_host_answers_it_is_not_known_whether_a_run_is_parked() -> None:
    def on_hosts(environment: Any) -> dict[str, Any]:
        if environment.name == "gone":
            raise HostUnreachable("web", "web does not answer.")
        return {}

    ground: Any = SimpleNamespace(known_runs=SimpleNamespace(on_hosts=on_hosts), records=None)
    places: Any = [SimpleNamespace(name="well"), SimpleNamespace(name="gone")]
    unknown = Elsewhere(ground).look(places, again=True)
    assert unknown == ("gone",)
    view = EnvironmentView("gone", "Gone", False, "blue")
    assert "Whether a run is parked" in environment_text(view, (), unknown)
    assert "Whether a run is parked" not in environment_text(view)


def test_whoever_follows_a_run_that_never_stops_writing_rests_between_two_looks() -> None:
    desk = RunsDesk(SimpleNamespace(loaded=True))  # type: ignore[arg-type]
    desk.marks = lambda run: (time.monotonic(),)  # type: ignore[method-assign]
    began = time.monotonic()
    for _ in range(3):
        desk.wait_for_change("r", (0.0,), 5.0)
    assert 3 * READ_S <= time.monotonic() - began < 3 * 5.0
