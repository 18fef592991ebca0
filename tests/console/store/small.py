"""A file system of a few MB, which a test may fill to its last byte."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str = "8m") -> Iterator[Path]:
    """Mounted at `folder` while the block lasts. Skips the test where this user may not mount."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "quarterdeck-test", str(folder)]
    if os.getuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can be mounted by root only, and not in every container")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """No room at all while the block lasts: whatever is given back is taken at once, as a log that grows takes it."""
    stop = threading.Event()
    full = threading.Event()
    hog = folder / "hog"

    def fill() -> None:
        with hog.open("ab", buffering=0) as file:
            while not stop.is_set():
                for size in (1 << 20, 4096, 1):
                    try:
                        while not stop.is_set():
                            file.write(b"x" * size)
                    except OSError:
                        continue
                full.set()
                stop.wait(0.002)

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    assert full.wait(20)
    try:
        yield
    finally:
        stop.set()
        thread.join()
        hog.unlink()
