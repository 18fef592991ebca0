"""Actions are found by entry point; a broken one is a warning with its reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from console import assembly, plugins
from console.runs.handlers import HANDLERS

ROOT = Path(__file__).parents[2]
OURS = {"baseline", "command", "deploy", "level", "restart", "rollback", "start", "stop"}


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three plug-ins: one that fails when imported, one that is no action, one that is not there."""
    info = tmp_path / "strange-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[quarterdeck.actions]\nfails=strange_fails:ACTION\nnoaction=strange_other:ACTION\ngone=strange_gone:ACTION\n"
    )
    (tmp_path / "strange_fails.py").write_text("raise RuntimeError('out of order')\n")
    (tmp_path / "strange_other.py").write_text("ACTION = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("strangers")
def test_names_are_listed_without_importing_anything() -> None:
    assert set(plugins.found()) >= {*OURS, "fails", "noaction", "gone"}
    assert "strange_fails" not in sys.modules and "strange_other" not in sys.modules


@pytest.mark.usefixtures("strangers")
def test_a_broken_plug_in_is_a_warning_and_the_others_go_on() -> None:
    loaded = plugins.load_all()
    assert set(loaded.actions) >= OURS
    text = "\n".join(loaded.warnings)
    assert "fails of strange cannot be used: strange_fails:ACTION failed with RuntimeError: out of order" in text
    assert "noaction" in text and "is no Action" in text and "gone" in text
    assert {*HANDLERS} <= {*assembly.op_handlers()}


def test_a_name_that_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(plugins.NoSuchAction, match="Did you mean deploy"):
        plugins.load("deplyo")
    with pytest.raises(plugins.NoSuchAction, match="There are: "):
        plugins.load("xyzzy-quux")


def test_every_action_of_ours_can_be_used() -> None:
    for name in OURS:
        assert plugins.load(name).name == name


def test_listing_names_imports_no_plug_in() -> None:
    code = "import sys; from console import plugins; plugins.found(); print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert not [name for name in run.stdout.split() if name.startswith("actions")]
