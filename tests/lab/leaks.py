"""Looking for passwords where none may be: words and environments of processes, files, and what an engine knows."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.host import LabHost
    from tests.lab.operators import Operator

CANARIES = ("canary-4711-in-arguments", "canary-4711-in-environment")
SERVICES = ("backend", "tokens")
"""Services that get secrets in their environment, from their team's own files, and must have them: their `SERVICE`."""
NEW, SELDOM = 10, 20
"""So many looks at a process that is new, and from then on one in so many."""
IN_A_CONTAINER = re.compile(rb"/[0-9a-f]{64}$", re.MULTILINE)
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/root", "/home", "/opt")
"""Where a host is written to by whoever works on it; /run has what the engine itself knows of its containers."""


class Seen(list[str]):
    """What was found; and each process's words and environment, for a secret that is made meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_at: dict[tuple[bytes, bytes], bool] = {}
        """Words and environment, to whether that is the environment of a service's container."""

    def look(self, pid: str, secrets: Sequence[str], services: Sequence[str]) -> None:
        """Take in what a process says of itself."""
        words, environ = _read(pid, "cmdline"), _read(pid, "environ")
        if (words, environ) not in self.looked_at:
            self.looked_at[words, environ] = _of_a_service(pid, environ, services)
            self.extend(self._held(words, environ, secrets))

    def holding(self, *secrets: str) -> list[str]:
        """Where these were seen, though nobody knew them yet."""
        return [line for words, environ in self.looked_at for line in self._held(words, environ, secrets)]

    def _held(self, words: bytes, environ: bytes, secrets: Sequence[str]) -> Iterator[str]:
        places = {"cmdline": words, "environ": b"" if self.looked_at[words, environ] else environ}
        for name, data in places.items():
            for one in secrets:
                if one.encode() in data:
                    yield f"{name} of {words[:500]!r}: {_setting(data, one)}"


@contextlib.contextmanager
def watched_processes(secrets: Sequence[str], services: Sequence[str] = SERVICES) -> Iterator[Seen]:
    """While inside, the processes of this machine and its hosts are looked at, at most twenty times a second.

    One that is new is looked at each time, one that is `NEW` looks old once in `SELDOM`: it seldom becomes another
    program then. Gives what was found: where, and the command line of the process. A process of its own carries a
    canary in its arguments and one in its environment; leaving raises AssertionError when those were not found, since
    then nothing else would have been either. Passed over is the environment of containers of `services`, and nothing
    else of them.
    """
    found = Seen()
    stop = threading.Event()

    def look() -> None:
        took, looks = 0.0, Counter[str]()
        while not stop.wait(max(0.05, 3 * took)):  # what is watched needs the machine too
            began = time.monotonic()
            here = [entry.name for entry in os.scandir("/proc") if entry.name.isdigit()]
            looks = Counter({pid: looks[pid] + 1 for pid in here})  # a number that is gone may come again
            for pid in here:
                if looks[pid] > NEW and (looks[pid] + int(pid)) % SELDOM:
                    continue
                found.look(pid, secrets, services)
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
    missed = [one for one in CANARIES if not found.holding(one)]
    assert missed == [], f"the search finds nothing: of its canaries it has not seen {missed}"


def _of_a_service(pid: str, environ: bytes, services: Sequence[str]) -> bool:
    """Whether a process is in a container of a service: by its own word and, while it lives, by that of the kernel."""
    if not any(b"\0SERVICE=" + one.encode() + b"\0" in b"\0" + environ for one in services):
        return False
    group = _read(pid, "cgroup")
    return not group or IN_A_CONTAINER.search(group) is not None


def _read(pid: str, name: str) -> bytes:
    """A file of a process that may have ended meanwhile."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 - thousands a second
        return file.readall()
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


def engine_holding(host: LabHost, *secrets: str, images: bool = True) -> dict[str, set[str]]:
    """Secret to where the host's engine knows of it: `SERVICE environment`, `SERVICE`, or an image's name.

    Looked through are what `docker inspect` says of each container, and of each image that, its history, and its files
    as `docker save` writes them (`images`: some seconds of a processor). Not in it: what is nowhere.
    """
    found: dict[str, set[str]] = {}

    def look(place: str, *texts: object) -> None:
        data = json.dumps(texts)
        for secret in secrets:
            if secret in data:
                found.setdefault(secret, set()).add(place)

    with contextlib.closing(host.engine()) as engine:
        for row in engine.containers(all=True):
            said = engine.inspect_container(row["Id"])
            service = said["Config"]["Labels"].get("com.docker.compose.service", said["Name"])
            look(f"{service} environment", said["Config"].pop("Env"))
            look(service, said)
        for image in engine.images() if images else ():
            name = (image["RepoTags"] or image["RepoDigests"] or [image["Id"]])[0]
            look(name, engine.inspect_image(image["Id"]), engine.history(image["Id"]))
            for secret in _flowing_by(engine.get_image(image["Id"]), secrets):
                found.setdefault(secret, set()).add(name)
    return found


def _flowing_by(pieces: Iterable[bytes], secrets: Sequence[str]) -> set[str]:
    """Those that are in what comes in pieces."""
    found, before = set(), b""
    for piece in pieces:
        data = before + piece
        found |= {one for one in secrets if one.encode() in data}
        before = data[-200:]
    return found
