"""The reserve: room inside the store itself, so that what has begun can be recorded, and undone, on a full disk.

A file that is deleted in need would be eaten by whatever filled the disk. So the reserve is free pages of the store,
and a rollback journal that stays as long as it was: records of a run in progress are then written without one new
block. New runs and new steps never draw on it; they are refused, or top it up first.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

BYTES = 1 << 20
"""Free pages of the store: some two hundred records, an undo of dozens of steps with all that it says."""
LEAST_BYTES = BYTES // 2
"""With less than that, nothing new begins before the reserve has been topped up."""
ROOM_BYTES = 2 * BYTES
"""What the disk must have besides, for anything new to begin."""

_KEY = "reserve"


def room(path: Path) -> int:
    """Bytes that this user may still write on the file system of `path`. Raises OSError."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def free(connection: Any) -> int:
    """Bytes of free pages in the store."""
    pages = int(connection.execute("PRAGMA freelist_count").fetchone()[0])
    return pages * int(connection.execute("PRAGMA page_size").fetchone()[0])


def kept(connection: Any, path: Path) -> bool:
    """Whether the reserve is there: free pages, and a journal that need not grow."""
    try:
        journal = path.with_name(f"{path.name}-journal").stat().st_size
    except OSError:
        journal = 0
    return free(connection) >= LEAST_BYTES and journal >= LEAST_BYTES


def lay(connection: Any) -> None:
    """Top the reserve up: pages are written, then given back, which also makes the journal as long as they are.

    The pages are written in a transaction of their own, or they would be a hole that takes no room. Raises
    sqlite3.Error, with nothing lost, where there is no room for it.
    """
    connection.execute("INSERT OR REPLACE INTO seen (key, value, at) VALUES (?, zeroblob(?), 0)", (_KEY, BYTES))
    try:
        connection.execute("PRAGMA secure_delete=ON")  # what is given back is overwritten, so the journal holds it all
        connection.execute("DELETE FROM seen WHERE key = ?", (_KEY,))
    finally:
        with suppress(Exception):
            connection.execute("PRAGMA secure_delete=OFF")
