"""Megabytes a second through the sanitiser and the redactor, whole and in chunks, beside a floor.

Budgets: the sanitiser at least 50 MB/s and the redactor, with 20 secrets, at least 20 MB/s, on what logs mostly are.
The floors do what can be done in C alone with the same bytes: decoding them, and looking for one of the patterns.
What is made to be slow is measured as well, without a budget: it must not be able to stop the console.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.tables import show, spread
from console.text.redact import Redactor
from console.text.sanitise import Sanitiser
from console.text.secret import Secret

SIZE, LESS = 4 << 20, 1 << 19
CHUNK = 64 << 10
RUNS = 5
SANITISER, REDACTOR = 50.0, 20.0
"""Megabytes a second."""

COMMON: dict[str, Callable[[int], str]] = {
    "plain text": lambda n: f"2026-11-24 02:14:55,{n % 1000:03d} INFO app.server: GET /api/health 200 {n % 97} ms",
    "JSON": lambda n: (
        f'{{"level":"info","msg":"POST /api/predict 200","ms":{n % 97},"user":"u{n}","trace":"{n:032x}"}}'
    ),
    "UTF-8": lambda n: f"Zustellung nach Köln bestätigt, Fahrt {n}, Verspätung {n % 60} Minuten – Grüße",
}
OTHER: dict[str, Callable[[int], str]] = {
    "four colour codes a line": lambda n: (
        f"\x1b[32mINFO\x1b[0m:     10.0.0.{n % 250}:4711 - \x1b[1mGET /api/health\x1b[0m 200 {n}"
    ),
    "every line a title": lambda n: f"\x1b]0;title {n}\x07 \x1b[2J\x1b[{n % 40};1H\x9b31mred\x1bPq\x1b\\ {n}",
    "bidi, zero-width, marks": lambda n: f"a\u202eb\u200bc\u2066d e\u0301\u0301\u0301\u0301\u0301\u0301 {n}",
    "lines that look secret": lambda n: f"password={n} token={n} Authorization: Bearer {n:032x} eyJ{n:032x}",
}


def secrets(count: int = 20) -> Redactor:
    """As many secrets of as many shapes as a profile may have."""
    return Redactor({f"secret-{n}": Secret(f"nowhere-in-{n:04d}/the+data={'x' * (n % 24)}") for n in range(count)})


def data_of(text: Callable[[int], str], size: int) -> bytes:
    """So many bytes of lines, or a few more."""
    lines, size_now = [], 0
    while size_now < size:
        lines.append(text(len(lines)).encode() + b"\n")
        size_now += len(lines[-1])
    return b"".join(lines)


def pace(work: Callable[[bytes], object], data: bytes) -> float:
    """Megabytes a second of processor time, in chunks as they are read from a pipe or a socket."""
    began = time.process_time()
    for at in range(0, len(data), CHUNK):
        work(data[at : at + CHUNK])
    return len(data) / 1e6 / (time.process_time() - began)


def _rows(kinds: dict[str, Callable[[int], str]], budgets: bool) -> list[list[str]]:
    redactor = secrets()
    rows = []
    for name, text in kinds.items():
        data = data_of(text, SIZE if budgets else LESS)
        works: tuple[tuple[str, Callable[[], Callable[[bytes], object]], float], ...] = (
            ("floor: decode, split", lambda: lambda part: part.decode("utf-8", "replace").split("\n"), 0.0),
            ("sanitiser", lambda: Sanitiser().feed, SANITISER),
            ("floor: one `in`", lambda: lambda part: b"nowhere-in-0007/the+data=" in part, 0.0),
            ("redactor, 20 secrets", lambda: redactor.stream().feed, REDACTOR),
        )
        for what, make, budget in works:
            paces = [pace(make(), data) for _ in range(RUNS)]
            middle = sorted(paces)[RUNS // 2]
            wanted = [f"{budget:.0f}", "kept" if middle >= budget else "MISSED"] if budget and budgets else ["", ""]
            rows.append([name, what, spread(paces, "MB/s", 1), *wanted])
    return rows


def main() -> None:
    """Print the tables."""
    show(("what logs mostly are", "", "pace", "budget", ""), _rows(COMMON, budgets=True))
    print()
    show(("what is rarer, or made to be slow", "", "pace", "", ""), _rows(OTHER, budgets=False))
