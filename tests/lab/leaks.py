"""Looking for passwords where none may be: arguments and environments of processes, and files."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.host import LabHost
    from tests.lab.operators import Operator

CANARIES = ("canary-4711-in-arguments", "canary-4711-in-environment")
SERVICES = ("backend", "tokens")
"""Services that get secrets in their environment, from their team's own files, and must have them: their `SERVICE`."""
IN_A_CONTAINER = re.compile(rb"/[0-9a-f]{64}$", re.MULTILINE)
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/root", "/home", "/opt")
"""Where a host is written to by whoever works on it; /run has what the engine itself knows of its containers."""


@contextlib.contextmanager
def watched_processes(secrets: Sequence[str], services: Sequence[str] = SERVICES) -> Iterator[list[str]]:
    """While inside, every process of this machine and its hosts is looked at, at most twenty times a second.

    Gives what was found: where, and the command line of the process. A process of its own carries a canary in its
    arguments and one in its environment; leaving raises AssertionError when those were not found, since then nothing
    else would have been either. Passed over is the environment of containers of `services`, and nothing else of them.
    """
    found: list[str] = []
    canaries: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        took = 0.0
        while not stop.wait(max(0.05, 3 * took)):  # what is watched needs the machine too
            began = time.monotonic()
            for entry in os.scandir("/proc"):
                for name in ("cmdline", "environ") if entry.name.isdigit() else ():
                    with contextlib.suppress(OSError):
                        data = _bytes(f"/proc/{entry.name}/{name}")
                        canaries.update(one for one in CANARIES if one.encode() in data)
                        held = [one for one in secrets if one.encode() in data]
                        if held and not (name == "environ" and _of_a_service(entry.name, data, services)):
                            words = _read(entry.name, "cmdline")[:500]
                            found.extend(f"{name} of {words!r}: {_setting(data, one)}" for one in held)
            took = time.monotonic() - began

    control = subprocess.Popen(["sh", "-c", "sleep 600; :", CANARIES[0]], env={"CANARY": CANARIES[1]})
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(10)
        control.kill()
        control.wait(10)
    assert canaries == set(CANARIES), f"the search finds nothing: of its canaries it saw {canaries}"


def _of_a_service(pid: str, environ: bytes, services: Sequence[str]) -> bool:
    """Whether a process is in a container of a service: by its own word and, while it lives, by that of the kernel."""
    if not any(b"\0SERVICE=" + one.encode() + b"\0" in b"\0" + environ for one in services):
        return False
    group = _read(pid, "cgroup")
    return not group or IN_A_CONTAINER.search(group) is not None


def _bytes(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - thousands a second
        return file.readall()


def _read(pid: str, name: str) -> bytes:
    """A file of a process that may have ended meanwhile."""
    with contextlib.suppress(OSError):
        return _bytes(f"/proc/{pid}/{name}")
    return b""


def _setting(data: bytes, secret: str) -> str:
    """The word that holds a secret, without it."""
    word = next(one for one in data.split(b"\0") if secret.encode() in one)
    return repr(word.replace(secret.encode(), b"<secret>")[:100])


def places_of(host: LabHost) -> tuple[Path, ...]:
    """Everywhere on a host where something could have been left."""
    return tuple(path for inside in PLACES if (path := host.path(inside)).is_dir())


def places_here(operator: Operator) -> tuple[Path, ...]:
    """Everywhere on this machine where an operator could have left something: at home, and what is theirs elsewhere."""
    mine = operator.home.stat().st_uid
    shared = [one for folder in ("/tmp", "/var/tmp", "/dev/shm") for one in Path(folder).iterdir()]
    return (operator.home, *(one for one in shared if not one.is_symlink() and one.lstat().st_uid == mine))


def files_holding(text: str, *folders: Path) -> list[Path]:
    """Files below the folders that hold a text; of a path that is a file, that file.

    Not those in which the engine hands a health check of its own, with the container's environment, to runc.
    """
    wanted = text.encode()
    found = []
    for folder in folders:
        for file in sorted(folder.rglob("*")) if folder.is_dir() else (folder,):
            if file.name.startswith("runc-process"):
                continue
            with contextlib.suppress(FileNotFoundError):
                if file.is_file() and not file.is_symlink() and wanted in file.read_bytes():
                    found.append(file)
    return found
