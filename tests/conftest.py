"""What holds for every test: no test sees, or writes to, the home of the person who runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

KEPT = ("QUARTERDECK_LAB", "QUARTERDECK_LAB_DIR", "QUARTERDECK_LAB_NUMBER")


@pytest.fixture(autouse=True)
def own_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home and XDG folders of the test's own; QUARTERDECK_ settings of the caller are taken away, the lab's kept."""
    home = tmp_path_factory.mktemp("home")
    for name in os.environ:
        if name.startswith("QUARTERDECK_") and name not in KEPT:
            monkeypatch.delenv(name)
    for name in ("XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    for name, folder in {
        "CONFIG": ".config",
        "DATA": ".local/share",
        "STATE": ".local/state",
        "CACHE": ".cache",
    }.items():
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / folder))
    yield home
