"""Words that run on a host, as whoever waits for them sees them, and what is kept of their output."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Literal, Protocol

from console.hosts.base import CAPTURE_BYTES, OutputSink, Result, Stream
from console.hosts.markers import Head

Ended = Literal["exited", "deadline", "cancelled", "lost"]


class Running(Protocol):
    """Words that were started on a host."""

    @property
    def done(self) -> bool:
        """Ended, and everything it wrote was fed."""
        ...

    @property
    def rc(self) -> int | None:
        """Its exit code once done; None if a signal ended it."""
        ...

    def step(self, timeout_s: float) -> None:
        """Move bytes both ways; wait at most `timeout_s` for some. Raises HostUnreachable when it is lost."""
        ...

    def close(self) -> None:
        """Let go of it, and of its slot. Does not end it on the host."""
        ...


class Capture:
    """Collects what a command writes, up to a limit, and passes all of it on."""

    def __init__(self, sink: OutputSink | None) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.truncated = False
        self._sink = sink

    def feed(self, stream: Stream) -> Callable[[bytes], None]:
        kept = self.out if stream == "out" else self.err

        def take(data: bytes) -> None:
            room = CAPTURE_BYTES - len(kept)
            if len(data) > room:
                self.truncated = True
            if room > 0:
                kept.extend(data[:room])
            if self._sink is not None:
                self._sink(stream, data)

        return take

    def result(self, rc: int | None, ended: Ended, took_s: float) -> Result:
        return Result(rc, bytes(self.out), bytes(self.err), ended, took_s, self.truncated)


class Follower:
    """What the script that follows an attempt gives: the output on one stream, how it ended on the other."""

    def __init__(self, sink: OutputSink | None) -> None:
        self.nonce = secrets.token_hex(8)
        self.capture = Capture(sink)
        self.told = bytearray()
        self._head = Head(self.nonce, self.capture.feed("out"))

    def take(self, stream: Stream, data: bytes) -> None:
        """Bytes as they come."""
        if stream == "out":
            self._head.take(data)
        else:
            self.told.extend(data)

    def feed(self, stream: Stream) -> Callable[[bytes], None]:
        """`take` for one stream."""
        return lambda data: self.take(stream, data)
