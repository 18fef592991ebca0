"""Makes a real socket out of a channel, so that TLS, HTTP clients and selectors can use it."""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paramiko import Channel

_CHUNK = 65_536
_FULL_S = 0.01
"""How soon a full window is tried again: paramiko tells nobody when it opens."""
_GONE_S = 0.5
"""How often a half-closed socket is asked whether it is closed altogether."""


def as_socket(channel: Channel, name: str, at_end: Callable[[], None] = lambda: None) -> socket.socket:
    """A connected socket whose other end is the channel. Closing either closes the other, and calls `at_end`."""
    ours, theirs = socket.socketpair()
    threading.Thread(target=_pump, args=(channel, theirs, at_end), name=f"relay {name}", daemon=True).start()
    return ours


def _pump(channel: Channel, sock: socket.socket, at_end: Callable[[], None]) -> None:
    sock.setblocking(False)
    channel.setblocking(False)
    to_channel, to_sock = bytearray(), bytearray()
    channel_open = sock_open = True  # still giving us bytes
    selector = selectors.DefaultSelector()
    try:
        pulse = channel.fileno()
        while True:
            if not channel_open and not to_sock:
                return
            if not sock_open and _hung_up(sock):
                return  # closed, not only half-closed: nobody reads any more
            want = (selectors.EVENT_READ if sock_open and len(to_channel) < _CHUNK else 0) | (
                selectors.EVENT_WRITE if to_sock else 0
            )
            _watch(selector, sock, want)
            _watch(selector, pulse, selectors.EVENT_READ if channel_open and len(to_sock) < _CHUNK else 0)
            events = selector.select(_FULL_S if to_channel else 30.0 if sock_open else _GONE_S)
            for key, mask in events:
                if key.fileobj is sock and mask & selectors.EVENT_READ:
                    data = _read(sock)
                    if data == b"":
                        sock_open = False
                    elif data:
                        to_channel += data
                if key.fileobj is sock and mask & selectors.EVENT_WRITE:
                    with contextlib.suppress(BlockingIOError):
                        del to_sock[: sock.send(to_sock[:_CHUNK])]
            if channel_open and len(to_sock) < _CHUNK:
                try:
                    got = channel.recv(_CHUNK)
                except TimeoutError:
                    got = None
                if got == b"":
                    channel_open = False
                elif got:
                    to_sock += got
            while channel.recv_stderr_ready():
                channel.recv_stderr(_CHUNK)  # of `docker system dial-stdio`; unread, it would block the rest
            while to_channel and not channel.closed and channel.send_ready():
                try:
                    del to_channel[: channel.send(bytes(to_channel[:_CHUNK]))]
                except TimeoutError:
                    break
            if channel.closed:
                to_channel.clear()
            if not sock_open and not to_channel and not channel.eof_sent and not channel.closed:
                channel.shutdown_write()
    except (OSError, EOFError):
        return  # one side is gone; the other learns it from the closing below
    finally:
        selector.close()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        with contextlib.suppress(OSError, EOFError):
            channel.close()
        at_end()


def _watch(selector: selectors.BaseSelector, what: socket.socket | int, events: int) -> None:
    known = selector.get_map().get(what)
    if known is None:
        if events:
            selector.register(what, events)
    elif not events:
        selector.unregister(what)
    elif known.events != events:
        selector.modify(what, events)


def _hung_up(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, 0)
    return any(mask & (select.POLLHUP | select.POLLERR) for _, mask in poll.poll(0))


def _read(sock: socket.socket) -> bytes | None:
    try:
        return sock.recv(_CHUNK)
    except BlockingIOError:
        return None
