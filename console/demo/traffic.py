"""Gentle traffic for the demo, so that its charts live: a few requests a second per environment. Stdlib only.

    python -P -m console.demo.traffic --root DIR

The rate follows a day that takes ten minutes. Now and then there is a page that is not there, a prediction that the
first release cannot make (500), a request without a login. It stops by itself when the demo's proxies are gone.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import math
import random
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

RATES = {"staging": 2.0, "production": 4.0}
"""Requests per second at noon."""
DAY_S = 600.0
MORNING_S = 0.2 * DAY_S
"""Where the day begins when the demo does: with rising charts."""
GONE_S = 60.0
"""So long without any answer, and the demo is taken for stopped."""
TIMEOUT_S = 5.0
OTHER_RATE = 1.0

Request = tuple[str, str, Mapping[str, object] | None]


def rate(noon: float, at_s: float) -> float:
    """Requests per second at a moment: a quarter of `noon` at night, in waves of `DAY_S` seconds."""
    return noon * (0.625 - 0.375 * math.cos(2 * math.pi * at_s / DAY_S))


def choose(draw: random.Random) -> Request:
    """One request: method, path, JSON. About 1 in 70 is not found, 1 in 150 breaks the first release."""
    x = draw.random()
    if x < 0.62:
        item = f"P-{draw.randint(1000, 1400)}"
        return "POST", "/api/predict", {"item": item, "quantity": draw.randint(1, 500)}
    if x < 0.80:
        return "GET", "/", None
    if x < 0.90:
        return "GET", "/training", None
    if x < 0.95:
        return "GET", "/api/health", None
    if x < 0.965:
        return "POST", "/api/train", {"dataset": f"week-{draw.randint(1, 52)}"}
    if x < 0.98:
        return "GET", f"/api/orders/{draw.randint(1, 99)}", None
    if x < 0.987:
        return "POST", "/api/predict", {"item": "P-1000", "quantity": 5_000_000}
    if x < 0.993:
        return "GET", "/api/me", None
    return "POST", "/api/predict", {"item": "", "quantity": 1}


class Client:
    """One kept connection to an environment's proxy, opened again when it breaks."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connection: http.client.HTTPConnection | None = None

    def send(self, request: Request) -> int | None:
        """The status, or None if nobody answered."""
        method, path, value = request
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        body = None if value is None else json.dumps(value).encode()
        headers = {"User-Agent": "demo-traffic", **({"Content-Type": "application/json"} if body else {})}
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return None
        return response.status

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def drive(root: Path, name: str, stop: threading.Event, gone_s: float = GONE_S) -> None:
    """Send requests to one environment until told to stop, or until nobody has answered for `gone_s` seconds."""
    noon = RATES.get(name, OTHER_RATE)
    draw = random.Random()
    client = Client(proxies(root).get(name, 0))
    began = answered = time.monotonic()
    try:
        while not stop.is_set():
            now = time.monotonic()
            if client.send(choose(draw)) is not None:
                answered = time.monotonic()
            elif now - answered > gone_s:
                return
            else:
                client.port = proxies(root).get(name, client.port)  # it may have come back elsewhere
            stop.wait(min(5.0, draw.expovariate(rate(noon, MORNING_S + now - began))))
    finally:
        client.close()


def proxies(root: Path) -> dict[str, int]:
    """Environment to port of its proxy, from the `listen` files below the demo's directory."""
    found: dict[str, int] = {}
    for path in sorted(root.glob("*/proxy/listen")):
        with contextlib.suppress(OSError, ValueError):
            found[path.parent.parent.name] = int(path.read_text("ascii").strip().rpartition(":")[2])
    return found


def main(argv: list[str] | None = None) -> int:
    """The command line. Ends with 0 when the demo has ended, 2 if there is none."""
    parser = argparse.ArgumentParser(prog="console.demo.traffic", description="Gentle traffic for the demo.")
    parser.add_argument("--root", required=True, type=Path, metavar="DIR")
    parser.add_argument("--gone-s", type=float, default=GONE_S, metavar="SECONDS")
    arguments = parser.parse_args(argv)
    found = proxies(arguments.root)
    if not found:
        sys.stderr.write(f"traffic: there is no demo in {arguments.root}\n")
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threads = [
        threading.Thread(target=drive, args=(arguments.root, name, stop, arguments.gone_s), name=name) for name in found
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
