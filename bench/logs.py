"""Log lines a second: taking a recorded engine stream apart into safe, redacted lines, and an engine's own pace.

Budget: 100,000 lines/s from what is there already, the engine's own pace from Docker. The latter is measured only
where QUARTERDECK_BENCH_DOCKER names a host of the SSH configuration (of QUARTERDECK_BENCH_SSH_CONFIG), or is `local`: a
container there, of the image QUARTERDECK_BENCH_IMAGE (default `busybox`), writes lines, and they are read as bytes and
through the console.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import subprocess
import threading
import time
from collections.abc import Callable

from bench.tables import show, spread
from console.feeds.docker_logs import Dechunk, Demux, Position, Reader, stream
from console.hosts.base import Host
from console.text.redact import Redactor
from console.text.secret import Secret

LINES = 100_000
ENGINE_LINES = 200_000
BUDGET = 100_000
READ = 1 << 18
RUNS = 5

KINDS: dict[str, Callable[[int], str]] = {
    "JSON": lambda n: (
        f'{{"level":"info","msg":"POST /api/predict 200","ms":{n % 97},"user":"u{n}","trace":"{n:032x}"}}'
    ),
    "plain text": lambda n: f"2026-11-24 02:14:55,{n % 1000:03d} INFO app.server: GET /api/health 200 {n % 97} ms",
    "coloured": lambda n: f"\x1b[32mINFO\x1b[0m:     10.0.0.{n % 250}:4711 - \x1b[1mGET /api/health\x1b[0m 200 {n}",
    "UTF-8": lambda n: f"Zustellung nach Köln bestätigt, Fahrt {n}, Verspätung {n % 60} Minuten – Grüße",
}


def recorded(text: Callable[[int], str]) -> bytes:
    """What the engine sends for LINES lines: a chunk and a frame each, one line in fifty on standard error."""
    parts = []
    for n in range(LINES):
        seconds = n // 100
        stamp = f"2026-11-24T02:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{n % 100:02d}1234567Z"
        line = f"{stamp} {text(n)}\n".encode()
        part = struct.pack(">BxxxL", 2 if n % 50 == 0 else 1, len(line)) + line
        parts.append(b"%x\r\n%s\r\n" % (len(part), part))
    return b"".join(parts)


def redactor() -> Redactor:
    """As many secrets as a profile has."""
    return Redactor({f"secret-{n}": Secret(f"a value that is nowhere {n:04d}") for n in range(8)})


def pace(data: bytes, redact: Callable[[str], str]) -> float:
    """Lines a second."""
    began = time.perf_counter()
    dechunk, demux, reader, got = Dechunk(), Demux(tty=False), Reader("backend", redact), 0
    for at in range(0, len(data), READ):
        got += len(reader.take(demux.feed(dechunk.feed(data[at : at + READ]))))
    if got != LINES:
        raise RuntimeError(f"{got} lines came out of {LINES}")
    return got / (time.perf_counter() - began)


def filtered(data: bytes) -> float:
    """Lines a second when a regular expression is looked for in each as well."""
    wanted, redact = re.compile(r"predict.*ms\D+9\d\b"), redactor().text
    began = time.perf_counter()
    dechunk, demux, reader, got = Dechunk(), Demux(tty=False), Reader("backend", redact), 0
    for at in range(0, len(data), READ):
        lines = reader.take(demux.feed(dechunk.feed(data[at : at + READ])))
        got += sum(1 for line in lines if wanted.search(line.text))
    if not 0 < got < LINES:
        raise RuntimeError(f"the filter let {got} lines of {LINES} through")
    return LINES / (time.perf_counter() - began)


def _row(name: str, paces: list[float]) -> list[str]:
    middle = sorted(paces)[len(paces) // 2]
    return [name, spread(paces, "lines/s", 0), f"{BUDGET}", "kept" if middle >= BUDGET else "MISSED"]


def pure() -> None:
    """The table of the part that is ours alone."""
    rows = []
    mask = redactor().text
    for name, text in KINDS.items():
        data = recorded(text)
        rows.append(_row(f"{name}, safe and redacted", [pace(data, mask) for _ in range(RUNS)]))
        if name == "JSON":
            rows.append(_row(f"{name}, not redacted", [pace(data, lambda shown: shown) for _ in range(RUNS)]))
            rows.append(_row(f"{name}, redacted and filtered", [filtered(data) for _ in range(RUNS)]))
    show(("recorded stream", "pace", "budget", ""), rows)


def engine(where: str, image: str) -> None:
    """The engine's own pace (raw bytes, nothing done to them) and ours, on the same container."""
    from console.hosts.config import HostConfig
    from console.hosts.local import LocalHost
    from console.hosts.ssh import SshHost
    from console.timing import DEFAULT

    config = HostConfig(name=where, address=where, ssh_config=os.environ.get("QUARTERDECK_BENCH_SSH_CONFIG"))
    host: Host = LocalHost("local", DEFAULT) if where == "local" else SshHost(config)
    script = f'n=0; while [ $n -lt {ENGINE_LINES} ]; do n=$((n+1)); echo "level=info msg=request n=$n path=/api"; done'
    name = f"quarterdeck-bench-{os.getpid()}"
    docker = ["docker"] if where == "local" else ["ssh", *_ssh_options(), where, "docker"]
    quoted = script if where == "local" else "'" + script + "'"
    subprocess.run([*docker, "run", "--name", name, image, "sh", "-c", quoted], check=True, stdout=subprocess.DEVNULL)
    try:
        raw = [_raw(host, name) for _ in range(3)]
        ours = [_ours(host, name) for _ in range(3)]
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run([*docker, "rm", "-f", name], check=True, stdout=subprocess.DEVNULL)
        host.close()
    rows = [["engine, bytes only", spread(raw, "lines/s", 0)], ["through the console", spread(ours, "lines/s", 0)]]
    show((f"{ENGINE_LINES} lines of a container on {where}", "pace"), rows)
    print(f"the console keeps {sorted(ours)[1] / sorted(raw)[1]:.0%} of the engine's own pace")


def _ssh_options() -> list[str]:
    config = os.environ.get("QUARTERDECK_BENCH_SSH_CONFIG")
    return ["-F", config] if config else []


def _raw(host: Host, container: str) -> float:
    began = time.perf_counter()
    path = f"/containers/{container}/logs?stdout=1&stderr=1&timestamps=1"
    with host.engine_socket() as connection:
        connection.settimeout(60)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode())
        while connection.recv(READ):
            pass
    return ENGINE_LINES / (time.perf_counter() - began)


def _ours(host: Host, container: str) -> float:
    began, got = time.perf_counter(), 0
    reader = Reader("backend", redactor().text)
    stop = threading.Event()
    for raw in stream(
        host.engine_socket, container, tty=False, position=Position(), tail=10**9, follow=False, stop=stop
    ):
        got += len(reader.take(raw))
    if got != ENGINE_LINES:
        raise RuntimeError(f"{got} lines came of {ENGINE_LINES}")
    return got / (time.perf_counter() - began)


def main() -> None:
    """Print the tables."""
    pure()
    where = os.environ.get("QUARTERDECK_BENCH_DOCKER")
    if where:
        engine(where, os.environ.get("QUARTERDECK_BENCH_IMAGE", "busybox"))
    else:
        print("the engine's own pace is not measured: QUARTERDECK_BENCH_DOCKER names no host")
