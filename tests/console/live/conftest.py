"""The demo system on a root of the test's own, and sessions on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.demo.control import DemoSystem
from console.live.session import LiveSession

Opened = Callable[..., LiveSession]


@pytest.fixture
def demo(own_places: Path) -> Iterator[DemoSystem]:
    """Started; stopped without a trace at the end."""
    system = DemoSystem()
    system.start()
    yield system
    system.stop()


@pytest.fixture
def opened(demo: DemoSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Makes loaded sessions on the demo, each on the state directory that is named; closes them all."""
    made: list[LiveSession] = []

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
