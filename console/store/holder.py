"""Which process keeps others from writing a file with POSIX locks, as the kernel knows: SQLite's store is one.

The file is not opened for that: closing it again would drop this process's own locks on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Holder(NamedTuple):
    """A process that has a write lock."""

    pid: int
    stopped: bool
    """By SIGSTOP, or a debugger: it lets go of nothing until it goes on or ends."""


def holder_of(path: Path) -> Holder | None:
    """Who has a write lock on the file, or None where nobody has, or none whom this process can see."""
    try:
        inode = path.stat().st_ino
        lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        pid = next(
            int(words[4]) for words in lines if words[3:4] == ["WRITE"] and words[5].rpartition(":")[2] == str(inode)
        )
        return Holder(pid, Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "Tt")
    except (OSError, ValueError, IndexError, StopIteration):
        return None
