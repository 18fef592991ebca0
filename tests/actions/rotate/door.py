"""A real process that lets in whoever has an accepted value.

python door.py FOLDER     prints its port; accepted values outlive it in FOLDER/accepted. The client is knock.py.
"""

from __future__ import annotations

import http.server
import json
import sys
from pathlib import Path


class Door(http.server.ThreadingHTTPServer):
    """Keeps what it accepts in a file. Files beside it make it another: `open` lets everybody in, `single` accepts one
    value at a time, `deaf` does not take a value away, though it says so."""

    daemon_threads = True
    folder: Path

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "door", self.server_address[1]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        lines = body.split("\n")
        value, with_ = lines[0], lines[1] if len(lines) > 1 else ""
        kept = self.server.folder / "accepted"
        accepted: list[str] = json.loads(kept.read_text())
        status = 200
        if self.path == "/works":
            status = 200 if value in accepted or (self.server.folder / "open").exists() else 401
        elif self.path == "/accept":
            if with_ not in accepted and value not in accepted:
                status = 403
            elif (self.server.folder / "single").exists():
                accepted = [value]
            elif value not in accepted:
                accepted.append(value)
        elif self.path == "/refuse" and not (self.server.folder / "deaf").exists():
            accepted = [one for one in accepted if one != value]
        kept.write_text(json.dumps(accepted))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


if __name__ == "__main__":
    server = Door(("127.0.0.1", 0), Handler)
    server.folder = Path(sys.argv[1])
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
