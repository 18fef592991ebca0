"""The installed program as a process finds it: whether its files are still those that it began with.

A runner imports all that it needs before the first change. If an upgrade replaces files meanwhile, or while one waits
for its run, two versions would be mixed; then it begins anew, as itself, before it has changed anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

PACKAGES = ("console", "actions", "profiles")
KINDS = (".py", ".sh", ".so", ".yaml", ".yml", ".md")

Stamp = tuple[object, ...]


def stamp() -> Stamp:
    """What the program is made of: name, time and size of every file of ours, and every distribution beside it."""
    return tuple(sorted((*_files(), *_distributions()), key=str))


def _files() -> Iterator[tuple[object, ...]]:
    for package in PACKAGES:
        spec = find_spec(package)
        for folder in spec.submodule_search_locations or () if spec is not None else ():
            yield from _below(folder)


def _below(folder: str) -> Iterator[tuple[object, ...]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__":
                yield from _below(entry.path)
        elif entry.name.endswith(KINDS):
            seen = entry.stat()
            yield entry.path, seen.st_mtime_ns, seen.st_size


def _distributions() -> Iterator[tuple[object, ...]]:
    for folder in sys.path:
        try:
            entries = list(os.scandir(folder or "."))
        except OSError:
            continue
        for entry in entries:
            if entry.name.endswith(".dist-info"):
                yield entry.path, entry.stat().st_mtime_ns


def words_of(run: str, state: Path, key_fd: int | None = None, profile: str | None = None) -> list[str]:
    """The arguments of the runner of a run. `key_fd`: a descriptor that gives the keyring's key."""
    words = ["--run", run, "--state", str(state)]
    if profile is not None:
        words += ["--profile", profile]
    if key_fd is not None:
        words += ["--key-fd", str(key_fd)]
    return words


def begin_anew(run: str, state: Path, key_fd: int | None, profile: str | None) -> NoReturn:
    """Become a fresh runner of this run: same process, pid and start time, nothing of what was imported.

    Of what was opened, only `key_fd` and the standard streams stay. Raises OSError if that is not possible.
    """
    if key_fd is not None:
        os.set_inheritable(key_fd, True)
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir("/")
    argv = [sys.executable, "-P", "-m", "console.runner", *words_of(run, state, key_fd, profile), "--anew"]
    os.execv(sys.executable, argv)
