"""A slow line to a host's sshd: a relay that delays and throttles, for machines whose kernel has no netem."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.host import LabHost

CHUNK = 1400
"""Bytes that travel together, about one packet."""


@dataclass
class SlowLink:
    """A line in use: where it can be reached, and the bytes that have passed in each direction."""

    port: int
    """On 127.0.0.1."""
    ssh_config: Path = Path("/dev/null")
    """The test user's ssh_config with this host at the end of the slow line; host key checks stay."""
    sent: int = 0
    received: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@contextlib.contextmanager
def slow_link(
    host: LabHost, folder: Path, round_trip_s: float = 0.08, bits_per_s: float = 1_000_000
) -> Iterator[SlowLink]:
    """A line to `host`:22 with this round trip and this rate in each direction; its ssh_config is put into `folder`."""
    with slow_line((host.ip, 22), round_trip_s, bits_per_s) as link:
        config = folder / f"slow_{host.name}_config"
        head = f"Host {host.name}\n  HostName 127.0.0.1\n  Port {link.port}\n  HostKeyAlias {host.name}\n"
        config.write_text(head + host.ssh_config.read_text())
        config.chmod(0o600)
        link.ssh_config = config
        yield link


@contextlib.contextmanager
def slow_line(target: tuple[str, int], round_trip_s: float = 0.08, bits_per_s: float = 1_000_000) -> Iterator[SlowLink]:
    """A line to an address and port with this round trip and this rate in each direction."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0)))
        link = SlowLink(int(listener.getsockname()[1]))
        ends = threading.Event()
        worker = threading.Thread(
            target=_accept, args=(listener, target, link, ends, round_trip_s / 2, bits_per_s), daemon=True
        )
        worker.start()
        try:
            yield link
        finally:
            ends.set()
            listener.shutdown(socket.SHUT_RDWR)
            worker.join(timeout=5)


def _accept(
    listener: socket.socket,
    address: tuple[str, int],
    link: SlowLink,
    ends: threading.Event,
    delay_s: float,
    rate: float,
) -> None:
    with contextlib.ExitStack() as held:
        while not ends.is_set():
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(address, timeout=10)
            far.settimeout(None)
            for side in (near, far):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                held.enter_context(side)
                held.callback(_shut, side)
            for source, target, outward in ((near, far, True), (far, near, False)):
                line: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                for job, arguments in ((_take, (source, line, link, outward, rate, delay_s)), (_give, (target, line))):
                    threading.Thread(target=job, args=arguments, daemon=True).start()


def _take(
    source: socket.socket,
    line: queue.SimpleQueue[tuple[float, bytes]],
    link: SlowLink,
    outward: bool,
    rate: float,
    delay_s: float,
) -> None:
    free = time.monotonic()
    data = b"-"
    while data:
        try:
            data = source.recv(CHUNK)
        except OSError:
            data = b""
        with link.lock:
            if outward:
                link.sent += len(data)
            else:
                link.received += len(data)
        free = max(free, time.monotonic()) + len(data) * 8 / rate
        line.put((free + delay_s, data))
        # A sender is slowed down too: no more than a quarter of a second of data waits in the line.
        time.sleep(max(0.0, free - time.monotonic() - 0.25))


def _give(target: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]]) -> None:
    while True:
        due, data = line.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
        except OSError:
            return


def _shut(side: socket.socket) -> None:
    with contextlib.suppress(OSError):
        side.shutdown(socket.SHUT_RDWR)
