"""A system of which everything is hostile: a directory of this machine with a living process in it, and a server.

Log files, releases, file names, a lock and a checklist; health, metrics, Prometheus and probes. Whatever they say is of
`corpus`, from a seed, and counted in bytes.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.torture import corpus


class _Answers(BaseHTTPRequestHandler):
    rng: random.Random
    fed: list[int]

    def do_GET(self) -> None:
        body = self._body().encode("utf-8", "replace")
        self.fed.append(len(body))
        self.wfile.write(b"HTTP/1.1 %d %s\r\n" % (self._status(), corpus.line(self.rng, 3).replace(b"\r", b" ")))
        self.wfile.write(b"Content-Type: application/json\r\nX-Said: %s\r\n" % b"a\x1b[4711mb")
        self.wfile.write(b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body))
        self.wfile.write(body)

    def _status(self) -> int:
        return 200 if self.path.startswith(("/metrics", "/api/v1")) else 500

    def _body(self) -> str:
        said = json.dumps(corpus.text(self.rng))
        if self.path.startswith("/metrics"):
            label = corpus.text(self.rng).replace("\\", "").replace('"', "").replace("\r", "")
            return f'# HELP hits {label}\n# TYPE hits gauge\nhits{{alert="{label}"}} {self.rng.random()}\n'
        if self.path.startswith("/api/v1"):
            now = time.time()
            values = [[now - 60 + 5 * n, str(n)] for n in range(12)]
            series = f'{{"metric":{{"alertname":{said},"instance":{said}}},"values":{json.dumps(values)}}}'
            return f'{{"status":"success","warnings":[{said}],"data":{{"resultType":"matrix","result":[{series}]}}}}'
        return corpus.text(self.rng)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's word
        """Nothing."""


@dataclass
class System:
    """Where it is, and how much hostile text was made for it so far."""

    folder: Path
    rng: random.Random
    served: list[int]
    made: int = 0

    @property
    def fed(self) -> int:
        return self.made + sum(self.served)

    @property
    def profile(self) -> Path:
        return self.folder / "quarterdeck.yaml"

    def write(self, path: Path, data: bytes, mode: str = "wb") -> None:
        """A file of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode) as file:
            file.write(data)
        self.made += len(data)

    def log(self, size: int) -> None:
        """So many more bytes in the log."""
        self.write(self.folder / "one/process/web/log", corpus.lines(self.rng, size), "ab")

    def long_line(self, size: int) -> None:
        """One line of that many bytes."""
        piece = corpus.line(self.rng, 12)
        self.write(self.folder / "one/process/web/log", piece * (size // len(piece)) + b"\n", "ab")


@contextmanager
def system(folder: Path, seed: int | str) -> Iterator[System]:
    """Made and served."""
    rng = random.Random(seed)
    answers = type("Answers", (_Answers,), {"rng": random.Random(f"{seed} answers"), "fed": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = System(folder, rng, answers.fed)
    try:
        _files(made, server.server_port)
        yield made
    finally:
        server.shutdown()
        server.server_close()


def _files(made: System, port: int) -> None:
    rng, folder = made.rng, made.folder
    said = [corpus.text(rng) for _ in range(40)]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    for environment in ("one", "two"):
        base = folder / environment
        made.write(base / "process/web/release", f"{said[0]}\n".encode("utf-8", "replace"))
        made.write(base / "process/web/pid", f"{os.getpid()} {start} {boot}\n".encode())
        made.write(base / "process/web/port", f"{port}\n".encode())
        made.write(base / ".quarterdeck/lock/owner.json", json.dumps({
            "run": "person-x", "who": said[1], "pid": 1, "reason": said[2], "since": time.time(), "kind": "person",
            "title": said[3], "machine": said[4],
        }).encode())  # fmt: skip
        made.write(base / ".quarterdeck/lock/beat", b"")
        made.write(base / ".quarterdeck/gate", b"")
        made.write(base / ".quarterdeck/mutex", b"")
        made.write(base / ".quarterdeck/fence", b"1 nobody\n")
        for number in (1, 2, 3):
            release = base / f".quarterdeck/releases/r{number}"
            made.write(release / "release.json", json.dumps({
                "id": f"r{number}", "environment": environment, "candidate": said[5 + number], "action": "deploy",
                "project": said[9], "images": {"web": said[10]}, "notes": said[11],
            }).encode())  # fmt: skip
            made.write(release / "by.json", json.dumps({"run": said[12], "who": said[13], "when": said[14]}).encode())
            made.write(release / "verified", said[15].encode("utf-8", "replace"))
    for _ in range(20):
        with suppress(OSError):
            (folder / "releases" / os.fsdecode(corpus.name(rng))).mkdir(parents=True)
    items = "".join(f"- [ ] {said[20 + n]}\n".replace("\r", " ") for n in range(12))
    made.write(folder / "list.md", f"# {said[16]}\n\n## {said[17]}\n{items}".encode("utf-8", "replace"))
    made.log(20_000)
    made.write(folder / "quarterdeck.yaml", PROFILE.format(folder=folder, port=port, title=TITLE, help=TITLE).encode())  # fmt: skip  # noqa: E501


TITLE = json.dumps("[/x] [@click=app.quit]q[/] \\\\[b]")
"""All that a title of a profile can be: control characters are refused when it is read."""
PROFILE = """
system: hostile
title: {title}
hosts: {{here: {{local: true, title: {title}}}}}
defaults:
  hosts: [here]
  stack:
    kind: process
    artifacts: "{folder}/releases/{{release}}"
    services: {{web: {{title: {title}, command: ["true"], routes: [/], health: {{kind: http, path: /health}}}}}}
    proxy: {{port: 64001, admin_port: 64002}}
    ports: {{first: 64003, last: 64009}}
  panels: [{{title: {title}, help: {help}, query: hits, scrape: {{metric: hits}}}}]
  probes: {{ask: {{kind: http, url: "http://127.0.0.1:{port}/ask", title: {title}}}}}
  checklists: [{{file: list.md}}]
environments:
  one:
    title: {title}
    directory: "{folder}/one"
    feeds:
      logs: {{kind: files, files: [{{path: "{folder}/one/process/web/log", service: web}}]}}
      metrics: {{kind: scrape, every: 2s, targets: [{{name: web, url: "http://127.0.0.1:{port}/metrics"}}]}}
  two:
    directory: "{folder}/two"
    stack: {{proxy: {{port: 64011, admin_port: 64012}}, ports: {{first: 64013, last: 64019}}}}
    feeds:
      metrics: {{kind: prometheus, url: "http://127.0.0.1:{port}"}}
"""
