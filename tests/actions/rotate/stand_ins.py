"""STAND-INS for Grafana, GitHub and a chat's webhook: the few documented answers that a rotation needs, no more.

None of the originals is to be had here (no package offers them): what passes here is untested against them.
"""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nacl.public import PrivateKey, SealedBox

TOKEN = "stand-in-token-0b6f9d1e"


class StandIn(http.server.ThreadingHTTPServer):
    """All three, in one process of the test."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.grafana = {"admin": "grafana-password-of-old-77aa"}
        self.wrong_logins = 0
        self.keys = [PrivateKey.generate()]
        self.stale = 0
        """How often a write is still refused because its key is an old one."""
        self.secrets: dict[str, str] = {}
        self.runs: list[dict[str, Any]] = []
        self.conclusion = "success"
        self.others: tuple[str, ...] = ()
        """Branches on which somebody else starts the workflow in the same moment."""
        self.hooks: set[str] = set()
        self.posted: list[tuple[str, Any]] = []

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "stand-in", self.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: StandIn

    def do_GET(self) -> None:
        at = self.server
        if self.path == "/api/user":
            return self._answer(200 if self._logged_in() else 401, {})
        if not self._token():
            return self._answer(401, {"message": "Bad credentials"})
        if self.path.endswith("/secrets/public-key"):
            key = at.keys[-1]
            return self._answer(
                200, {"key_id": str(len(at.keys)), "key": base64.b64encode(bytes(key.public_key)).decode()}
            )
        if "/secrets/" in self.path:
            name = self.path.rpartition("/")[2]
            found = name in at.secrets
            return self._answer(200 if found else 404, {"name": name, "updated_at": "2026-11-24T02:14:00Z"})
        if "/runs?" in self.path:
            for run in at.runs:
                run["status"], run["conclusion"] = "completed", at.conclusion
            return self._answer(200, {"workflow_runs": list(at.runs)})
        return self._answer(404, {})

    def do_PUT(self) -> None:
        at, body = self.server, self._body()
        if self.path == "/api/user/password":
            user = self._logged_in()
            if not user or body["oldPassword"] != at.grafana[user] or body["newPassword"] != body["confirmNew"]:
                return self._answer(401, {"message": "invalid old password"})
            at.grafana[user] = body["newPassword"]
            return self._answer(200, {"message": "User password changed"})
        if not self._token():
            return self._answer(401, {})
        if at.stale:
            at.stale -= 1
            at.keys.append(PrivateKey.generate())
        if body["key_id"] != str(len(at.keys)):
            return self._answer(422, {"message": "the key is not the present one"})
        name = self.path.rpartition("/")[2]
        at.secrets[name] = SealedBox(at.keys[-1]).decrypt(base64.b64decode(body["encrypted_value"])).decode()
        return self._answer(201, {})

    def do_POST(self) -> None:
        at, body = self.server, self._body()
        if self.path.endswith("/dispatches"):
            for branch in (body["ref"], *at.others):
                run = {"id": len(at.runs) + 1, "head_branch": branch, "status": "queued", "conclusion": None}
                at.runs.append(run)
            return self._answer(204, None)
        if self.path in at.hooks:
            at.posted.append((self.path, body))
            return self._answer(200, {})
        return self._answer(404, {})

    def _logged_in(self) -> str:
        word = self.headers.get("Authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(word).decode().partition(":")
        if self.server.grafana.get(user) == password:
            return user
        self.server.wrong_logins += 1
        return ""

    def _token(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")

    def _answer(self, status: int, body: Any) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """It, running."""
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
