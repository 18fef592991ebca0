"""Starts a follower for every service's log of an environment and stops them together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from console.watch.backlog import Backlog, Remembered

if TYPE_CHECKING:
    from console.environment import Environment
    from console.feeds.follow import Sink, Source

Redact = Callable[[str], str]


def watch_logs(
    environment: Environment,
    redact: Redact,
    sink: Sink,
    stop: threading.Event,
    remembered: Remembered | None = None,
) -> list[threading.Thread]:
    """Follow the logs that the profile names (default: every service) until `stop`; lines go to `sink` in batches.

    `remembered`: what was given when these logs were followed before; it is left out, and kept up.
    """
    logs = _files(environment, redact) if _kind(environment) == "files" else _services(environment, redact)
    names = [(f"{n} {log.source.host.name} {log.source.service}", log.source.tail) for n, log in enumerate(logs)]
    backlog = Backlog(sink, names, remembered if remembered is not None else Remembered())
    threads: list[threading.Thread] = []
    for (name, _), log in zip(names, logs, strict=True):
        args = (log.source, log.what, backlog.of(name), stop)
        thread = threading.Thread(target=log.follow, args=args, name="logs", daemon=True)
        thread.start()
        threads.append(thread)
    return threads


class _Log(NamedTuple):
    """One log to follow: how, and which file or container."""

    follow: Callable[..., None]
    source: Source
    what: object


def _kind(environment: Environment) -> str:
    feed = environment.config.feeds.logs
    return feed.kind if feed is not None else ""


def _files(environment: Environment, redact: Redact) -> list[_Log]:
    """The files that the profile names."""
    from console.feeds.follow import Source, follow_file

    feed = environment.config.feeds.logs
    logs: list[_Log] = []
    for file in feed.files if feed is not None and feed.kind == "files" else ():
        for name in (file.host,) if file.host else environment.config.hosts:
            services = (file.service,) if file.service else tuple(environment.config.stack.services)
            for service in services if "{service}" in file.path else services[:1]:
                path = file.path.replace("{directory}", environment.directory).replace("{service}", service)
                label = service if "{service}" in file.path or file.service else path.rsplit("/", 1)[-1]
                source = Source(label, environment.hosts[name], redact, feed.tail if feed is not None else 500)
                logs.append(_Log(follow_file, source, path))
    return logs


def _services(environment: Environment, redact: Redact) -> list[_Log]:
    """What each service writes, on each host."""
    from console.feeds.follow import Source, follow_container, follow_file
    from console.stacks.layout import LOG, service_dir

    feed = environment.config.feeds.logs
    tail = feed.tail if feed is not None else 500
    own = feed.services if feed is not None and feed.kind == "docker" else ()
    services = own or tuple(environment.config.stack.services)
    many = len(environment.config.hosts) > 1
    logs: list[_Log] = []
    for name in environment.config.hosts:
        for service in services:
            source = Source(f"{service}@{name}" if many else service, environment.hosts[name], redact, tail)
            if environment.config.stack.kind == "process":
                path = f"{service_dir(environment.directory, service)}/{LOG}"
                logs.append(_Log(follow_file, source, path))
            else:
                logs.append(_Log(follow_container, source, _container_of(environment, name, service)))
    return logs


def _container_of(environment: Environment, name: str, service: str) -> Callable[[], str | None]:
    def current() -> str | None:
        one = environment.stack.live(environment.hosts[name]).service(service)
        return one.container if one is not None and one.state not in ("absent", "created") else None

    return current
