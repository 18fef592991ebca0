"""The demo system on a root of the test's own; every command of a test sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.demo.control import DemoSystem
from tests.console.demo.quick import quick_demo


@pytest.fixture
def demo(own_places: Path) -> Iterator[DemoSystem]:
    """Started; stopped without a trace at the end."""
    with quick_demo() as system:
        yield system


@pytest.fixture
def places(own_places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory that is not the checkout; no demo runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
