"""The process stack's reverse proxy: plain HTTP/1.1, routed per request by path prefix.

    python -P -m console.stacks.proxy --listen 127.0.0.1:PORT --routes FILE --admin 127.0.0.1:PORT

It is for the demo and for small single-process services: no TLS, no cache, no load balancing. What it is good at is
being switched: the routes file is looked at before every request, so one rename moves all new requests to another
upstream, and requests under way end where they began. The admin address (loopback only) answers `GET /inflight` with
the number of requests under way per upstream, so that draining can be measured, and `GET /routes` with what is in
force.

An upstream connection serves one request. A pooled one can be closed by the upstream just as it is used again, and a
request that may already have been worked on must not be repeated; a new connection on the same machine costs less
than being wrong about that.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import logging
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h11

from console.stacks.proxy_routes import RoutesFile, RoutesUnusable, parse_address
from console.stacks.proxy_wire import (
    CHUNK,
    REASONS,
    Peer,
    TooSlow,
    answer,
    cancelled,
    framing_problem,
    is_upgrade,
    origin_form,
    refuse,
    request_headers,
    request_path,
    response_headers,
    say,
)

log = logging.getLogger("proxy")

SAY_AGAIN_S = 10.0
MOVES = 5
"""How often one request may follow a switch that came between choosing an upstream and reaching it."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the proxy waits, in seconds."""

    connect_s: float = 5.0
    headers_s: float = 15.0
    """For a client's whole request head, from its first byte."""
    keep_alive_s: float = 75.0
    """For the next request on a connection that is kept open."""
    answer_s: float = 60.0
    """For an upstream's response head, from the end of the request."""
    idle_s: float = 60.0
    """Between two pieces of a body, in either direction."""
    stop_s: float = 10.0
    """After SIGTERM, for requests under way."""


class Unanswered(Exception):
    """The request got no usable answer, and the client has not heard anything yet: what to tell it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class BrokenOff(Exception):
    """The response ended before its end, after its head was passed on."""


class Proxy:
    """All of the proxy's state: its routes, its counts, its connections."""

    def __init__(self, routes: RoutesFile, deadlines: Deadlines, max_clients: int = 1000) -> None:
        self.routes = routes
        self.deadlines = deadlines
        self.max_clients = max_clients
        self.inflight: dict[str, int] = {}
        self.clients: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()
        self._said = ("", 0.0)

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client connection until it ends. Raises nothing that a client could cause."""
        task = asyncio.current_task()
        if task is not None:
            self.clients.add(task)
        peer = Peer(h11.Connection(h11.SERVER), reader, writer, self.deadlines.idle_s)
        try:
            if len(self.clients) > self.max_clients:
                await say(peer, 503, f"The proxy already serves {self.max_clients} connections.")
                return
            while (request := await self._next_request(peer)) is not None:
                if not await self._exchange(peer, request) or self.stopping.is_set():
                    return
                peer.connection.start_next_cycle()
        except (OSError, TooSlow, EOFError, h11.ProtocolError):
            pass  # the client has gone, stopped reading, or speaks something else: there is nobody to tell
        finally:
            await peer.close()
            if task is not None:
                self.clients.discard(task)

    async def _next_request(self, peer: Peer) -> h11.Request | None:
        """The next request's head; None when there will be none (the client has been told why, if it can be)."""
        if not peer.connection.trailing_data[0] and not await self._first_bytes(peer):
            return None
        try:
            async with asyncio.timeout(self.deadlines.headers_s):
                event = await peer.event()
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint if error.error_status_hint in REASONS else 400
            await say(peer, status, f"This request cannot be understood: {error}.")
            return None
        except (TimeoutError, TooSlow):
            await say(peer, 408, f"No whole request came within {self.deadlines.headers_s:g} s.")
            return None
        if not isinstance(event, h11.Request):
            return None
        peer.head = event.method == b"HEAD"
        return event

    async def _first_bytes(self, peer: Peer) -> bool:
        """Wait for a next request on an idle connection; False when it ended, was idle too long, or we stop."""
        read = asyncio.create_task(peer.fill(self.deadlines.keep_alive_s))
        stop = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait({read, stop}, return_when=asyncio.FIRST_COMPLETED)
            return read.done() and read.result()
        except TooSlow:
            return False
        finally:
            await cancelled(read)
            await cancelled(stop)

    def _complain(self, sentence: str) -> None:
        """One log line; the same sentence at most every `SAY_AGAIN_S`, so that an outage does not fill the disk."""
        now = time.monotonic()
        before, said = self._said
        if sentence != before or now - said >= SAY_AGAIN_S:
            self._said = (sentence, now)
            log.warning("%s", sentence)

    @contextlib.contextmanager
    def _counted(self, upstream: str) -> Iterator[None]:
        self.inflight[upstream] = self.inflight.get(upstream, 0) + 1
        try:
            yield
        finally:
            self.inflight[upstream] -= 1
            if not self.inflight[upstream]:
                del self.inflight[upstream]

    async def _exchange(self, peer: Peer, request: h11.Request) -> bool:
        """Answer one request. True if the client connection may serve another."""
        if request.method == b"CONNECT" or is_upgrade(request):
            return await refuse(peer, 501, "This proxy neither tunnels nor upgrades connections.")
        problem = framing_problem(request)
        if problem is not None:
            await say(peer, 400, problem)
            return False
        path = request_path(request.target)
        failed: dict[str, Unanswered] = {}
        while True:
            # Between here and the count nothing is waited for: once a switch is on disk, a request is either
            # counted at the old upstream already or will go to the new one.
            self.routes.refresh()
            if self.routes.maintenance is not None:
                return await refuse(peer, 503, self.routes.maintenance)
            upstream = self.routes.upstream(path)
            if upstream is None:
                return await refuse(peer, 503, "No service is behind this path.")
            if upstream in failed or len(failed) > MOVES:
                error = failed.get(upstream) or next(iter(failed.values()))
                self._complain(str(error))
                return await refuse(peer, error.status, str(error))
            with self._counted(upstream):
                try:
                    other = await self._connect(upstream)
                except Unanswered as unanswered:
                    # Nothing has been sent, so the request may follow a switch that has come meanwhile.
                    failed[upstream] = unanswered
                    continue
                try:
                    return await self._relay(peer, request, other, upstream)
                finally:
                    await other.close()

    async def _connect(self, upstream: str) -> Peer:
        host, port = parse_address(upstream)
        try:
            async with asyncio.timeout(self.deadlines.connect_s):
                reader, writer = await asyncio.open_connection(host, port)
        except TimeoutError as error:
            sentence = f"The service at {upstream} took no connection within {self.deadlines.connect_s:g} s."
            raise Unanswered(504, sentence) from error
        except (OSError, ValueError) as error:  # ValueError: a name that no name service could take
            raise Unanswered(502, f"The service at {upstream} takes no connections.") from error
        peer = Peer(h11.Connection(h11.CLIENT), reader, writer, self.deadlines.idle_s)
        if writer.get_extra_info("sockname") == writer.get_extra_info("peername"):
            # On loopback, connecting to a closed port of the ephemeral range can meet itself (simultaneous open).
            await peer.close()
            raise Unanswered(502, f"The service at {upstream} takes no connections.")
        return peer

    async def _relay(self, peer: Peer, request: h11.Request, other: Peer, upstream: str) -> bool:
        """Request and response side by side: an upstream may answer before it has read the whole body."""
        sending = asyncio.create_task(self._send(peer, request, other, upstream))
        receiving = asyncio.create_task(self._receive(peer, request, other, upstream, sending))
        try:
            await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done() and sending.exception() is None:
                await asyncio.wait({receiving})
            (receiving if receiving.done() else sending).result()
            await asyncio.sleep(0)  # a body that has come whole may have one step left to its end
            return sending.done() and sending.exception() is None and peer.connection.their_state is h11.DONE
        except Unanswered as error:
            await cancelled(sending)
            await cancelled(receiving)
            self._complain(str(error))
            return await refuse(peer, error.status, str(error))
        except BrokenOff as error:
            # The head is out; only a broken connection can now tell the client that the body is not whole.
            self._complain(f"The response of {upstream} broke off: {error}.")
            peer.abort()
            return False
        finally:
            await cancelled(sending)
            await cancelled(receiving)

    async def _send(self, peer: Peer, request: h11.Request, other: Peer, upstream: str) -> None:
        """The request, head and body. Raises Unanswered if the client sends it wrongly.

        An upstream that stops reading is no error here: its answer, if it has one, is what counts.
        """
        headers = request_headers(request, peer.address(), upstream)
        try:
            await other.send(h11.Request(method=request.method, target=origin_form(request.target), headers=headers))
        except OSError:
            return
        while True:
            try:
                event = await peer.event()
            except h11.RemoteProtocolError as error:
                raise Unanswered(400, f"The request's body cannot be understood: {error}.") from error
            except TooSlow as error:
                raise Unanswered(408, f"The request's body stopped coming: {error}.") from error
            try:
                if isinstance(event, h11.Data):
                    await other.send(h11.Data(data=bytes(event.data)))
                elif isinstance(event, h11.EndOfMessage):
                    await other.send(h11.EndOfMessage())
                    return
                else:
                    raise EOFError("the client ended the connection inside its request")
            except (OSError, TooSlow):
                return

    async def _receive(
        self, peer: Peer, request: h11.Request, other: Peer, upstream: str, sending: asyncio.Task[None]
    ) -> None:
        """The response, head and body. Raises Unanswered before its head, BrokenOff after it."""
        while True:
            event = await self._head(other, upstream, sending)
            headers = response_headers(event)
            if isinstance(event, h11.Response):
                break
            if request.http_version == b"1.1":
                await peer.send(
                    h11.InformationalResponse(status_code=event.status_code, headers=headers, reason=event.reason)
                )
        await peer.send(h11.Response(status_code=event.status_code, headers=headers, reason=event.reason))
        while True:
            try:
                piece = await other.event()
            except (h11.RemoteProtocolError, TooSlow, OSError) as error:
                raise BrokenOff(str(error)) from error
            if isinstance(piece, h11.Data):
                await peer.send(h11.Data(data=bytes(piece.data)))
            elif isinstance(piece, h11.EndOfMessage):
                await peer.send(h11.EndOfMessage())
                return
            else:
                raise BrokenOff("it closed the connection")

    async def _head(
        self, other: Peer, upstream: str, sending: asyncio.Task[None]
    ) -> h11.Response | h11.InformationalResponse:
        """The next response head. The deadline runs from the end of the request, which has one of its own."""
        while True:
            sent = sending.done()
            try:
                event = await other.event(self.deadlines.answer_s)
            except TooSlow as error:
                if not sent:
                    continue
                sentence = f"The service at {upstream} did not answer within {self.deadlines.answer_s:g} s."
                raise Unanswered(504, sentence) from error
            except h11.RemoteProtocolError as error:
                if not other.heard:
                    raise Unanswered(502, f"The service at {upstream} closed the connection unanswered.") from error
                raise Unanswered(502, f"The service at {upstream} answered something that is not HTTP.") from error
            except OSError as error:
                raise Unanswered(502, f"The service at {upstream} broke the connection unanswered.") from error
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse) and event.status_code != 101:
                return event
            raise Unanswered(502, f"The service at {upstream} closed the connection unanswered.")

    async def admin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the admin address: one request, one answer."""
        peer = Peer(h11.Connection(h11.SERVER), reader, writer, self.deadlines.idle_s)
        try:
            async with asyncio.timeout(self.deadlines.headers_s):
                request = await peer.event()
            if isinstance(request, h11.Request):
                peer.head = request.method == b"HEAD"
                status, value = self._admin_answer(request)
                while peer.connection.their_state is h11.SEND_BODY:
                    await peer.event()
                await answer(peer, status, "application/json", json.dumps(value).encode(), keep=False)
        except (OSError, TooSlow, TimeoutError, EOFError, h11.ProtocolError):
            pass  # a client that is no client
        finally:
            await peer.close()

    def _admin_answer(self, request: h11.Request) -> tuple[int, object]:
        self.routes.refresh()
        if request.method not in (b"GET", b"HEAD"):
            return 405, {"error": "this address only answers GET"}
        path = request_path(request.target)
        if path == "/inflight":
            return 200, dict.fromkeys(self.routes.upstreams(), 0) | self.inflight
        if path == "/routes":
            return 200, self.routes.shown()
        return 404, {"error": "this address answers /inflight and /routes"}


async def run(proxy: Proxy, listen: tuple[str, int], admin: tuple[str, int] | None) -> None:
    """Serve until SIGTERM or SIGINT; then take nothing new and let requests under way end. Raises OSError."""
    servers = [await asyncio.start_server(proxy.client, *listen, backlog=512, limit=CHUNK)]
    if admin is not None:
        servers.append(await asyncio.start_server(proxy.admin, *admin, limit=CHUNK))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, proxy.stopping.set)
    log.info("listening on %s:%d", *listen)
    await proxy.stopping.wait()
    for server in servers:
        server.close()
    if proxy.clients:
        await asyncio.wait(proxy.clients, timeout=proxy.deadlines.stop_s)
    for task in tuple(proxy.clients):
        await cancelled(task)
    log.info("stopped")


def main(argv: list[str] | None = None) -> int:
    """The command line. 0 after a clean stop, 1 when an address cannot be used, 2 for wrong arguments or routes."""
    parser = argparse.ArgumentParser(prog="console.stacks.proxy", description="A reverse proxy, routed per request.")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--routes", required=True, type=Path, metavar="FILE")
    parser.add_argument("--admin", metavar="HOST:PORT", help="loopback only")
    for name in Deadlines.__dataclass_fields__:
        default = getattr(Deadlines(), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default, metavar="SECONDS")
    arguments = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    log.setLevel(logging.INFO)
    try:
        listen = parse_address(arguments.listen)
        admin = parse_address(arguments.admin) if arguments.admin else None
        if admin is not None and not ipaddress.ip_address(admin[0]).is_loopback:
            raise ValueError(f"the admin address must be on loopback, not {admin[0]}")
        routes = RoutesFile(arguments.routes)
    except (ValueError, RoutesUnusable) as error:
        sys.stderr.write(f"proxy: {error}\n")
        return 2
    deadlines = Deadlines(**{name: getattr(arguments, name) for name in Deadlines.__dataclass_fields__})

    async def start() -> None:
        await run(Proxy(routes, deadlines), listen, admin)

    try:
        asyncio.run(start())
    except OSError as error:
        sys.stderr.write(f"proxy: the address cannot be used: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
