"""The demo's routing service: one process per service, started from a release's directory. Stdlib only.

    python -P -m console.demo.service backend --release DIR --port N --password-file FILE
    python -P -m console.demo.service frontend-prediction --release DIR --port N

`DIR/release.json` decides how it behaves: `version`, `notes`, `latency_ms` ({"base": ms, "tail": ms}) and `faults`
(`never-healthy`, `nonsense-predictions`, `large-quantity-500`). Logs are JSON lines on standard output. When that is
a file opened for appending, it is emptied at `LOG_LIMIT_BYTES`, so that a forgotten demo does not fill the disk.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import stat
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn, TextIO

from console.demo.routing import SERVICES, App, Release, Unusable

READY_LINE = "Application startup complete"
"""What a release that is ready writes into its log; the words are uvicorn's."""
LOG_LIMIT_BYTES = 4 * 1024 * 1024
BODY_LIMIT_BYTES = 64 * 1024
DRAIN_S = 3.0
"""How long requests under way may take to end after SIGTERM."""


class Log:
    """JSON lines on standard output, one a call."""

    def __init__(self, stream: TextIO, service: str, release: str) -> None:
        self._stream = stream
        self._fixed = {"service": service, "release": release}
        self._lock = threading.Lock()
        self._may_empty = _appends_to_a_file(stream)

    def __call__(self, level: str, message: str, **more: object) -> None:
        """Write one line. A reader that has gone (closed pipe, full disk) does not stop the service."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        line = json.dumps({"ts": stamp, "level": level, "msg": message, **more, **self._fixed}, ensure_ascii=False)
        with self._lock:
            try:
                if self._may_empty and os.fstat(self._stream.fileno()).st_size > LOG_LIMIT_BYTES:
                    os.ftruncate(self._stream.fileno(), 0)
                self._stream.write(line + "\n")
                self._stream.flush()
            except OSError:
                return


def _appends_to_a_file(stream: TextIO) -> bool:
    """True if emptying the file behind `stream` is safe: without O_APPEND the next write would leave a hole."""
    try:
        descriptor = stream.fileno()
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return regular and bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)
    except (OSError, ValueError):
        return False


class Server(ThreadingHTTPServer):
    """One thread a connection; knows how many requests are under way."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, port: int, app: App) -> None:
        self.app = app
        self.busy = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service who we are: `HTTPServer` does, and can hang there."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no event; anything else is a line in the log, not a traceback."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.app.log("error", f"request failed: {type(error).__name__}")


class Handler(BaseHTTPRequestHandler):
    """HTTP in, `App.answer`, HTTP out."""

    protocol_version = "HTTP/1.1"
    timeout = 15
    disable_nagle_algorithm = True
    wbufsize = 65536
    server: Server

    def version_string(self) -> str:
        """The Server header."""
        return "routing-demo"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Nothing: requests are logged by `_serve`, as JSON."""

    def _serve(self) -> None:
        began = time.monotonic()
        with self.server.lock:
            self.server.busy += 1
        try:
            self._answer(began)
        finally:
            with self.server.lock:
                self.server.busy -= 1

    def _answer(self, began: float) -> None:
        app = self.server.app
        path = self.path.split("?", 1)[0]
        method = "GET" if self.command == "HEAD" else self.command
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        body, problem = self._body()
        if problem:
            code, kind, content = problem[0], "application/json", json.dumps({"error": problem[1]}).encode()
            self.close_connection = True
        else:
            code, kind, content = app.answer(method, path, token if scheme.lower() == "bearer" else "", body)
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        took_s = time.monotonic() - began
        route = app.route(path)
        app.metrics.request(self.command, route, code, took_s)
        quiet = route == "/metrics" or route.endswith("/health")
        if not quiet or code >= 500:
            level = "error" if code == 500 else "warning" if code >= 400 else "info"
            app.log(level, f"{self.command} {route} {code}", ms=round(took_s * 1000, 1))

    def _body(self) -> tuple[object, tuple[int, str] | None]:
        """The request's JSON, and what is wrong with it, if anything."""
        if self.headers.get("Transfer-Encoding"):
            return None, (411, "send a Content-Length")
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            return None, (400, "Content-Length is not a number")
        if int(length) > BODY_LIMIT_BYTES:
            return None, (413, f"at most {BODY_LIMIT_BYTES} bytes")
        raw: bytes = self.rfile.read(int(length))
        if len(raw) < int(length):
            return None, (400, "the body ended early")
        if not raw:
            return None, None
        try:
            return json.loads(raw), None
        except (ValueError, RecursionError):
            return None, (400, "the body is not JSON")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve


class _Stop(Exception):
    """Raised in the main thread by SIGTERM and SIGINT."""


def _stop(number: int, frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise _Stop


def read_password(path: str | None) -> str:
    """The demo user's password from a file that only its owner may read; from standard input for `-`.

    Without a path nobody can log in. Raises Unusable if the file is missing or others may read it.
    """
    if path is None:
        return ""
    if path == "-":
        return sys.stdin.readline().rstrip("\n")
    try:
        with Path(path).open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise Unusable(f"{path} may be read by others (mode {mode:04o}); make it 0600")
            return file.readline().rstrip("\n")
    except OSError as error:
        raise Unusable(f"the password file cannot be read: {path}: {error.strerror}") from error


def serve(app: App, port: int) -> int:
    """Serve until SIGTERM or SIGINT, then let requests under way end (at most `DRAIN_S`). The exit code."""
    try:
        server = Server(port, app)
    except OSError as error:
        app.log("error", f"port {port} on 127.0.0.1 cannot be used: {error.strerror}")
        return 1
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        app.log("info", f"listening on 127.0.0.1:{server.server_port}")
        if app.healthy:
            app.log("info", READY_LINE)
        else:
            app.log("error", "the routing model cannot be loaded: its checksum does not match")
        server.serve_forever(poll_interval=60)
    except _Stop:
        pass
    server.socket.close()
    until = time.monotonic() + DRAIN_S
    while server.busy and time.monotonic() < until:
        time.sleep(0.02)
    app.log("info", "Application shutdown complete")
    return 0


def main(argv: list[str] | None = None) -> int:
    """The command line. 0 after a clean stop, 1 when the port cannot be used, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="console.demo.service", description="One service of the demo system.")
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("--release", required=True, type=Path, metavar="DIR")
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--password-file", metavar="FILE", help="the demo user's password; - for standard input")
    arguments = parser.parse_args(argv)
    try:
        release = Release(arguments.release)
        password = read_password(arguments.password_file)
    except Unusable as error:
        sys.stderr.write(f"{arguments.service}: {error}\n")
        return 2
    log = Log(sys.stdout, arguments.service, release.version)
    return serve(App(arguments.service, release, password, log), arguments.port)


if __name__ == "__main__":
    raise SystemExit(main())
