"""`snap`: compares screens with the stored ones, in a terminal that is the same everywhere."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.snapshots.snap import Snap

TERMINAL = {
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "TZ": "UTC",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "QUARTERDECK_THEME": "quarterdeck",
    "QUARTERDECK_SYMBOLS": "braille",
}
AWAY = ("NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "TMUX", "STY", "TEXTUAL_THEME", "TEXTUAL_FPS", "TEXTUAL_COLOR_SYSTEM")


@pytest.fixture
def snap(snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> Iterator[Snap]:
    """See README.md in this folder."""
    for name in AWAY:
        monkeypatch.delenv(name, raising=False)
    for name, value in TERMINAL.items():
        monkeypatch.setenv(name, value)
    time.tzset()
    yield Snap(snapshot)
    monkeypatch.undo()
    os.environ.setdefault("TZ", "")
    if not os.environ["TZ"]:
        del os.environ["TZ"]
    time.tzset()
