"""This machine as a host: the same scripts, guard and records, without a connection."""

from __future__ import annotations

import getpass
import os
import selectors
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING

from console.hosts.base import EngineError, ForwardFailed, HostBusy, Stream
from console.hosts.core import HostCore
from console.timing import DEFAULT, Timing

if TYPE_CHECKING:
    from docker import APIClient

_CHUNK = 65_536
_LINGER_S = 2.0
"""How long output may stay open after the command ended, because something it left behind holds it."""


class LocalHost(HostCore):
    """This machine."""

    def __init__(
        self, name: str = "local", timing: Timing = DEFAULT, *, docker_socket: str = "/var/run/docker.sock"
    ) -> None:
        super().__init__(name, timing)
        self._docker_socket = docker_socket
        self._docker: APIClient | None = None
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"{getpass.getuser()}@this machine"

    def _start(
        self,
        words: Sequence[str],
        stdin: bytes | None,
        feed: Callable[[Stream, bytes], None],
        *,
        until: float,
        cancel: threading.Event | None,
        urgent: bool,
    ) -> _LocalRunning:
        return _LocalRunning(self.name, words, stdin, feed)

    def docker(self) -> APIClient:
        """The engine's API over its socket here, read only. Raises EngineError."""
        from console.hosts.docker_api import read_only_client

        with self._lock:
            if self._docker is None:
                self._docker = read_only_client(self.name, self.engine_socket, self._timing)
            return self._docker

    def engine_socket(self) -> socket.socket:
        """A new raw connection to the engine. Raises EngineError."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._timing.connect_s)
        try:
            connection.connect(self._docker_socket)
        except OSError as error:
            connection.close()
            raise EngineError(self.name, why_no_engine(self.name, self._docker_socket, error)) from error
        return connection

    def connect_to(self, host: str, port: int) -> socket.socket:
        """A new connection to `host:port`. Raises ForwardFailed."""
        try:
            return socket.create_connection((host, port), timeout=self._timing.connect_s)
        except OSError as error:
            raise ForwardFailed(self.name, f"{host}:{port} does not answer: {error.strerror or error}") from error

    def close(self) -> None:
        """Close the engine's client. Commands that run go on."""
        with self._lock:
            client, self._docker = self._docker, None
        if client is not None:
            client.close()

    def give_up(self) -> None:
        """See `base.Host.give_up`. Nothing here is waited for long."""
        self.close()


def why_no_engine(host: str, path: str, error: OSError) -> str:
    """Why a connection to the engine's socket failed, and what to do."""
    if isinstance(error, PermissionError):
        return (
            f"this account may not use the Docker engine of {host} ({path}). Add it to the group that owns the socket "
            "(usually 'docker') and log in again."
        )
    if isinstance(error, FileNotFoundError):
        return f"there is no Docker socket at {path} on {host}: Docker is not installed, or its socket is elsewhere."
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on the Docker socket {path} of {host}: the engine is not running."
    return f"the Docker engine of {host} does not answer on {path}: {error.strerror or error}"


def _home() -> str:
    """Where a login would put us; `/` where there is no such directory."""
    home = os.path.expanduser("~")  # noqa: PTH111
    return home if os.path.isdir(home) else "/"  # noqa: PTH112


class _LocalRunning:
    """A child in a session of its own, its three streams moved by whoever waits for it."""

    def __init__(
        self, host: str, words: Sequence[str], stdin: bytes | None, feed: Callable[[Stream, bytes], None]
    ) -> None:
        self._feed = feed
        self._left = memoryview(stdin or b"")
        try:
            self._child = subprocess.Popen(
                list(words),
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                cwd=_home(),
                bufsize=0,
            )
        except BlockingIOError as error:
            raise HostBusy(host, f"{host} starts no more processes: {error.strerror}") from error
        self._selector = selectors.DefaultSelector()
        for pipe, stream in ((self._child.stdout, "out"), (self._child.stderr, "err")):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, stream)
        if self._child.stdin is not None:
            os.set_blocking(self._child.stdin.fileno(), False)
            self._selector.register(self._child.stdin, selectors.EVENT_WRITE, "in")
        self._ended_at: float | None = None

    @property
    def done(self) -> bool:
        if self._child.poll() is None:
            return False
        if not any(key.data != "in" for key in self._selector.get_map().values()):
            return True
        if self._ended_at is None:
            self._ended_at = time.monotonic()
        return time.monotonic() - self._ended_at > _LINGER_S

    @property
    def rc(self) -> int | None:
        code = self._child.poll()
        return code if code is not None and code >= 0 else None

    def step(self, timeout_s: float) -> None:
        if not self._selector.get_map():
            try:
                self._child.wait(max(timeout_s, 0.0))
            except subprocess.TimeoutExpired:
                return
            return
        # Its end is not seen by a selector: look again soon in case something else holds its output.
        for key, _ in self._selector.select(min(timeout_s, 0.25)):
            pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
            if key.data == "in":
                self._write(pipe)
                continue
            try:
                data = os.read(pipe.fileno(), _CHUNK)
            except BlockingIOError:
                continue
            if data:
                self._feed(key.data, data)
            else:
                self._selector.unregister(pipe)
                pipe.close()

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            self._left = self._left[os.write(pipe.fileno(), self._left[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._left = memoryview(b"")
        if not self._left:
            self._selector.unregister(pipe)
            pipe.close()

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()
        if self._child.poll() is None:
            # It goes on without us; somebody must take its exit code, or it stays in the process table.
            threading.Thread(target=self._child.wait, name="reaper", daemon=True).start()
