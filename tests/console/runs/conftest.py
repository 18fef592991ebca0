"""Two hosts for the tests that need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.runs.test_hosts import PairWorld


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[PairWorld]:
    world = PairWorld(tmp_path)
    yield world
    world.pair.close()
    world.records.database.close()
