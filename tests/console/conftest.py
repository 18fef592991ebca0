"""A world for each test, and the way to it for processes that a test starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.runs.world import ROOT, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.records.database.close()


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runners and commands that a test starts the ordinary way find its world: the state directory, and `tally`."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path / 'plugin'}")
    monkeypatch.setenv("QUARTERDECK_STATE_DIR", str(tmp_path / "state"))
