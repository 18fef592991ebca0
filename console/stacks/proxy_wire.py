"""HTTP/1.1 on the wire, for the proxy: one connection with deadlines, and which headers go on to the other side."""

from __future__ import annotations

import asyncio
import contextlib

import h11

CHUNK = 65536
"""Bytes read at once."""
LINGER_S = 1.0
"""How long a connection is read empty after our last word, so that closing does not reset what we said."""
LINGER_BYTES = 1024 * 1024

REASONS = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}

Event = h11.Event | type[h11.PAUSED] | type[h11.NEED_DATA]

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Headers of one connection only (RFC 9110, section 7.6.1); what `Connection` names is added to them."""


class TooSlow(Exception):
    """The other side took longer than its deadline."""


class Peer:
    """One connection, client's or upstream's: events in, events out, no wait without a deadline."""

    def __init__(
        self,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        idle_s: float,
    ) -> None:
        self.connection = connection
        self.reader = reader
        self.writer = writer
        self.idle_s = idle_s
        self.heard = False
        """Whether anything has come at all."""
        self.head = False
        """Whether the request being answered is a HEAD, so that answers of our own carry no body."""

    def address(self) -> str:
        """The other side's address, without the port."""
        name = self.writer.get_extra_info("peername")
        return str(name[0]) if isinstance(name, tuple) and name else "unknown"

    async def fill(self, deadline_s: float) -> bool:
        """Read once and hand it to the parser. False at the end of the stream. Raises TooSlow, OSError."""
        try:
            async with asyncio.timeout(deadline_s):
                data = await self.reader.read(CHUNK)
        except TimeoutError as error:
            raise TooSlow(f"nothing came for {deadline_s:g} s") from error
        self.connection.receive_data(data)
        self.heard = self.heard or bool(data)
        return bool(data)

    async def event(self, deadline_s: float | None = None) -> Event:
        """The next event. `deadline_s` (None: the idle deadline) is for each read.

        Raises h11.RemoteProtocolError for what is not HTTP, TooSlow, OSError.
        """
        while True:
            event = self.connection.next_event()
            if event is not h11.NEED_DATA:
                return event
            await self.fill(self.idle_s if deadline_s is None else deadline_s)

    async def send(self, event: h11.Event) -> None:
        """Send one event, waiting while the other side reads slowly. Raises TooSlow, OSError, LocalProtocolError."""
        data = self.connection.send(event)
        if data:
            self.writer.write(data)
        try:
            async with asyncio.timeout(self.idle_s):
                await self.writer.drain()
        except TimeoutError as error:
            raise TooSlow(f"the other side read nothing for {self.idle_s:g} s") from error

    def abort(self) -> None:
        """End the connection at once, so that the other side sees it broken."""
        self.writer.transport.abort()

    async def close(self) -> None:
        """End the connection. What is still being sent to us is read away for a moment first.

        Closing a socket with unread data resets it, and the reset may overtake our answer.
        """
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINGER_S):
                unread = self.connection.their_state not in (h11.IDLE, h11.CLOSED, h11.DONE)
                if unread and self.connection.our_role is h11.SERVER and not self.writer.transport.is_closing():
                    await self.writer.drain()
                    if self.writer.can_write_eof():
                        self.writer.write_eof()
                    left = LINGER_BYTES
                    while left > 0 and (data := await self.reader.read(CHUNK)):
                        left -= len(data)
        self.writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self.writer.wait_closed()
                return
        self.abort()


def request_path(target: bytes) -> str:
    """The path of a request's target, for routing only: of `/a?b`, `http://host/a`, and `*` (then "/")."""
    text = target.decode("ascii", "replace")
    if not text.startswith("/"):
        _, scheme, rest = text.partition("://")
        text = "/" + rest.partition("/")[2] if scheme else "/"
    return text.partition("?")[0]


def origin_form(target: bytes) -> bytes:
    """The target as an upstream wants it: without scheme and host (RFC 9112, section 3.2.1)."""
    if target.startswith(b"/") or target == b"*":
        return target
    _, scheme, rest = target.partition(b"://")
    return b"/" + rest.partition(b"/")[2] if scheme else target


def _values(headers: h11._headers.Headers, name: bytes) -> list[bytes]:
    return [part.strip().lower() for key, value in headers if key == name for part in value.split(b",") if part.strip()]


def is_upgrade(request: h11.Request) -> bool:
    """Whether the client asks for another protocol."""
    return b"upgrade" in _values(request.headers, b"connection") and bool(_values(request.headers, b"upgrade"))


def framing_problem(request: h11.Request) -> str | None:
    """Why the request's body is ambiguous, or None. Two framings at once are how requests are smuggled."""
    coding = _values(request.headers, b"transfer-encoding")
    if coding and _values(request.headers, b"content-length"):
        return "The request has both Content-Length and Transfer-Encoding."
    if coding and request.http_version != b"1.1":
        return "The request has a Transfer-Encoding, which HTTP/1.0 does not know."
    return None


def _passed_on(message: h11.Request | h11.Response | h11.InformationalResponse) -> list[tuple[bytes, bytes]]:
    """The headers that are not only for this connection, in their order and spelling."""
    named = set(_values(message.headers, b"connection"))
    return [
        (raw, value)
        for (raw, value), (name, _) in zip(message.headers.raw_items(), message.headers, strict=True)
        if name not in HOP_BY_HOP and (name not in named or name in (b"host", b"content-length"))
    ]


def request_headers(request: h11.Request, client: str, upstream: str) -> list[tuple[bytes, bytes]]:
    """The headers for the upstream: hop-by-hop ones gone, framing ours, X-Forwarded-* and Via added."""
    headers = [pair for pair in _passed_on(request) if not pair[0].lower().startswith(b"x-forwarded-")]
    before = [value for name, value in request.headers if name == b"x-forwarded-for"]
    host = next((value for name, value in headers if name.lower() == b"host"), None)
    if host is None:
        host = upstream.encode("ascii")
        headers.insert(0, (b"Host", host))
    if _values(request.headers, b"transfer-encoding"):
        headers.append((b"Transfer-Encoding", b"chunked"))
    headers += [
        (b"X-Forwarded-For", b", ".join([*before, client.encode("ascii", "replace")])),
        (b"X-Forwarded-Host", host),
        (b"X-Forwarded-Proto", b"http"),
        (b"Via", request.http_version + b" quarterdeck"),
        (b"Connection", b"close"),
    ]
    return headers


def response_headers(response: h11.Response | h11.InformationalResponse) -> list[tuple[bytes, bytes]]:
    """The headers for the client: hop-by-hop ones gone. h11 adds the framing that the client's version knows."""
    return [*_passed_on(response), (b"Via", response.http_version + b" quarterdeck")]


async def cancelled(task: asyncio.Task[object] | asyncio.Task[None] | asyncio.Task[bool]) -> None:
    """Cancel a task and wait until it has ended; its result and its error are dropped."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()


async def refuse(peer: Peer, status: int, sentence: str) -> bool:
    """Answer for the upstream. A small body is read away first, so that the connection can be kept."""
    left = CHUNK
    while peer.connection.their_state is h11.SEND_BODY and left > 0:
        if peer.connection.they_are_waiting_for_100_continue:
            break
        try:
            event = await peer.event()
        except (h11.RemoteProtocolError, TooSlow):
            break
        left -= len(event.data) if isinstance(event, h11.Data) else 0
    return await say(peer, status, sentence)


async def say(peer: Peer, status: int, sentence: str) -> bool:
    """Send a short plain answer, if one can still be sent. True if the connection may serve another request."""
    if peer.connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return False
    keep = peer.connection.their_state is h11.DONE
    await answer(peer, status, "text/plain; charset=utf-8", (sentence.rstrip("\n") + "\n").encode(), keep=keep)
    return keep


async def answer(peer: Peer, status: int, kind: str, body: bytes, *, keep: bool) -> None:
    """Send a whole answer of our own."""
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
    if status == 503:
        headers.append(("Retry-After", "5"))
    if not keep:
        headers.append(("Connection", "close"))
    await peer.send(h11.Response(status_code=status, headers=headers, reason=REASONS.get(status, "OK")))
    if not peer.head:
        await peer.send(h11.Data(data=body))
    await peer.send(h11.EndOfMessage())
