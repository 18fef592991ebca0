"""Starts a follower for every service's log of an environment and stops them together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.environment import Environment
    from console.feeds.follow import Sink

Redact = Callable[[str], str]


def watch_logs(environment: Environment, redact: Redact, sink: Sink, stop: threading.Event) -> list[threading.Thread]:
    """Follow the logs that the profile names (default: every service) until `stop`; lines go to `sink` in batches."""
    from console.feeds.follow import Source, follow_container, follow_file
    from console.stacks.layout import LOG, service_dir

    feed = environment.config.feeds.logs
    threads: list[threading.Thread] = []

    def start(target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=(*args, sink, stop), name="logs", daemon=True)
        thread.start()
        threads.append(thread)

    if feed is not None and feed.kind == "files":
        for file in feed.files:
            for name in (file.host,) if file.host else environment.config.hosts:
                services = (file.service,) if file.service else tuple(environment.config.stack.services)
                for service in services if "{service}" in file.path else services[:1]:
                    path = file.path.replace("{directory}", environment.directory).replace("{service}", service)
                    label = service if "{service}" in file.path or file.service else path.rsplit("/", 1)[-1]
                    start(follow_file, Source(label, environment.hosts[name], redact, feed.tail), path)
        return threads
    tail = feed.tail if feed is not None else 500
    services = (feed.services if feed is not None else ()) or tuple(environment.config.stack.services)
    many = len(environment.config.hosts) > 1
    for name in environment.config.hosts:
        host = environment.hosts[name]
        for service in services:
            source = Source(f"{service}@{name}" if many else service, host, redact, tail)
            if environment.config.stack.kind == "process":
                start(follow_file, source, f"{service_dir(environment.directory, service)}/{LOG}")
            else:
                start(follow_container, source, _container_of(environment, name, service))
    return threads


def _container_of(environment: Environment, name: str, service: str) -> Callable[[], str | None]:
    def current() -> str | None:
        one = environment.stack.live(environment.hosts[name]).service(service)
        return one.container if one is not None and one.state not in ("absent", "created") else None

    return current
