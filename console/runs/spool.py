"""A run's output: one file, redacted before it is written, read by offset by any number of viewers.

A chunk is one header line (JSON: step, attempt, time, length in bytes) and so many bytes. Sanitising is the reader's:
the file keeps the bytes for evidence.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from console.store import reserve
from console.text.redact import RedactingStream, Redactor

CHUNK = 64 * 1024
LIMIT = 256 * 1024 * 1024
"""Bytes that one run may write; what comes after is counted and said, not kept."""
SCAN = 64 * 1024 * 1024
"""Bytes of a spool that one `read` passes at most, while it looks for the chunks that are wanted."""
NEAR, FAR = 64 * 1024, 512
"""Bytes that are read at once to find headers: among short chunks, and after a long one that was passed over."""
HEADER = re.compile(
    rb'\{"step": "([\x20-\x21\x23-\x5b\x5d-\x7e]*)", "attempt": (\d+), "at": (\d+\.?\d*), "bytes": (\d+)\}'
)


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
    """The writer, used by the runner from several threads.

    Output is never worth a step: where it cannot be kept (the disk is full), the run goes on, and how much is missing
    is said in its place as soon as there is room again. The last of the room is left to the records.
    """

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._redactor = redactor
        self._streams: dict[tuple[str, int, str], RedactingStream] = {}
        self._lock = threading.Lock()
        self._size = 0
        self._lost = 0
        self._cut = False
        self._open()

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _drop_torn_end(self._path)
            self._file = self._path.open("ab", buffering=0)
            self._path.chmod(0o600)
            self._size = self._path.stat().st_size
        except OSError:
            self._file = None  # tried again with the next piece

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
            if self._lost:
                self._put("", 0, b"")
            if self._file is not None:
                self._file.close()

    def _put(self, step: str, attempt: int, data: bytes) -> None:
        if self._lost:
            missing = b"[%d bytes of output are missing here: there was no room for them on the disk]\n" % self._lost
            if not self._keep(step, attempt, missing):
                self._lost += len(data)
                return
            self._lost = 0
        for begin in range(0, len(data), CHUNK):
            part = data[begin : begin + CHUNK]
            if self._size > LIMIT:
                if self._cut:
                    return
                self._cut, part = True, b"\n[the rest of the output is not kept: the run wrote more than 256 MiB]\n"
            if not self._keep(step, attempt, part):
                self._lost += len(data) - begin
                return

    def _keep(self, step: str, attempt: int, part: bytes) -> bool:
        """Write one chunk, whole or not at all; whether it is there."""
        header = json.dumps({"step": step, "attempt": attempt, "at": round(time.time(), 3), "bytes": len(part)})
        line = header.encode() + b"\n" + part
        if self._file is None:
            self._open()
        if self._file is None:
            return False
        written = 0
        try:
            if reserve.room(self._path.parent) > reserve.ROOM_BYTES:
                while written < len(line):
                    written += self._file.write(line[written:])
        except OSError:
            pass
        if written == len(line):
            self._size += written
            return True
        if written:
            self._file.truncate(self._size)  # takes no room; whoever follows must not meet half a chunk
        return False


class Silent(Spool):
    """Keeps nothing: for looking at something outside a run."""

    def __init__(self) -> None: ...

    def write(self, step: str, attempt: int, kind: str, data: bytes) -> None: ...

    def say(self, step: str, attempt: int, text: str) -> None: ...

    def end(self, step: str, attempt: int) -> None: ...

    def close(self) -> None: ...


def _drop_torn_end(path: Path) -> None:
    """Cut off what a killed writer left half-written: whoever follows could not read past it. Raises OSError."""
    try:
        with path.open("rb", buffering=0) as file:
            size, whole = os.fstat(file.fileno()).st_size, 0
            for piece in _headers(file, 0, size):
                whole = piece[3] + piece[4]
    except FileNotFoundError:
        return
    if size > whole:
        os.truncate(path, whole)


def _headers(file: BinaryIO, offset: int, size: int) -> Iterator[tuple[str, int, float, int, int, bytes | None]]:
    """Of every whole chunk from `offset` on: step, attempt, time, where its data begin, how long they are, the data.

    The data are None unless they were read anyway; long ones are passed over, so nothing here grows with the file.
    """
    window, start, step, at = b"", offset, NEAR, offset
    while at < size:
        inside = at - start
        end = window.find(b"\n", inside) if inside < len(window) else -1
        if end < 0:
            file.seek(at)
            window, start, inside = file.read(step), at, 0
            end = window.find(b"\n")
            if end < 0 and step < NEAR:
                window += file.read(NEAR)
                end = window.find(b"\n")
        header = _header(window[inside:end]) if end >= 0 else None
        if header is None:
            return
        begin, length = start + end + 1, header[3]
        if begin + length > size:
            return
        there = end + 1 + length <= len(window)
        yield *header[:3], begin, length, window[end + 1 : end + 1 + length] if there else None
        at = begin + length
        step = FAR if length > NEAR // 2 else NEAR


def _header(line: bytes) -> tuple[str, int, float, int] | None:
    """What a header says: step, attempt, time, length; None for anything else."""
    found = HEADER.fullmatch(line)
    if found is not None:
        return found[1].decode("ascii"), int(found[2]), float(found[3]), int(found[4])
    try:
        raw = json.loads(line)
        return str(raw["step"]), int(raw["attempt"]), float(raw["at"]), max(0, int(raw["bytes"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def read(
    path: Path, offset: int = 0, limit: int = 1 << 20, wanted: Callable[[str], bool] | None = None
) -> Iterator[Chunk]:
    """Whole chunks from `offset` on, of about `limit` bytes. Nothing where there is no file yet.

    `wanted`: which steps' chunks are given; the others are passed over. The last one given may be empty: it only says
    how far was looked, where to go on.
    """
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return
    with file:
        size, given, passed = os.fstat(file.fileno()).st_size, 0, None
        for step, attempt, at, begin, length, data in _headers(file, offset, size):
            end = begin + length
            if wanted is None or wanted(step):
                if data is None:
                    file.seek(begin)
                    data = file.read(length)
                    if len(data) < length:
                        return  # cut off meanwhile
                passed, given = None, given + length
                yield Chunk(step, attempt, at, data, end)
            else:
                passed = Chunk(step, attempt, at, b"", end)
            if given >= limit or end - offset >= SCAN:
                break
        if passed is not None:
            yield passed
