"""Where things are kept: private, the user's own, and never through somebody else's link."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from console.store.places import PlaceUnusable, places, private


def test_places_are_made_private(own_places: Path) -> None:
    found = places()
    assert found.state == own_places / ".local" / "state" / "quarterdeck"
    for directory in (found.state, found.spools, found.logs):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert found.spool("r").parent == found.spools and found.database.parent == found.state


def test_a_directory_of_ones_own_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTERDECK_STATE_DIR", str(tmp_path / "mine"))
    assert places().state == tmp_path / "mine"
    monkeypatch.delenv("QUARTERDECK_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert places().state.is_absolute() and "relative" not in str(places().state)


def test_a_directory_that_others_can_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    private(tmp_path / "open")
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o700


def test_a_directory_that_is_not_ours_keeps_its_mode(tmp_path: Path) -> None:
    """A shared directory named by mistake must not be closed to everybody else."""
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared" / "somebody-elses").write_text("")
    with pytest.raises(PlaceUnusable, match="since it holds somebody-elses"):
        private(tmp_path / "shared")
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o755
    (tmp_path / "shared" / "somebody-elses").rename(tmp_path / "shared" / "store.sqlite3")
    private(tmp_path / "shared")
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o700


def test_links_files_and_strangers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PlaceUnusable, match="not a directory of its own"):
        private(tmp_path / "link")
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaceUnusable, match="QUARTERDECK_STATE_DIR"):
        private(tmp_path / "file")
    monkeypatch.setattr("os.getuid", lambda: 4711)
    with pytest.raises(PlaceUnusable, match="another user"):
        private(tmp_path / "real")
