"""What one session saw is what the next one paints first."""

from __future__ import annotations

import json

import pytest

from console.watch.kept import dumped, loaded
from console.watch.views import EnvironmentView, HostView, LockView, ServiceView, SystemView
from tests.screens import fixed


def seen() -> SystemView:
    """All that can be in it: services, hosts, a lock, points with gaps, items, lines."""
    lock = LockView("ada@laptop", "r1", "deploy", 1.0, 2.0, False)
    one = EnvironmentView(
        "production",
        "Production",
        True,
        "red",
        differs=("changed",),
        services=(ServiceView("backend", "app-1", "ok", "healthy", "1.4.2", "", "3 d"),),
        hosts=(HostView("app-1", "10.0.1.21", "ok"),),
        lock=lock,
        at=5.0,
    )
    return SystemView(
        "routing",
        "Routing",
        (one, *fixed.environments()),
        {"production": fixed.metrics()},
        {"production": fixed.checklist()},
        {"production": ("one", "two")},
    )


def test_what_was_written_is_read_again() -> None:
    assert loaded(json.loads(json.dumps(dumped(seen())))) == seen()


def test_the_json_names_every_field() -> None:
    body = dumped(seen())
    assert body["environments"][0]["lock"]["who"] == "ada@laptop"
    assert body["environments"][0]["services"][0]["name"] == "backend"
    assert body["metrics"]["production"]["panels"][0]["points"][0][0] == fixed.metrics().panels[0].points[0][0]


def test_what_another_version_wrote_besides_is_left_out() -> None:
    body = json.loads(json.dumps(dumped(seen())))
    body["moon"] = body["environments"][0]["moon"] = "full"
    assert loaded(body) == seen()


@pytest.mark.parametrize("body", [None, [], {}, "view", {"environments": [1], "metrics": {}, "checklists": {}}])
def test_anything_else_is_refused(body: object) -> None:
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        loaded(body)
