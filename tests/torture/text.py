"""Hostile text through a pseudo-terminal recorder: the real console and the real command line on a hostile system.

    python -m tests.torture.text [MEGABYTES [SEED]]

The system is a directory on this machine with a living process in it, log files, releases, file names, a lock and a
checklist, and a server that answers for health, metrics, Prometheus and probes; everything that they say is hostile.
The recorder counts what reached the terminal and was not chosen by the console itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.torture import corpus

ROOT = Path(__file__).parents[2]
ENDS_S = 300.0
"""A program that has not ended by itself after that is counted as a crash. Generous: megabytes wait to be read."""
OURS = re.compile(
    r"\x1b\[[0-9;:]*m"  # colours
    r"|\x1b\[[0-9]*;?[0-9]*H"  # where to draw
    r"|\x1b\[\?[0-9;]+[hl]"  # modes: alternate screen, mouse, paste, cursor, synchronised output
    r"|\x1b\[\?[0-9]+\$p"  # asks whether a mode is known
    r"|\x1b\[[<>=][0-9;]*u"  # keyboard protocol
    r"|\x1b\[[0-9]*[JKA-D]"  # clearing at the end
    r"|\x1b\]22;[a-z-]*\x07"  # the shape of the mouse pointer
    r"|\r\n|\n"
)
"""What Textual 8.2.8 writes, and line ends."""
FOREIGN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
START = """
import os, sys
sys.path.insert(0, {root!r})
sys.argv[0] = "quarterdeck"
if {unguarded!r}:
    from tests.torture.unguarded import without_sanitiser
    without_sanitiser()
"""
CONSOLE = (
    START
    + """
from console.cli import main
sys.argv[1:] = ["-p", {profile!r}]
main()
"""
)
COMMANDS = (
    START
    + """
import json
import console.cli.group, console.cli.run, console.live.session  # once, for all of them
from console.cli import main
os.setsid() if os.getpid() != os.getsid(0) else None
for number, words in enumerate(json.loads({words!r})):
    pid = os.fork()
    if pid == 0:
        sys.argv[1:] = ["-p", {profile!r}, *words]
        main()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.__stdout__.write(f"\\nENDED {{number}} {{code}}\\n")
    sys.__stdout__.flush()
"""
)
KEYS: tuple[bytes, ...] = (
    b"\t\t\t", b"z", b"E", b"\r", b"-", b"y", b"w", b"z", b"\t", b"\r", b"-", b"n", b"-", b"R", b"\r", b"-", b"-",
    b"w", b"-", b"A", b"d", b"\x1b", b"L", b"\x1b", b":", b"\x1b", b"]", b"\t\t", b"\r", b"-", b"n", b"-", b"[",
)  # fmt: skip
"""Zooms the logs, opens lines, copies; reports, releases, runs, form, lock, palette; the other environment."""
FEW: tuple[bytes, ...] = (b"\t\t\t", b"z", b"\r", b"-", b"z", b"R", b"\r", b"-", b"-", b"n", b"-", b"]")


@dataclass
class Figures:
    """What was fed, and what came through."""

    fed: int = 0
    """Bytes of hostile text that were given to the program."""
    recorded: int = 0
    """Bytes that reached the terminal."""
    foreign: int = 0
    """Control bytes and invisible characters among them that are not the program's own."""
    crashes: int = 0
    """Processes that ended otherwise than they should, or said that they are at fault."""
    first: str = ""
    """Where the first of these was."""

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.fed + other.fed,
            self.recorded + other.recorded,
            self.foreign + other.foreign,
            self.crashes + other.crashes,
            self.first or other.first,
        )


def foreign_in(recording: bytes) -> tuple[int, str]:
    """How many foreign control bytes a recording holds, and what is around the first."""
    text = recording.decode("utf-8", "replace")
    rest = OURS.sub(lambda found: found[0] if corpus.MARK in found[0] else "", text)
    found = list(FOREIGN.finditer(rest))
    return len(found), repr(rest[max(0, found[0].start() - 60) : found[0].end() + 40]) if found else ""


# -- a system of which everything is hostile ---------------------------------------------------------------------------


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
def system(folder: Path, seed: int) -> Iterator[System]:
    """Made and served."""
    rng = random.Random(seed)
    answers = type("Answers", (_Answers,), {"rng": random.Random(seed + 1), "fed": []})
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


# -- the recorder ------------------------------------------------------------------------------------------------------


class Recorder:
    """A program on a pseudo-terminal of 120x40, and all that it wrote there."""

    def __init__(self, script: str, folder: Path) -> None:
        self.seen = bytearray()
        home = folder / "home"
        home.mkdir(exist_ok=True)
        env = {
            "PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor",
            "LANG": "C.UTF-8", "QUARTERDECK_STATE_DIR": str(folder / "state"), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir("/")
            os.execve(sys.executable, [sys.executable, "-c", script], env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def read(self, seconds: float) -> bool:
        """Read what comes within so many seconds; whether anything did."""
        if not select.select([self.fd], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def until(self, words: bytes, seconds: float) -> bool:
        """Read until it wrote this; whether it did."""
        ends = time.monotonic() + seconds
        while words not in self.seen and time.monotonic() < ends:
            self.read(0.2)
        return words in self.seen

    def quiet(self, still_s: float = 0.15, at_most_s: float = 3.0) -> None:
        """Read until nothing came for a while."""
        ends = time.monotonic() + at_most_s
        while time.monotonic() < ends and self.read(still_s):
            pass

    def press(self, keys: bytes) -> None:
        """Press keys. A program that is gone is noticed at its end."""
        with suppress(OSError):
            os.write(self.fd, keys)

    def ended(self, seconds: float) -> int | None:
        """Read to its end; its exit code, None if it had to be killed."""
        ends = time.monotonic() + seconds
        code: int | None = None
        while time.monotonic() < ends:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                break
        else:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        while self.read(0.05):
            pass
        os.close(self.fd)
        return code


def console(there: System, size: int, *, guarded: bool = True, pressed: Sequence[bytes] = KEYS) -> Figures:
    """The console on it, with keys pressed, while `size` bytes are written to its log."""
    made = there.fed
    recorder = Recorder(CONSOLE.format(root=str(ROOT), unguarded=not guarded, profile=str(there.profile)), there.folder)
    begun = recorder.until(b"unhealthy", 60)  # the hosts have been looked at
    recorder.quiet(0.5, 10)
    there.long_line(min(size // 2, 10_000_000))
    keys, left = list(pressed), size // 2
    while keys or left > 0:
        part = min(left, max(200_000, size // 2 // len(pressed)))
        if part > 0:
            there.log(part)
            left -= part
        key = keys.pop(0) if keys else b"n"
        recorder.press(key)
        recorder.quiet(0.6 if key == b"\x1b" else 0.15)  # escape and another key are a sequence of the keyboard
    recorder.press(b"\x1b")
    recorder.quiet(0.6)
    recorder.press(b"----q")
    code = recorder.ended(ENDS_S)
    wrong = code != 0 or not begun or b"fault of Quarterdeck" in recorder.seen
    foreign, first = foreign_in(bytes(recorder.seen))
    return Figures(
        there.fed - made, len(recorder.seen), foreign, int(wrong), first or (f"exit {code}" if wrong else "")
    )


def command_line(there: System, *, guarded: bool = True) -> Figures:
    """Every command that shows what hosts, files, servers and the person's own words say."""
    made, hostile = there.fed, corpus.text(there.rng).strip("-") or "x"
    candidate = f"candidate={hostile}"
    commands: Sequence[Sequence[str]] = (
        ("status",), ("status", "--json"), ("status", "one"), ("releases", "one"), ("releases", "one", "--json"),
        ("checklist", "show", "one"), ("checklist", "tick", hostile), ("checklist", "import"), ("runs",),
        ("runs", "show", hostile), ("runs", "follow", hostile), ("plan", "deploy", "one", "--set", candidate),
        ("plan", hostile, "one"), ("plan", "rollback", "one"),
        ("plan", "restart", "one", "--set", f"service={hostile}"),
        ("run", "deploy", "one", "--set", candidate, "--yes"), ("lock", "one", "--reason", hostile),
        ("unlock", "one", "--reason", hostile), ("hosts",), ("doctor", "one"), ("audit", "show"), ("audit", "verify"),
        ("credentials", "list"), ("credentials", "check", hostile), ("profile", "check"), ("status", hostile),
        ("profile", "check", f"/nonexistent/{hostile}"), (hostile, "x"),
    )  # fmt: skip
    there.made += len(hostile.encode("utf-8", "replace")) * 12
    words = json.dumps(commands)
    script = COMMANDS.format(root=str(ROOT), unguarded=not guarded, profile=str(there.profile), words=words)
    recorder = Recorder(script, there.folder)
    code = recorder.ended(ENDS_S)
    ran = recorder.seen.count(b"ENDED ")
    faults = recorder.seen.count(b"fault of Quarterdeck") + recorder.seen.count(b"Traceback")
    wrong = (code != 0) + (len(commands) - ran) + faults
    foreign, first = foreign_in(bytes(recorder.seen))
    return Figures(
        there.fed - made, len(recorder.seen), foreign, wrong, first or (f"exit {code}, {ran} ran" if wrong else "")
    )


def hostile_text(
    folder: Path, *, seed: int = 1, size: int = 300_000, guarded: bool = True, pressed: Sequence[bytes] = KEYS
) -> Figures:
    """The figures of one system: console and command line, with `size` bytes of hostile log and all the rest."""
    with system(folder, seed) as there:
        made = there.fed
        found = console(there, size, guarded=guarded, pressed=pressed) + command_line(there, guarded=guarded)
        found.fed += made
        return found


if __name__ == "__main__":
    megabytes, seed = (float(word) for word in [*sys.argv[1:], "5", "1"][:2])
    for guarded in (True, False):
        with tempfile.TemporaryDirectory() as place:
            figures = hostile_text(Path(place), seed=int(seed), size=int(megabytes * 1e6), guarded=guarded)
        sys.stdout.write(f"{'guarded' if guarded else 'control, unguarded'}, seed {int(seed)}: {figures}\n")
