"""What the console sends to the terminal, and how soon a key is answered, measured from outside at 100x30.

Three scenes on the demo system, each in a console of its own: everything live (charts every 5 s, log at 10 lines/s);
nothing changing; and keys while one host hangs (a port that accepts and never speaks) and 10,000 log lines/s arrive.
Beside them a bare Textual app. Budgets: 10 KB/s, 0 B/s, p99 of key to first byte 50 ms.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.pty import Terminal
from bench.start import BARE
from bench.tables import kept, show

SETTLE_S, COUNT_S, KEYS = 8.0, 20.0, 120

QUIET = """
system: quiet
hosts: {{here: {{local: true}}}}
environments:
  quiet:
    hosts: [here]
    directory: {directory}
    stack:
      kind: process
      artifacts: "{directory}/releases/{{release}}"
      ports: {{first: 21900, last: 21910}}
      services: {{app: {{command: [sleep, "1000"]}}}}
"""

HANGING = """
extends: demo
hosts:
  silent: {{address: 127.0.0.1, port: {port}, user: nobody, known_hosts: {directory}/none}}
environments:
  hanging:
    hosts: [silent]
    directory: /opt/none
    inherit: false
    stack: {{kind: compose, project: none, files: [docker-compose.yml], services: {{app: {{}}}}}}
"""


EXTENDING = """
import sys
from console.app import run_console
from console.demo.control import DemoSystem
run_console(sys.argv[1], "staging", read_only=False, variables=DemoSystem().variables())
"""
"""The console on a file that extends the demo's profile, which only the demo's own commands fill in."""


@contextmanager
def dripping(log: Path, lines_per_s: int) -> Iterator[None]:
    """A service's log that grows."""
    stop = threading.Event()

    def drip() -> None:
        began, written = time.monotonic(), 0
        while not stop.wait(0.05):
            due = int((time.monotonic() - began) * lines_per_s)
            text = "".join(f"2026-11-24 02:14:55 INFO request {n} answered in 12 ms\n" for n in range(written, due))
            with log.open("a", encoding="utf-8") as file:
                file.write(text)
            written = due

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []
        threading.Thread(target=_accept, args=(server, held), daemon=True).start()
        yield server.getsockname()[1]
        for one in held:
            one.close()


def _accept(server: socket.socket, held: list[socket.socket]) -> None:
    while True:
        try:
            held.append(server.accept()[0])
        except OSError:
            return


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def per_second(argv: list[str], env: dict[str, str], until: bytes) -> tuple[float, float]:
    """Bytes a second to the terminal once it has settled, and per cent of a core."""
    with Terminal(argv, env) as terminal:
        if not terminal.wait_for(until, 30.0):
            raise RuntimeError(f"{' '.join(argv)} did not show {until!r}")
        terminal.drain(SETTLE_S)
        before = cpu_s(terminal.pid)
        count = terminal.drain(COUNT_S)
        return count / COUNT_S, 100 * (cpu_s(terminal.pid) - before) / COUNT_S


def key_times(argv: list[str], env: dict[str, str], until: bytes, key: bytes) -> list[float]:
    """Milliseconds from a key to the first byte after it; sorted."""
    with Terminal(argv, env) as terminal:
        if not terminal.wait_for(until, 30.0):
            raise RuntimeError(f"{' '.join(argv)} did not show {until!r}")
        terminal.drain(SETTLE_S)
        times = []
        for _ in range(KEYS):
            while terminal.read(0.005):  # what was on its way before the key does not count as its answer
                pass
            began = time.monotonic()
            terminal.type(key)
            if terminal.read(2.0):
                times.append((time.monotonic() - began) * 1000)
            terminal.drain(0.06)
        return sorted(times)


def main() -> None:
    """Print the table."""
    program = str(Path(sys.executable).with_name("quarterdeck"))
    with tempfile.TemporaryDirectory() as root:
        env = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "HOME": root,
            "QUARTERDECK_STATE_DIR": f"{root}/state",
        }
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            env.pop(name, None)
        subprocess.run([program, "demo", "--no-console"], env=env, check=True, stdout=subprocess.DEVNULL)
        try:
            _rows(program, env, Path(root))
        finally:
            subprocess.run([program, "demo", "--stop"], env=env, check=False, stdout=subprocess.DEVNULL)


def _rows(program: str, env: dict[str, str], root: Path) -> None:
    log = next(root.glob("**/staging/process/backend/log"))
    bare_bytes, bare_cpu = per_second([sys.executable, "-c", BARE], env, b"ready to be")
    with dripping(log, 10):
        live_bytes, live_cpu = per_second([program, "-p", "demo", "staging"], env, b"healthy")
    quiet = root / "quiet.yaml"
    (root / "q").mkdir()
    quiet.write_text(QUIET.format(directory=root / "q"), encoding="utf-8")
    quiet_bytes, quiet_cpu = per_second([program, "-p", str(quiet)], env, b"nothing runs")
    with silent_port() as port, dripping(log, 10_000):
        hanging = root / "hanging.yaml"
        hanging.write_text(HANGING.format(port=port, directory=root), encoding="utf-8")
        times = key_times([sys.executable, "-c", EXTENDING, str(hanging)], env, b"healthy", b"\t")
    bare_times = key_times([program, "-p", str(quiet)], env, b"nothing runs", b"\t")
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99) - 1]
    show(
        ("scene at 100x30", "bytes/s", "% of a core", "budget", ""),
        [
            ("bare Textual app", f"{bare_bytes:.0f}", f"{bare_cpu:.1f}", "", ""),
            ("all live, log 10 lines/s", f"{live_bytes:.0f}", f"{live_cpu:.1f}", "10,240", kept(live_bytes, 10240)),
            ("nothing changing", f"{quiet_bytes:.0f}", f"{quiet_cpu:.1f}", "0", kept(quiet_bytes, 0)),
        ],
    )
    print()
    show(
        ("key to first byte", "median ms", "p99 ms", "n", "budget", ""),
        [
            ("host hangs, 10,000 lines/s", f"{p50:.1f}", f"{p99:.1f}", str(len(times)), "50 ms", kept(p99, 50.0)),
            (
                "the same console at rest",
                f"{bare_times[len(bare_times) // 2]:.1f}",
                f"{bare_times[int(len(bare_times) * 0.99) - 1]:.1f}",
                str(len(bare_times)),
                "",
                "",
            ),
        ],
    )
