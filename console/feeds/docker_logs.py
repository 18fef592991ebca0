"""Logs of one container from the Docker Engine API, followed and resumed without loss or doubles.

Facts measured on Docker 20.10 (API 1.41) and held by the tests: frames have an 8-byte header unless the container has
a terminal; a line over 16 KiB comes as several frames with one time stamp of which only the last ends in a newline;
`since` is inclusive to the nanosecond; following ends when the container stops. So a reader remembers the last time
stamp T and how many lines it has seen at T, asks again with since=T and drops that many.

Read from a raw engine connection: the engine sends a chunk for each line, and the same stream costs four times the
processor through httpx and a third more through http.client.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from console.feeds.lines import LogLine, epoch_of, level_of
from console.text.sanitise import Sanitiser, clean

_HEADER = struct.Struct(">BxxxL")
_STAMP_MAX = 40
LINE_CAP = 64 * 1024
"""Bytes kept of one line here; the sanitiser cuts further and says how much is missing."""


class LogsUnreadable(Exception):
    """The engine will not give this container's logs. The text is its own reason, in a sentence.

    `gone`: the container is not there (any more), which another look may mend.
    """

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.gone = status in (404, 409)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader stands: the last time stamp seen, as Docker wrote it, and how many lines had exactly that one."""

    stamp: str = ""
    seen: int = 0

    def since(self) -> str | None:
        """The value of the API's `since`: seconds with nanoseconds, which the engine takes although it says integer."""
        if not self.stamp:
            return None
        whole = epoch_of(self.stamp[:19] + "Z")
        if whole is None:
            return None
        fraction = self.stamp[20:].rstrip("Z")
        return f"{int(whole)}.{fraction:0<9.9}"


class Demux:
    """Docker's multiplexed stream as whole raw lines `STAMP text`, continuation frames joined.

    With a terminal there are no headers and lines end in CR LF.
    """

    def __init__(self, tty: bool) -> None:
        self._tty = tty
        self._buffer = bytearray()
        self._open: dict[int, bytearray] = {}

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete after `data`, without their newline."""
        self._buffer += data
        return self._plain() if self._tty else self._framed()

    def _plain(self) -> list[bytes]:
        *whole, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest[-LINE_CAP:])
        return [line.rstrip(b"\r")[:LINE_CAP] for line in whole]

    def _framed(self) -> list[bytes]:
        lines: list[bytes] = []
        data = bytes(self._buffer)
        at, end = 0, len(data)
        unpack, opened = _HEADER.unpack_from, self._open
        while end - at >= 8:
            stream, size = unpack(data, at)
            begin, stop = at + 8, at + 8 + size
            if stop > end:
                break
            at = stop
            newline = data.find(b"\n", begin, stop)
            if newline == stop - 1 and size and stream not in opened:
                lines.append(data[begin:newline])
            elif size:
                self._join(stream, data[begin:stop], lines)
        del self._buffer[:at]
        return lines

    def _join(self, stream: int, payload: bytes, lines: list[bytes]) -> None:
        line = self._open.setdefault(stream, bytearray())
        if line:
            stamp = bytes(line[: line.find(b" ") + 1])
            if payload.startswith(stamp):
                payload = payload[len(stamp) :]
        for part in payload.splitlines(keepends=True) or [payload]:
            room = LINE_CAP - len(line)
            if room > 0:
                line += part[:room]
            if part.endswith(b"\n"):
                lines.append(bytes(line).rstrip(b"\n"))
                line.clear()
        if not line:
            del self._open[stream]


class Reader:
    """Turns raw lines into LogLines and keeps the position, dropping what was seen before a reconnect.

    `redact` is given a whole batch of lines at once, parted by newlines: that is quicker than line by line, and finds
    what reaches over several lines, a private key say.
    """

    def __init__(self, source: str, redact: Callable[[str], str], position: Position | None = None) -> None:
        self.position = position or Position()
        self._skip = self.position
        self._source = source
        self._redact = redact
        self._sanitiser = Sanitiser()

    def take(self, raw: list[bytes]) -> list[LogLine]:
        """The lines to show. `raw` is what Demux gave, in order."""
        times, texts = self._fresh(raw)
        if not texts:
            return []
        safe = self._safe(texts)
        whole = "\n".join(safe)
        shown = self._redact(whole)
        source = self._source
        if shown is whole or shown == whole:
            return [LogLine(at, source, text, level_of(text)) for at, text in zip(times, safe, strict=True)]
        return [LogLine(times[n], source, text, level_of(text)) for n, text in aligned(safe, shown.split("\n"))]

    def _fresh(self, raw: list[bytes]) -> tuple[list[float | None], list[bytes]]:
        """Times and texts of the lines not seen before; moves the position on."""
        times: list[float | None] = []
        texts: list[bytes] = []
        stamp_before, seen = self.position.stamp, self.position.seen
        skip_stamp, skip = self._skip.stamp, self._skip.seen
        for one in raw:
            space = one.find(b" ", 0, _STAMP_MAX)
            stamp = one[:space].decode("ascii", "replace") if space > 0 else ""
            if stamp and stamp == skip_stamp and skip > 0:
                skip -= 1
                continue
            if stamp == stamp_before:
                seen += 1
            elif stamp:
                stamp_before, seen = stamp, 1
            times.append(epoch_of(stamp))
            texts.append(one[space + 1 :])
        self._skip = replace(self._skip, seen=skip)
        self.position = Position(stamp_before, seen)
        return times, texts

    def _safe(self, texts: list[bytes]) -> list[str]:
        """One safe line for each text, which is a whole line: no sequence left open in one reaches into the next."""
        found = self._sanitiser.feed(b"\n".join(texts) + b"\n")
        if len(found) == len(texts):  # nothing but a sequence left open can take a line end away, and nothing adds one
            return found
        self._sanitiser = Sanitiser()
        return [self._line(text) for text in texts]

    def _line(self, text: bytes) -> str:
        found = self._sanitiser.feed(text + b"\n") + self._sanitiser.flush()
        return " ".join(found)


def aligned(before: list[str], after: list[str]) -> list[tuple[int, str]]:
    """Each line of `after` with the number of the line of `before` that it comes from.

    Redaction may have made one line of several: what is equal at both ends keeps its place, and what lies between
    belongs to the lines from the first changed one on.
    """
    if len(before) == len(after):
        return list(enumerate(after))
    short = min(len(before), len(after))
    head = next((n for n in range(short) if before[n] != after[n]), short)
    tail = next((n for n in range(short - head) if before[-1 - n] != after[-1 - n]), short - head)
    last = min(max(head, len(before) - tail - 1), len(before) - 1)
    between = [(min(head + n, last), text) for n, text in enumerate(after[head : len(after) - tail])]
    ends = [(len(before) - n, after[-n]) for n in range(tail, 0, -1)]
    return list(enumerate(after[:head])) + between + ends


class Dechunk:
    """HTTP/1.1 chunked transfer coding undone. One pass over large buffers: the engine sends a chunk for each line."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._left = 0
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """The body bytes in `data`. Raises OSError for a malformed stream."""
        buffer = bytes(self._buffer) + data if self._buffer else data
        out: list[bytes] = []
        at, end = 0, len(buffer)
        while at < end and not self.ended:
            if self._left:
                take = min(self._left, end - at)
                out.append(buffer[at : at + min(take, max(0, self._left - 2))])  # the last two are its own CR LF
                at += take
                self._left -= take
                continue
            line_end = buffer.find(b"\r\n", at, at + 64)
            if line_end < 0:
                if end - at >= 64:
                    raise OSError("the engine's log stream is not in chunks as it announced")
                break
            try:
                size = int(buffer[at:line_end].split(b";")[0], 16)
            except ValueError as error:
                raise OSError("the engine's log stream is not in chunks as it announced") from error
            at = line_end + 2
            if 0 < size <= end - at - 2:
                out.append(buffer[at : at + size])
                at += size + 2
                continue
            self.ended = size == 0
            self._left = size + 2
        self._buffer = bytearray(buffer[at:])
        return b"".join(out)


def stream(
    connect: Callable[[], socket.socket],
    container: str,
    *,
    tty: bool,
    position: Position,
    tail: int = 500,
    follow: bool = True,
    stop: threading.Event,
    silence_s: float = 20.0,
) -> Iterator[list[bytes]]:
    """Batches of raw lines of one container, until it stops, the connection ends or `stop` is set.

    `connect` opens a raw engine connection. Silence of `silence_s` is not an end: an empty batch is yielded, so that
    the caller can look whether the container is still the right one. Raises LogsUnreadable, OSError.
    """
    wanted: dict[str, str] = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1" if follow else "0"}
    since = position.since()
    if since is not None:
        wanted["since"] = since
    else:
        wanted["tail"] = str(tail)
    path = f"/containers/{quote(container, safe='')}/logs?{urlencode(wanted)}"
    with connect() as engine:
        engine.settimeout(silence_s)
        engine.sendall(f"GET {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode())
        status, chunked, data = _head(engine)
        body = Dechunk() if chunked else None
        if status != 200:
            rest = data + _some(engine)
            raise LogsUnreadable(_reason(body.feed(rest) if body else rest, status), status)
        demux = Demux(tty)
        while not stop.is_set():
            if data:
                yield demux.feed(body.feed(data) if body else data)
            if body is not None and body.ended:
                return
            try:
                data = engine.recv(1 << 18)
            except TimeoutError:
                data = b""
                yield []
                continue
            if not data:
                return


def _head(engine: socket.socket) -> tuple[int, bool, bytes]:
    """Status, whether the body comes in chunks, and what of the body was read already. Raises OSError."""
    head = bytearray()
    while (end := head.find(b"\r\n\r\n")) < 0:
        data = engine.recv(65536)
        if not data or len(head) > 65536:
            raise OSError("the engine closed the connection before it answered")
        head += data
    first, *fields = bytes(head[:end]).decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise OSError(f"the engine's answer does not begin like HTTP: {first[:60]!r}")
    chunked = any(
        name.strip().lower() == "transfer-encoding" and "chunked" in value.lower()
        for name, _, value in (field.partition(":") for field in fields)
    )
    return int(words[1]), chunked, bytes(head[end + 4 :])


def _some(engine: socket.socket) -> bytes:
    try:
        return engine.recv(65536)
    except OSError:
        return b""


def _reason(body: bytes, status: int) -> str:
    try:
        said = json.loads(body).get("message", "")
    except (ValueError, AttributeError, RecursionError):
        said = body[:200].decode("utf-8", "replace")
    return f"Docker will not give the logs (HTTP {status}): {clean(str(said), 300) or 'no reason given'}."
