"""Following the logs of an environment's services, from containers or files, for as long as somebody looks.

One thread a service. A stream that ends (restart, recreate, lost host) is found again by what runs now, resumed at the
last time stamp, and a line in the log says that it was away: silence is not health. Lines go to a sink in batches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from console.credentials.errors import CredentialError
from console.feeds.docker_logs import LogsUnreadable, Position, Reader, stream
from console.feeds.lines import NOTICE, LogLine, epoch_of, level_of, own_time_of
from console.hosts.base import Host, HostError
from console.hosts.command import Command
from console.stacks.base import StackError
from console.text.sanitise import Sanitiser, clean

Sink = Callable[[list[LogLine]], None]
AGAIN_S = 2.0
"""Pause before a stream that ended is looked for again."""
FILE_DEADLINE_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Source:
    """What one follower needs to know."""

    service: str
    host: Host
    redact: Callable[[str], str]
    tail: int = 500


def notice(source: str, text: str) -> LogLine:
    """A line of our own in somebody's log: about the stream, not of it."""
    return LogLine(None, source, f"{NOTICE}{text}", "warn")


def follow_container(source: Source, container: Callable[[], str | None], sink: Sink, stop: threading.Event) -> None:
    """Follow one service's container until `stop`. `container` gives the id of what runs now; None: nothing does.

    `container` is asked again whenever the stream ends; it may raise HostError, StackError. Of a container that takes
    the place of one that was followed, nothing is left out: it is read from its beginning, not from its tail.
    """
    followed, reader, away = "", Reader(source.service, source.redact), ""
    while not stop.is_set():
        try:
            current = container()
            if current is None:
                away = _once(sink, source.service, away, f"no container of {source.service} on {source.host.name}")
            else:
                inspected = source.host.docker().inspect_container(current)
                if current != followed:
                    begin = _later(reader.position, str(inspected.get("Created", ""))) if followed else Position()
                    followed, reader = current, Reader(source.service, source.redact, begin)
                tty = bool((inspected.get("Config") or {}).get("Tty"))
                for raw in stream(
                    source.host.engine_socket,
                    current,
                    tty=tty,
                    position=reader.position,
                    tail=source.tail,
                    stop=stop,
                ):
                    if away:
                        sink([notice(source.service, f"reading {source.service} again")])
                        away = ""
                    if raw and (lines := reader.take(raw)):
                        sink(lines)
                reader = Reader(source.service, source.redact, reader.position)
        except _engine_errors() as error:  # before OSError, which some of them are
            from console.hosts.docker_api import engine_error

            reader = Reader(source.service, source.redact, reader.position)
            said = engine_error(source.host.name, f"about the container of {source.service}", error)
            away = _once(sink, source.service, away, clean(str(said)))
        except (HostError, StackError, CredentialError, OSError, LogsUnreadable) as error:
            reader = Reader(source.service, source.redact, reader.position)
            away = _once(sink, source.service, away, clean(str(error)))
        stop.wait(AGAIN_S)


def _later(position: Position, created: str) -> Position:
    """Where to begin in a container that was created at `created`, when another was read as far as `position`."""
    made, seen = epoch_of(created), epoch_of(position.stamp)
    if made is None or (seen is not None and seen >= made):
        return position
    return Position(created, 0)


def _engine_errors() -> tuple[type[Exception], ...]:
    """The docker package's own errors; imported only while a container is followed."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    return (DockerException, RequestException)


def _once(sink: Sink, source: str, said: str, text: str) -> str:
    """Say why the stream is away, once for each reason."""
    if text != said:
        sink([notice(source, text)])
    return text


def follow_file(source: Source, path: str, sink: Sink, stop: threading.Event) -> None:
    """Follow one file on the host until `stop`, over rotation and truncation (`tail -F` there).

    Files have no time stamps to resume at: what is written while the host is away is left out, and a line says so.
    """
    away, tail = "", source.tail
    while not stop.is_set():
        sanitiser = Sanitiser()

        def take(kind: str, data: bytes, sanitiser: Sanitiser = sanitiser) -> None:
            nonlocal away
            if kind != "out":
                return
            if away:
                text = f"reading {source.service} again; what was written meanwhile is not shown"
                sink([notice(source.service, text)])
                away = ""
            lines = [source.redact(text) for text in sanitiser.feed(data)]
            if lines:
                sink([LogLine(own_time_of(text), source.service, text, level_of(text)) for text in lines])

        command = Command(argv=("tail", "-n", str(tail), "-F", path), deadline_s=FILE_DEADLINE_S, ok=(0, 1))
        try:
            source.host.run(command, on_output=take, cancel=stop)
        except (HostError, CredentialError) as error:
            away = _once(sink, source.service, away, clean(str(error)))
        else:
            away = ""
        tail = 0
        stop.wait(AGAIN_S)


def find_line(
    host: Host, container: str, text: str, since: str, *, stop: threading.Event, left_s: Callable[[], float]
) -> str | None:
    """The first line of the container's log since its start `since` (RFC 3339, UTC) that holds `text`, or None.

    Waits for it until `left_s` is used up, the container stops, or `stop`. Only lines of this start count: an older
    start's line would match as well. Raises HostError, OSError, LogsUnreadable.
    """
    tty = bool(host.docker().inspect_container(container)["Config"].get("Tty"))
    reader = Reader("", lambda line: line, Position(since, 0))
    for raw in stream(
        host.engine_socket,
        container,
        tty=tty,
        position=reader.position,
        stop=stop,
        silence_s=min(2.0, max(0.1, left_s())),
    ):
        for line in reader.take(raw):
            if text in line.text:
                return line.text
        if left_s() <= 0:
            return None
    return None
