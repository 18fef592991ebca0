"""The demo system on a root of the test's own, and sessions on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.demo.control import DemoSystem
from console.live.session import LiveSession
from console.runs import launch
from tests.console.demo.quick import quick_demo
from tests.console.runs.quick_runners import by_forks, fixed, server

Opened = Callable[..., LiveSession]


@pytest.fixture
def demo(own_places: Path) -> Iterator[DemoSystem]:
    """Started; stopped without a trace at the end."""
    with quick_demo() as system:
        yield system


@pytest.fixture
def opened(demo: DemoSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Makes loaded sessions on the demo, each on the state directory that is named; closes them all."""
    made: list[LiveSession] = []

    monkeypatch.setattr(launch, "launch", by_forks(server(fixed(os.environ))))

    def make(state: str = "one") -> LiveSession:
        monkeypatch.setenv("QUARTERDECK_STATE_DIR", str(tmp_path / state))
        session = LiveSession("demo")
        made.append(session)
        session.load()
        assert session.ground.places.state == tmp_path / state
        return session

    yield make
    for session in made:
        session.close()
