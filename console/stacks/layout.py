"""Where a process stack keeps its things on a host: paths and formats, and nothing that touches them.

Shared by the process stack's builders and by the demo, so that a release which the demo has started by hand is, for
`baseline` and `deploy`, a release like any other. Below the environment's deploy directory:

    <directory>/
      .quarterdeck/              the console's own (DESIGN section 4); nothing of it is described here
      process/<service>/         one service; a second instance beside it is `process/<service>.<slot>/`
        pid                      "PID START BOOT\\n": see `pid_text`. The process leads its own session and group
        port                     the port it listens on, on 127.0.0.1, as decimal text
        release                  the name of the release that it was started from: "1.0.0\\n"
        log                      standard output and error, opened for appending (`>>`): a service may truncate it
        stopped                  there once a run stopped it and until one starts it; its time is when
      proxy/
        pid                      as above
        routes.json              what the proxy routes: see `routes_text`. Replaced by rename, never written in place
        listen                   "127.0.0.1:PORT\\n": where users reach the environment
        admin                    "127.0.0.1:PORT\\n": loopback only; GET /inflight counts requests per upstream
        log                      standard output and error of the proxy

A file is written whole to a temporary name beside it (`temporary`) and renamed, so that a reader never sees half.
What a dead process left behind is told from a living one by `pid`: process id, start time and boot id must agree,
and the process must not be a zombie.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

PROCESS = "process"
PROXY = "proxy"
PID = "pid"
PORT = "port"
RELEASE = "release"
LOG = "log"
STOPPED = "stopped"
ROUTES = "routes.json"
LISTEN = "listen"
ADMIN = "admin"

LOOPBACK = "127.0.0.1"
PROXY_MODULE = "console.stacks.proxy"
SERVICE_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}(\.[a-z0-9-]{1,20})?$")


def process_dir(directory: str) -> str:
    """The directory that holds one directory a service."""
    return str(PurePosixPath(directory) / PROCESS)


def service_dir(directory: str, service: str, slot: str = "") -> str:
    """One service's directory. `slot` names a second instance beside it (`next`, `green`); "" is the usual one.

    Raises ValueError for a name that could leave the directory.
    """
    name = f"{service}.{slot}" if slot else service
    if not SERVICE_NAME.match(name):
        raise ValueError(f"{name!r} cannot be the name of a service's directory: use a-z, 0-9 and '-'")
    return str(PurePosixPath(directory) / PROCESS / name)


def proxy_dir(directory: str) -> str:
    """The reverse proxy's directory."""
    return str(PurePosixPath(directory) / PROXY)


def pid_file(directory: str, service: str, slot: str = "") -> str:
    """Where the identity of a service's process stands."""
    return str(PurePosixPath(service_dir(directory, service, slot)) / PID)


def port_file(directory: str, service: str, slot: str = "") -> str:
    """Where the port of a service's process stands."""
    return str(PurePosixPath(service_dir(directory, service, slot)) / PORT)


def log_file(directory: str, service: str, slot: str = "") -> str:
    """Where a service's output goes."""
    return str(PurePosixPath(service_dir(directory, service, slot)) / LOG)


def proxy_file(directory: str, name: str) -> str:
    """One of the proxy's files: PID, ROUTES, LISTEN, ADMIN or LOG."""
    return str(PurePosixPath(proxy_dir(directory)) / name)


def temporary(path: str, tag: str) -> str:
    """A name beside `path` to write to before renaming. `tag` tells writers apart (a run's id, a process id)."""
    pure = PurePosixPath(path)
    return str(pure.with_name(f".{pure.name}.{tag}"))


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process, told apart from a later one with the same number.

    `start` is field 22 of `/proc/PID/stat`: clock ticks from boot to the start of the process (proc(5)). `boot` is
    the content of `/proc/sys/kernel/random/boot_id`.
    """

    pid: int
    start: int
    boot: str


_IDENTITY = re.compile(r"^([1-9][0-9]{0,9}) ([0-9]{1,20}) ([0-9a-f-]{36})$")


def pid_text(identity: Identity) -> str:
    """The content of a `pid` file: one line, three words, easy for `read pid start boot` in sh."""
    return f"{identity.pid} {identity.start} {identity.boot}\n"


def parse_pid(text: str) -> Identity | None:
    """The identity that a `pid` file holds, or None if the file does not hold one."""
    match = _IDENTITY.match(text.strip())
    return Identity(int(match[1]), int(match[2]), match[3]) if match else None


def parse_stat(stat: str) -> tuple[str, int] | None:
    """State letter and start time (clock ticks) from the text of `/proc/PID/stat`, or None if it is not such a text.

    The name in brackets may itself hold spaces and brackets, so the fields are counted from the last bracket.
    """
    fields = stat.rpartition(")")[2].split()
    if len(fields) < 20 or not fields[19].isdecimal():
        return None
    return fields[0], int(fields[19])


def routes_text(routes: Sequence[tuple[str, str]], maintenance: str | None = None) -> str:
    """The proxy's routes file: (path prefix, "127.0.0.1:PORT") in the order in which they are tried.

    The first prefix that matches a request's path wins, so the longer ones come first and "/" last. With
    `maintenance` every request is answered 503 with that text.
    """
    value = {"routes": [{"prefix": prefix, "to": to} for prefix, to in routes], "maintenance": maintenance}
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def upstreams(ports: Mapping[str, int], prefixes: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Routes for services on this machine: `prefixes` maps path prefixes to services, `ports` services to ports."""
    return [(prefix, f"{LOOPBACK}:{ports[service]}") for prefix, service in prefixes]


def proxy_argv(python: str, directory: str, listen: str, admin: str) -> tuple[str, ...]:
    """The words that start the environment's proxy."""
    routes = proxy_file(directory, ROUTES)
    return (python, "-P", "-m", PROXY_MODULE, "--listen", listen, "--routes", routes, "--admin", admin)
