"""The proxy's routes: a small JSON file that is looked at before every request and replaced by one rename."""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path

log = logging.getLogger("proxy")

ROUTES_LIMIT_BYTES = 256 * 1024
_ADDRESS = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})$")


class RoutesUnusable(Exception):
    """The routes file is missing or wrong; the text is a sentence."""


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8000` or `[::1]:8000`. Raises ValueError."""
    match = _ADDRESS.match(text)
    if match is None or not 0 < int(match[2]) < 65536:
        raise ValueError(f"{text!r} is not an address like 127.0.0.1:8000")
    return match[1].strip("[]"), int(match[2])


def matches(prefix: str, path: str) -> bool:
    """Whether a path lies below a prefix, whole segments only: /api takes /api and /api/x, not /apiary."""
    if not path.startswith(prefix):
        return False
    return prefix.endswith("/") or len(path) == len(prefix) or path[len(prefix)] == "/"


class RoutesFile:
    """What the file says now, or said last: a file that has become unusable changes nothing, and is logged once."""

    def __init__(self, path: Path) -> None:
        """Raises RoutesUnusable if there is nothing to start with."""
        self.path = path
        self.routes: tuple[tuple[str, str], ...] = ()
        self.maintenance: str | None = None
        self.problem: str | None = None
        self.switches = 0
        self._held: int | None = None
        self._seen: tuple[int, ...] | None = None
        self.refresh()
        if self.problem is not None:
            raise RoutesUnusable(self.problem)

    def refresh(self) -> None:
        """Load the file if it is another one than before. No waiting, so no request can slip in between."""
        try:
            found = _signature(self.path.stat())
            if found == self._seen:
                return
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self._unusable(f"the routes file {self.path} cannot be read: {error.strerror}")
            self._seen = None
            return
        # The file stays open: as long as it is, no later file can get its inode number, and so look the same.
        if self._held is not None:
            os.close(self._held)
        self._held = descriptor
        self._seen = _signature(os.fstat(descriptor))
        try:
            self.routes, self.maintenance = parse_routes(_read(descriptor))
        except ValueError as error:
            self._unusable(f"the routes file {self.path} is wrong: {error}")
            return
        self.problem = None
        self.switches += 1

    def _unusable(self, sentence: str) -> None:
        if sentence != self.problem:
            log.error("%s; the routes loaded before stay in force", sentence)
        self.problem = sentence

    def upstream(self, path: str) -> str | None:
        """Where a request for `path` goes: the first matching prefix, in the file's order."""
        return next((to for prefix, to in self.routes if matches(prefix, path)), None)

    def upstreams(self) -> list[str]:
        """Every upstream that the routes name."""
        return list(dict.fromkeys(to for _, to in self.routes))

    def shown(self) -> dict[str, object]:
        """What is in force, for the admin address."""
        return {
            "routes": [{"prefix": prefix, "to": to} for prefix, to in self.routes],
            "maintenance": self.maintenance,
            "problem": self.problem,
            "switches": self.switches,
        }


def _signature(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _read(descriptor: int) -> bytes:
    content = b""
    while chunk := os.read(descriptor, 65536):
        content += chunk
        if len(content) > ROUTES_LIMIT_BYTES:
            raise ValueError(f"it is larger than {ROUTES_LIMIT_BYTES} bytes")
    return content


def parse_routes(content: bytes) -> tuple[tuple[tuple[str, str], ...], str | None]:
    """Routes and maintenance text of a routes file (see `layout.routes_text`). Raises ValueError with a reason."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get("routes"), list):
        raise ValueError('"routes" must be a list')
    maintenance = value.get("maintenance")
    if maintenance is not None and not isinstance(maintenance, str):
        raise ValueError('"maintenance" must be a text or null')
    routes: list[tuple[str, str]] = []
    for route in value["routes"]:
        if not isinstance(route, dict):
            raise ValueError('each route must be {"prefix": …, "to": …}')
        prefix, to = route.get("prefix"), route.get("to")
        if not isinstance(prefix, str) or not prefix.startswith("/"):
            raise ValueError(f"the prefix {prefix!r} must start with /")
        if not isinstance(to, str):
            raise ValueError(f"the route {prefix} does not say where to")
        parse_address(to)
        routes.append((prefix, to))
    return tuple(routes), maintenance
