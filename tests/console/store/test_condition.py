"""What is wrong under the store is said before something fails because of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from console.store.condition import troubles
from console.store.database import Database, StoreUnusable
from console.store.places import Places
from console.store.records import Records
from tests.console.store.small import filled, small_disk


def test_nothing_is_said_of_what_is_well(tmp_path: Path) -> None:
    assert troubles(Places(tmp_path, tmp_path)) == {}
    assert troubles(Places(tmp_path, tmp_path, "elsewhere")) == {"network": "elsewhere"}
    assert list(troubles(Places(tmp_path / "none", tmp_path))) == ["gone"]


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    with small_disk(tmp_path / "state") as state:
        where = Places(state, tmp_path)
        assert "nearly full: 8.0 MB left" in troubles(where)["nearly full"]
        with filled(state):
            assert "is full: 0.0 MB left. No run and no step is begun" in troubles(where)["full"]


def test_a_state_directory_that_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    with small_disk(tmp_path / "state") as state:
        records = Records(Database(state / "store.sqlite3"))
        records.append("run", "k", {"n": 1})
        records.database.close()
        subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
        where = Places(state, tmp_path)
        assert "mounted read-only" in troubles(where)["read-only"]
        records = Records(Database(state / "store.sqlite3"))
        assert [record.body for record in records.read("run")] == [{"n": 1}]
        with pytest.raises(StoreUnusable, match="mounted read-only"):
            records.append("run", "k", {})
        records.database.close()
