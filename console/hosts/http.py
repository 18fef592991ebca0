"""HTTP over a host's own connection (`via: HOST`), for httpx and for requests.

Lives beside the hosts, used by registries, feeds and probes. The URL, the Host header and the TLS server name stay what
the caller wrote; only the TCP connection is opened from the other end of the SSH connection. No port is opened on this
machine, so no other user of a bastion can use the way in.
"""

from __future__ import annotations

import io
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from console.hosts.base import Host, HostError

if TYPE_CHECKING:
    import requests

Connect = Callable[[str, int, float], socket.socket]
"""Opens a connection to (host, port) within so many seconds. Raises OSError."""


def connector(host: Host | None) -> Connect:
    """How to open connections: from `host` if given, else from here. Raises OSError, with the host's own sentence."""
    if host is None:
        return lambda name, port, timeout: socket.create_connection((name, port), timeout=timeout)

    def connect(name: str, port: int, timeout: float) -> socket.socket:
        try:
            opened = host.connect_to(name, port)
        except HostError as error:
            raise OSError(str(error)) from error
        opened.settimeout(timeout)
        return opened

    return connect


class _Stream(httpcore.NetworkStream):
    """One connection for httpcore, over a plain socket.

    httpx gives each read a deadline of its own, so that a server which sends a byte now and then is never given up.
    Here the time of all reads of one answer counts, from the end of the request that it answers.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._asked_at = time.monotonic()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _as_httpcore(httpcore.ReadTimeout, httpcore.ReadError):
            _set_left(self._sock, timeout, self._asked_at)
            return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _as_httpcore(httpcore.WriteTimeout, httpcore.WriteError):
            self._sock.settimeout(timeout)
            self._sock.sendall(buffer)
            self._asked_at = time.monotonic()

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with _as_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError):
            self._sock.settimeout(timeout)
            return _Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname))

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object" and isinstance(self._sock, ssl.SSLSocket):
            return self._sock
        if info == "socket":
            return self._sock
        if info == "is_readable":  # asked of an idle connection: has the other end closed it?
            return _readable(self._sock)
        return None


def _set_left(sock: socket.socket, timeout: float | None, since: float) -> None:
    """Give the next read what is left of `timeout` seconds from `since`. Raises TimeoutError if that is nothing."""
    if timeout is None:
        sock.settimeout(None)
        return
    left = since + timeout - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    sock.settimeout(left)


def _readable(sock: socket.socket) -> bool:
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    except (OSError, ValueError):  # closed already
        return True


class _as_httpcore:
    """Turns socket errors into the two httpcore errors given."""

    def __init__(self, timed_out: type[Exception], failed: type[Exception]) -> None:
        self._timed_out, self._failed = timed_out, failed

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, TimeoutError):
            raise self._timed_out(str(error)) from error
        if isinstance(error, OSError):
            raise self._failed(str(error)) from error


class _Backend(httpcore.NetworkBackend):
    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        with _as_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError):
            return _Stream(self._connect(host, port, timeout or 10.0))


class _ViaTransport(httpx.HTTPTransport):
    """httpx's own transport over our connections. httpx offers no public way to hand a network backend to its pool."""

    def __init__(self, connect: Connect, context: ssl.SSLContext) -> None:
        super().__init__(verify=context)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, max_connections=10, max_keepalive_connections=5, network_backend=_Backend(connect)
        )


def client(
    host: Host | None = None,
    *,
    timeout_s: float = 10.0,
    ca_file: str | None = None,
    follow_redirects: bool = False,
) -> httpx.Client:
    """An httpx client whose connections are opened from `host` (or from here).

    Proxies and other settings of the environment are not read: what a probe sees must not depend on who runs it.
    `timeout_s` holds for connecting, for writing, and for the whole answer. Raises OSError, with a sentence, for a
    certificate file that cannot be used.
    """
    context = _trusting(ca_file)
    return httpx.Client(
        transport=_ViaTransport(connector(host), context),
        timeout=httpx.Timeout(timeout_s),
        follow_redirects=follow_redirects,
        trust_env=False,
        headers={"User-Agent": "quarterdeck"},
    )


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    """A context that trusts the certificates in `ca_file`, or the system's. Raises OSError with a sentence."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        why = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else "it holds no certificate"
        raise OSError(f"The certificate file {ca_file} cannot be used: {why}.") from error


def session(host: Host | None = None, *, connect_s: float = 2.0, ca_file: str | None = None) -> requests.Session:
    """A requests session whose connections are opened from `host` (or from here), for prometheus-api-client.

    No retries of its own: the console has its own back-off and shows a failure at once (urllib3's default of three
    retries measured 6 s for a refused connection). The read timeout of a request holds for the whole answer, not for
    each silence in it. Raises OSError, with a sentence, for a certificate file that cannot be used.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
    from urllib3.util.retry import Retry

    if ca_file is not None:
        _trusting(ca_file)
    connect = connector(host)

    def opened(connection: HTTPConnection) -> socket.socket:
        try:
            return connect(connection.host, connection.port or 80, connect_s)
        except TimeoutError as error:
            raise ConnectTimeoutError(connection, str(error)) from error
        except OSError as error:
            raise NewConnectionError(connection, str(error)) from error

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return opened(self)

        def connect(self) -> None:
            super().connect()
            self.sock = _Timed(self.sock)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return opened(self)

        def connect(self) -> None:
            super().connect()
            self.sock = _Timed(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}

    made = requests.Session()
    made.trust_env = False
    if ca_file:
        made.verify = ca_file
    adapter = Adapter(max_retries=Retry(0, read=False), pool_maxsize=8)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


class _Timed:
    """A connected socket whose answers must each be whole within its timeout: urllib3 only limits each silence.

    `http.client` makes one file of it for each answer, which is where the time of that answer begins.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, _mode: str = "rb", *_args: Any, **_kwargs: Any) -> io.BufferedReader:
        """A reader of one answer."""
        return io.BufferedReader(_Until(self._sock))


class _Until(io.RawIOBase):
    """Reads from a socket until a moment. Holds the socket open as its own file would."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._since = time.monotonic()
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _set_left(self._sock, self._timeout, self._since)
        return self._file.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
