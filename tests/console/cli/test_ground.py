"""What `doctor`, `status` and `runs prune` say of the ground under the store and of what is kept in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.runs.lease import unclaim
from console.runs.model import CLOSED, CLOSING
from console.store import mounts, places
from console.store.mounts import network_type
from tests.console.cli.program import called
from tests.console.runs.world import World


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory, and a working directory without a profile."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setenv("QUARTERDECK_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def test_doctor_goes_on_though_the_store_is_damaged(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = called(capsys, "doctor")
    assert f"state in {state}, " in said.out and "every chain is whole" in said.out
    (state / "store.sqlite3").write_bytes(b"nothing that SQLite could read" * 200)
    said = called(capsys, "doctor")
    (line,) = [one for one in said.out.splitlines() if "it is damaged" in one]
    assert said.code == 1 and line.startswith("MEND") and f"mv {state}/store.sqlite3*" in line
    assert "ssh" in said.out


def test_a_network_under_the_state_is_named_by_doctor_and_status(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / {state} rw - smb3 //files/home rw\n")
    monkeypatch.setattr(mounts, "TABLE", table)
    monkeypatch.setattr(network_type, "__defaults__", (table,))
    monkeypatch.setattr(places, "LOCAL", tmp_path)
    said = called(capsys, "doctor")
    (line,) = [one for one in said.out.splitlines() if "network file system" in one]
    assert said.code == 1 and line.startswith("MEND") and "(smb3)" in line and str(places.local_root()) in line
    assert not state.exists() and places.local_root().exists()
    world = World(tmp_path)
    (tmp_path / "p.yaml").write_text(json.dumps(world.profile.model_dump(mode="json", exclude_none=True)))
    said = called(capsys, "-p", str(tmp_path / "p.yaml"), "status")
    assert "network file system (smb3)" in said.err, said


def test_prune_says_what_is_kept_and_why(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUARTERDECK_STATE_DIR", str(world.state))
    runs = []
    for ended in (True, True, False):
        runs.append(world.create("do"))
        if ended:
            world.records.append(runs[-1], CLOSING, {"ending": "succeeded", "text": "done"})
            world.records.append(runs[-1], CLOSED, {"ending": "succeeded"})
            unclaim(world.records.database, runs[-1])
    old, _, open_ = runs
    world.places.spool(old).write_bytes(b"x" * 3_000_000)
    words = ("runs", "prune", "--output-mb", "1")
    told = {one["run"]: one for one in json.loads(called(capsys, *words, "--dry-run", "--json").out)}
    assert (told[old]["output"], told[old]["why"]) == ("goes", "more than 1 MB of output with newer runs")
    assert (told[open_]["output"], told[open_]["why"]) == ("kept", "it has not ended")
    assert world.places.spool(old).exists(), "only told"
    said = called(capsys, "runs", "prune")
    assert said.code == 0 and world.places.spool(old).exists(), "by default it is young and small enough"
    said = called(capsys, *words, "--yes")
    assert said.code == 0 and "let go of parts of 1 runs, 3.0 MB of output; the audit is kept." in said.out
    assert not world.places.spool(old).exists()
