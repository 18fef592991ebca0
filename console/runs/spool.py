"""A run's output: one file, redacted before it is written, read by offset by any number of viewers.

A chunk is one header line (JSON: step, attempt, time, length in bytes) and so many bytes. Sanitising is the reader's:
the file keeps the bytes for evidence.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from console.text.redact import RedactingStream, Redactor

CHUNK = 64 * 1024
LIMIT = 256 * 1024 * 1024
"""Bytes that one run may write; what comes after is counted and said, not kept."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of output."""

    step: str
    attempt: int
    at: float
    data: bytes
    next: int
    """Offset to go on reading from."""


class Spool:
    """The writer, used by the runner from several threads."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _drop_torn_end(path)
        self._file = path.open("ab", buffering=0)
        path.chmod(0o600)
        self._redactor = redactor
        self._streams: dict[tuple[str, int, str], RedactingStream] = {}
        self._lock = threading.Lock()
        self._size = path.stat().st_size
        self._cut = False

    def write(self, step: str, attempt: int, kind: str, data: bytes) -> None:
        """Add raw output of a step; it is redacted over chunk edges, one stream a kind (`out`, `err`)."""
        with self._lock:
            stream = self._streams.setdefault((step, attempt, kind), self._redactor.stream())
            self._put(step, attempt, stream.feed(data))

    def say(self, step: str, attempt: int, text: str) -> None:
        """Add a line of our own."""
        with self._lock:
            self._put(step, attempt, self._redactor.text(text).encode("utf-8", "replace") + b"\n")

    def end(self, step: str, attempt: int) -> None:
        """Write what is still held back of a step's streams."""
        with self._lock:
            for key in [key for key in self._streams if key[:2] == (step, attempt)]:
                self._put(step, attempt, self._streams.pop(key).flush())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            for (step, attempt, _), stream in self._streams.items():
                self._put(step, attempt, stream.flush())
            self._streams.clear()
            self._file.close()

    def _put(self, step: str, attempt: int, data: bytes) -> None:
        for begin in range(0, len(data), CHUNK):
            part = data[begin : begin + CHUNK]
            if self._size > LIMIT:
                if self._cut:
                    return
                self._cut, part = True, b"\n[the rest of the output is not kept: the run wrote more than 256 MiB]\n"
            header = json.dumps({"step": step, "attempt": attempt, "at": round(time.time(), 3), "bytes": len(part)})
            line = header.encode() + b"\n" + part
            self._file.write(line)
            self._size += len(line)


class Silent(Spool):
    """Keeps nothing: for looking at something outside a run."""

    def __init__(self) -> None: ...

    def write(self, step: str, attempt: int, kind: str, data: bytes) -> None: ...

    def say(self, step: str, attempt: int, text: str) -> None: ...

    def end(self, step: str, attempt: int) -> None: ...

    def close(self) -> None: ...


def _drop_torn_end(path: Path) -> None:
    """Cut off what a killed writer left half-written: whoever follows could not read past it."""
    whole = 0
    while True:
        last = 0
        for chunk in read(path, whole):
            last = chunk.next
        if not last:
            break
        whole = last
    if path.exists() and path.stat().st_size > whole:
        os.truncate(path, whole)


def read(path: Path, offset: int = 0, limit: int = 1 << 20) -> Iterator[Chunk]:
    """Whole chunks from `offset` on, at most about `limit` bytes. Nothing where there is no file yet."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(limit + CHUNK + 200)
    except FileNotFoundError:
        return
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            return
        try:
            header = json.loads(data[at:end])
            size = int(header["bytes"])
        except (ValueError, KeyError, TypeError):
            return
        begin = end + 1
        if begin + size > len(data):
            return
        at = begin + size
        yield Chunk(str(header["step"]), int(header["attempt"]), float(header["at"]), data[begin:at], offset + at)
