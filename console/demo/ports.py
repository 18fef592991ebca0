"""Ports for the demo: one block an environment, below the range from which the system takes ports for connections."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Collection
from pathlib import Path

BLOCK = 16
"""Ports of one environment: the first for the proxy, the second for its admin address, the others for services."""
FIRST = 18_000


class NoPorts(Exception):
    """No free block was found; the text is a sentence."""


def free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def connections_from() -> int:
    """The first port that the system may give to an outgoing connection.

    A server that is restarted on a port above it can find that port taken by a connection of somebody, for a moment
    or for long: the proxy alone opens one for each request. Linux says it in ip_local_port_range (32768 by default).
    """
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii")
        return int(text.split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768


def blocks(count: int, taken: Collection[int] = ()) -> list[int]:
    """First ports of `count` free blocks, none of them in `taken`. Raises NoPorts.

    The search begins anywhere, so that two demos on one machine (two users) rarely meet.
    """
    last = connections_from() - BLOCK
    if last < FIRST:
        last = 60_000
    candidates = [first for first in range(FIRST, last + 1, BLOCK) if first not in taken]
    begin = random.randrange(len(candidates))
    found: list[int] = []
    for first in candidates[begin:] + candidates[:begin]:
        if all(free(port) for port in range(first, first + BLOCK)):
            found.append(first)
            if len(found) == count:
                return found
    raise NoPorts(
        f"no {BLOCK} free ports in a row on 127.0.0.1 between {FIRST} and {last + BLOCK - 1}: the demo needs "
        f"{count} such blocks. See with `ss -ltn` what listens there."
    )
