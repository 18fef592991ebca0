"""Whose SSH agent answers on a socket, and whether it goes away with this login.

A login that forwards an agent (`ssh -A`) makes a socket that looks like that of an agent of this machine, and that is
gone with the connection. Who listens tells them apart: the kernel says which process it is. `judge` is pure.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

FORWARDERS = frozenset(("sshd", "sshd-session", "dropbear"))
"""Programs that listen for an agent of another machine, as the kernel names them."""
ASK_S = 2.0
_NUMBERED = re.compile(r"/agent\.[0-9]+$")


class Listener(NamedTuple):
    """The process that made a socket: not always the agent, which may be a child of it that stayed (`ssh-agent -s`)."""

    pid: int
    """0: of another space of process numbers; nothing is known of it."""
    name: str = ""
    """What the kernel calls its program; empty where that cannot be seen."""
    gone: bool = False
    """It has ended; what answers on the socket is what it left behind."""
    cgroup: str = ""
    """Text of its /proc/PID/cgroup."""


def judge(path: str, listener: Listener | None, ancestors: Collection[int], *, remote: bool) -> str:
    """Why the agent on `path` goes away with this login, as a clause; empty where nothing says so.

    `ancestors`: this process, and those that it descends from. `remote`: whether this login came by SSH.
    """
    if listener is None:
        return ""
    if listener.name in FORWARDERS:
        return "is that of the machine you came from, forwarded by your SSH login"
    if not remote or listener.gone:
        return ""
    if listener.pid in ancestors and listener.name != "systemd":
        # `ssh-agent COMMAND` becomes the command, and its child the agent, which ends with it. Not asked at a desktop:
        # there its session is the command, and nobody loses that with a connection.
        return f"was started for {listener.name} (process {listener.pid}) and ends with it"
    if not listener.name and _NUMBERED.search(path):
        return "cannot be told from one that your SSH login forwards"
    return ""


def ends_with_login(path: str) -> str:
    """The same, of the socket that is there now. Nothing is asked of the agent."""
    real = os.path.realpath(Path(path).expanduser())
    remote = bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_CLIENT"))
    return judge(real, listener_of(real), {os.getpid(), *ancestors_of(os.getpid())}, remote=remote)


def listener_of(path: str) -> Listener | None:
    """Who listens on a socket; None where nobody answers."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(ASK_S)
    try:
        connection.connect(path)
        pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except OSError:
        return None
    finally:
        connection.close()
    gone = pid > 0 and not Path(f"/proc/{pid}").exists() and not _there(pid)
    named = os.environ.get("SSH_AGENT_PID", "")
    living = int(named) if gone and named.isdecimal() else pid
    return Listener(pid, _text(pid, "comm").strip(), gone, _text(living, "cgroup"))


def _there(pid: int) -> bool:
    """Whether there is such a process, also one that /proc does not show us."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def ancestors_of(pid: int) -> set[int]:
    """The processes that one descends from."""
    found: set[int] = set()
    while pid > 1:
        fields = _text(pid, "stat").rpartition(")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
        if pid in found:
            break
        found.add(pid)
    return found


def _text(pid: int, name: str) -> str:
    if pid <= 0:
        return ""
    try:
        return Path(f"/proc/{pid}/{name}").read_text("utf-8", "replace")
    except OSError:
        return ""
