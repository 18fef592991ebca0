"""Files that only their owner may see: checked, locked, and replaced in one piece."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from console.credentials.errors import KeyringBusy, KeyringRefused

LOCK_DEADLINE_S: Final = 10.0


def private_directory(directory: Path) -> None:
    """Makes `directory` with mode 0700, or checks that it is ours alone. Raises KeyringRefused if it is not."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError as problem:
        raise KeyringRefused(
            f"The keyring's directory {directory} cannot be used: {problem.strerror or problem}."
        ) from None
    _ours(directory, found, "0700")


def private_file(path: Path) -> os.stat_result | None:
    """The state of `path`, or None if there is no such file. Raises KeyringRefused unless it is ours, a plain file,
    and closed to everybody else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise KeyringRefused(f"The keyring file {path} cannot be used: {problem.strerror or problem}.") from None
    if not stat.S_ISREG(found.st_mode):
        raise KeyringRefused(f"{path} is not a plain file (a link, or something else). Nothing is read through it.")
    _ours(path, found, "0600")
    return found


def _ours(path: Path, found: os.stat_result, mode: str) -> None:
    if found.st_uid != os.geteuid():
        raise KeyringRefused(
            f"{path} belongs to user {found.st_uid} and we run as user {os.geteuid()}. A keyring is only used by its "
            "owner; choose another place, or run as that user."
        )
    if found.st_mode & 0o077:
        raise KeyringRefused(
            f"{path} may be used by others than its owner (mode {stat.S_IMODE(found.st_mode):04o}). If that is by "
            f"mistake, run: chmod {mode} {path}. If others may have read it, rotate what is in it."
        )


@contextlib.contextmanager
def locked(path: Path, deadline_s: float = LOCK_DEADLINE_S) -> Iterator[None]:
    """Holds an exclusive lock on the file `path` (made if missing). Raises KeyringBusy after `deadline_s` seconds.

    The lock file is never removed: a lock on a removed file excludes nobody.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as problem:
        raise KeyringRefused(
            f"The keyring cannot be locked for a change ({path}: {problem.strerror}). Nothing was changed."
        ) from None
    try:
        end = time.monotonic() + deadline_s
        pause = 0.001
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise KeyringBusy(
                        f"Another process has held the keyring's lock {path} for {deadline_s:.0f} s. Nothing was "
                        f"changed. See who: fuser {path}"
                    ) from None
                time.sleep(pause)
                pause = min(pause * 2, 0.02)
        yield
    finally:
        os.close(fd)


def replace(path: Path, data: bytes, previous: Path | None = None) -> None:
    """Puts `data` in the place of `path` in one piece, mode 0600, on the disk when this returns.

    The old content is kept as `previous`. Whoever reads meanwhile sees the old or the new, never a part. Raises
    OSError (a full disk) with the old content untouched.
    """
    mark = secrets.token_hex(6)
    fresh = path.with_name(f".{path.name}.{mark}")
    kept = path.with_name(f".{path.name}.{mark}.previous")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            os.link(path, kept)
            kept.replace(previous)
        fresh.replace(path)
    except BaseException:
        for leftover in (fresh, kept):
            leftover.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
