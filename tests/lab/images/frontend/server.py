"""A front end of the look-alike system: one page, its version and a health answer, on port 80."""

import http.server
import json
import os
import signal
import socketserver
import sys
import time

SERVICE = os.environ["SERVICE"]
RELEASE = os.environ["RELEASE"]
PAGE = f"<!doctype html><title>{SERVICE}</title><h1>{SERVICE} {RELEASE}</h1>\n".encode()
ANSWERS = {
    "/": ("text/html; charset=utf-8", PAGE),
    "/health": ("application/json", b'{"status": "ok"}\n'),
    "/version.json": ("application/json", json.dumps({"service": SERVICE, "release": RELEASE}).encode()),
}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # The library's own server_bind asks DNS for its name, which hangs where there is no resolver.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = SERVICE, self.server_address[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, body = ANSWERS.get(self.path.partition("?")[0], ("text/plain", b""))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, pattern: str, *arguments: object) -> None:
        if self.path != "/health":
            say("info", pattern % arguments)


def say(level: str, message: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"time": now, "level": level, "service": SERVICE, "message": message}
    os.write(1, json.dumps(line).encode() + b"\n")  # in one piece: requests are answered side by side


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = Server(("0.0.0.0", 80), Handler)
say("info", "Application startup complete")
server.serve_forever()
