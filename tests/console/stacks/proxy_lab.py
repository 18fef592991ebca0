"""What the proxy's tests need: the proxy as a process, upstreams with any behaviour, raw requests."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from console.stacks.layout import routes_text

Behaviour = Callable[[socket.socket, bytes], None]
"""Gets the connection and what was read up to the end of the request's head."""


def until(what: Callable[[], bool], deadline_s: float = 10.0, why: str = "it did not happen") -> None:
    """Poll with a deadline."""
    end = time.monotonic() + deadline_s
    while not what():
        if time.monotonic() > end:
            raise AssertionError(why)
        time.sleep(0.005)


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Upstream:
    """A server of our own: one thread a connection, any behaviour."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.seen: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self.socket.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(20)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(65536)
                if not data:
                    return
                head += data
            self.seen.append(head)
            self.behaviour(connection, head)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def says(text: bytes, *headers: bytes, status: bytes = b"200 OK") -> Behaviour:
    """Answer at once with a body of known length."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(text), *headers, b"", b""]

    def behave(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"\r\n".join(lines) + (b"" if head.startswith(b"HEAD") else text))

    return behave


def raw(answer: bytes) -> Behaviour:
    """Send these bytes and close."""

    def behave(connection: socket.socket, head: bytes) -> None:
        connection.sendall(answer)

    return behave


class ProxyProcess:
    """The proxy, started as a user would."""

    def __init__(self, directory: Path, *more: str) -> None:
        self.routes = directory / "routes.json"
        self.port, self.admin_port = free_port(), free_port()
        self.log = directory / "proxy.log"
        argv = [sys.executable, "-P", "-m", "console.stacks.proxy", "--listen", f"127.0.0.1:{self.port}"]
        argv += ["--routes", str(self.routes), "--admin", f"127.0.0.1:{self.admin_port}", *more]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, cwd="/")
        until(self._up, why="the proxy did not start")

    def _up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.admin_port), timeout=1).close()
            return True
        return False

    def admin(self, path: str) -> dict[str, object]:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            value = json.loads(connection.getresponse().read())
        assert isinstance(value, dict)
        return value

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


def switch(file: Path, *routes: tuple[str, str], maintenance: str | None = None) -> None:
    """Replace the routes as a deploy does: written aside, renamed."""
    aside = file.with_name(f".routes.{os.getpid()}.{threading.get_ident()}")
    aside.write_text(routes_text(routes, maintenance))
    aside.replace(file)


@contextlib.contextmanager
def proxied(directory: Path, *routes: tuple[str, str], more: tuple[str, ...] = ()) -> Iterator[ProxyProcess]:
    switch(directory / "routes.json", *routes)
    proxy = ProxyProcess(directory, *more)
    try:
        yield proxy
    finally:
        proxy.process.kill()
        proxy.process.wait(10)


def exchange(port: int, request: bytes, *, half_close: bool = False, deadline_s: float = 10) -> bytes:
    """Send bytes, read until the other side closes."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=deadline_s)) as connection:
        got = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                got += data
        return got


def fetch(port: int, path: str = "/", method: str = "GET", **more: object) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, **more)  # type: ignore[arg-type]
        response = connection.getresponse()
        return response.status, response.read()
