"""Is a service up, healthy, and ready? Waiting looks, used by runs and by probes.

Every wait has a deadline, says what it waits for and what it saw last, and ends early when waiting longer cannot help
(the container exited, keeps restarting, or its own health check says unhealthy).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import httpx

from console.feeds.docker_logs import LogsUnreadable
from console.feeds.follow import find_line
from console.hosts.base import Host, HostError, HostRefused, LoginRefused
from console.probes.request import NoAnswer, NotAsked, Request, send
from console.stacks.base import LiveService, Stack, StackError
from console.stacks.layout import LOG, service_dir
from console.stacks.release import short
from console.text.sanitise import clean
from profiles.models import Health

Verdict = Literal["yes", "no", "unknown"]
RESTARTS_HOPELESS = 3
"""A service that was restarted so often since it was first seen will not get healthy by waiting."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How a look may wait: the seconds left, a pause, a cancel, and a voice."""

    left_s: Callable[[], float]
    sleep: Callable[[float], None]
    stop: threading.Event
    say: Callable[[str], None] = lambda text: None
    poll_s: float = 0.5

    def pause(self, whole_s: float) -> None:
        """Wait until the next look; `whole_s`: what was left at the beginning.

        The longer it has been waited, the longer, up to `poll_s`: what is there soon is seen at once, and what takes
        a minute is not asked for ten times a second.
        """
        waited = whole_s - self.left_s()
        self.sleep(min(self.poll_s, max(self.poll_s / 5, waited / 10)))


@dataclass(slots=True)
class Seen:
    """What was seen of services so far, and the answer in the making."""

    verdict: Verdict = "unknown"
    evidence: list[str] = field(default_factory=list)


def wait_healthy(
    stack: Stack,
    host: Host,
    services: Mapping[str, Health],
    wait: Wait,
    *,
    release: str | None = None,
    client: Callable[[], httpx.Client] | None = None,
) -> Seen:
    """Wait until all `services` run on `host` and are healthy, those of `release` if one is given.

    yes: all are. no: one cannot become it any more, or the time is up. unknown: nothing could be seen at the end, or
    the host refuses us. `client`: makes the HTTP client for health of the kind `http`, over the host's connection.
    """
    began, whole, said, lost = time.monotonic(), wait.left_s(), "", ""
    restarts: dict[str, int] = {}
    pending: dict[str, str]
    hopeless: dict[str, str]
    while True:
        try:
            live = stack.live(host)
            lost = ""
            found = {one.service: one for one in live.services}
            pending, hopeless = _look(services, found, release, restarts, client)
        except LoginRefused:  # says nothing of the services: whoever waits has lost its way in
            raise
        except HostRefused as error:  # trying again changes nothing
            return Seen("unknown", [clean(str(error))])
        except (HostError, StackError, NotAsked, OSError) as error:
            lost = clean(str(error))
            pending, hopeless = {"": lost}, {}
        if hopeless:
            return Seen("no", [f"{name}: {why}" if name else why for name, why in hopeless.items()])
        if not pending:
            return Seen("yes", [_healthy(found[name]) for name in services if name in found])
        text = "; ".join(f"{name}: {why}" if name else why for name, why in pending.items())
        if text != said:
            waited = time.monotonic() - began
            wait.say(f"waiting for health on {host.name}{f', after {waited:.0f} s' if waited >= 1 else ''}: {text}")
            said = text
        if wait.stop.is_set():
            return Seen("unknown", [f"cancelled while waiting: {text}"])
        if wait.left_s() <= 0:
            waited = time.monotonic() - began
            if lost:
                return Seen("unknown", [f"not seen for {waited:.0f} s: {lost}"])
            return Seen("no", [f"not healthy after {waited:.0f} s: {text}"])
        wait.pause(whole)


def _healthy(one: LiveService) -> str:
    words = "healthy" if one.health == "healthy" else "running"
    return f"{one.service} {words} since {one.since or 'now'} ({short(one.runs)})"


def _look(
    services: Mapping[str, Health],
    found: Mapping[str, LiveService],
    release: str | None,
    restarts: dict[str, int],
    client: Callable[[], httpx.Client] | None,
) -> tuple[dict[str, str], dict[str, str]]:
    """What is still waited for, and what will never be, each by service with a clause. Raises NotAsked."""
    pending: dict[str, str] = {}
    hopeless: dict[str, str] = {}
    for name, health in services.items():
        one = found.get(name)
        if one is None or one.state in ("absent", "created"):
            pending[name] = "not there yet"
        elif release is not None and one.release != release:
            pending[name] = f"still runs release {one.release or 'unknown'}"
        elif one.state in ("exited", "dead"):
            hopeless[name] = f"{_exited(one)}{_said(one)}"
        elif one.restarts - restarts.setdefault(name, one.restarts) >= RESTARTS_HOPELESS:
            hopeless[name] = f"was restarted {one.restarts - restarts[name]} times while we looked{_said(one)}"
        elif one.state != "running":
            pending[name] = one.state
        elif health.kind == "http":
            if (problem := _asked(health, one, client)) is not None:
                pending[name] = problem
        elif one.health == "unhealthy":
            hopeless[name] = f"its health check says unhealthy{_said(one)}"
        elif health.kind == "container" and one.health in ("starting", "unknown"):
            pending[name] = f"running, its health check says {one.health}"
    return pending, hopeless


def _exited(one: LiveService) -> str:
    """How a service that runs no more ended, in words."""
    return "exited" if one.exit_code is None else f"exited with code {one.exit_code}"


def _said(one: LiveService) -> str:
    return f" ({clean(one.said)[:300]})" if one.said else ""


def _asked(health: Health, one: LiveService, client: Callable[[], httpx.Client] | None) -> str | None:
    port = health.port or next((found for text in one.ports if (found := _port(text)) is not None), None)
    if port is None or client is None:
        return "no port to ask for its health"
    url = f"http://{health.address}:{port}{health.path}"
    try:
        reply = send(client(), Request("GET", url), 5.0)
    except NoAnswer as error:
        return clean(str(error))
    return None if reply.status == health.status else f"{url} answers HTTP {reply.status}, not {health.status}"


def _port(text: str) -> int | None:
    """The port on the host of `8000`, or of `127.0.0.1:8000->80/tcp` as the engine publishes it."""
    word = text.partition("->")[0].rpartition(":")[2]
    return int(word) if word.isdigit() else None


def wait_ready(
    stack: Stack, host: Host, service: str, text: str, wait: Wait, *, directory: str, release: str | None = None
) -> Seen:
    """Wait until the log of `service` holds `text`, in a line written since its present start.

    yes: it does. no: the time is up or the service ended without it. unknown: the log could not be read at the end.
    """
    began, whole = time.monotonic(), wait.left_s()
    restarts: int | None = None
    wait.say(f"waiting for {text!r} in the log of {service} on {host.name}")
    problem = ""
    while True:
        try:
            one = stack.live(host).service(service)
            problem = ""
            ours = one is not None and (release is None or one.release == release)
            if one is not None and ours:
                restarts = one.restarts if restarts is None else restarts
                if one.state in ("exited", "dead"):
                    return Seen("no", [f"{service} {_exited(one)} and did not say {text!r}"])
                if one.restarts - restarts >= RESTARTS_HOPELESS:
                    return Seen(
                        "no", [f"{service} was restarted {one.restarts - restarts} times and never said {text!r}"]
                    )
            if one is not None and ours and one.state == "running" and one.since:
                if stack.spec.kind == "process":
                    line = _in_file(host, f"{service_dir(directory, service)}/{LOG}", text)
                else:
                    line = find_line(host, one.container, text, one.since, stop=wait.stop, left_s=wait.left_s)
                if line is not None:
                    return Seen("yes", [f"{service} said: {clean(line)[:200]}"])
        except LoginRefused:
            raise
        except HostRefused as error:  # trying again changes nothing
            return Seen("unknown", [clean(str(error))])
        except LogsUnreadable as error:
            problem = clean(str(error))
            if not error.gone:
                return Seen("unknown", [f"the log of {service} could not be read: {problem}"])
        except (HostError, StackError, OSError) as error:
            problem = clean(str(error))
        waited = time.monotonic() - began
        if wait.stop.is_set():
            return Seen("unknown", ["cancelled while waiting"])
        if wait.left_s() <= 0:
            if problem:
                return Seen("unknown", [f"the log of {service} could not be read: {problem}"])
            return Seen("no", [f"{service} has not said {text!r} since its start, {waited:.0f} s waited"])
        wait.pause(whole)


def _in_file(host: Host, path: str, text: str) -> str | None:
    data = host.read_file(path)
    lines = (data or b"").decode("utf-8", "replace").splitlines()
    return next((line for line in lines if text in line), None)


def live_is(stack: Stack, host: Host, wanted: Mapping[str, str]) -> Seen:
    """Does each service of `wanted` run what is said there (digest, image id or reference)? `""`: it must not run."""
    try:
        live = stack.live(host)
    except (HostError, StackError, OSError) as error:
        return Seen("unknown", [clean(str(error))])
    wrong = _wrong(live.services, wanted)
    if wrong:
        return Seen("no", wrong)
    return Seen("yes", [f"{name} runs {short(ref) or 'nothing'}" for name, ref in wanted.items()])


def _wrong(services: Sequence[LiveService], wanted: Mapping[str, str]) -> list[str]:
    found = {one.service: one for one in services}
    wrong = []
    for name, ref in wanted.items():
        one = found.get(name)
        here = one is not None and one.state not in ("absent", "created", "exited", "dead")
        if not ref:
            if here and one is not None:
                wrong.append(f"{name} runs {short(one.runs)} and should not run")
        elif one is None or not here:
            wrong.append(f"{name} does not run")
        elif ref not in (one.digest, one.image_id, one.image):
            wrong.append(f"{name} runs {short(one.runs)} and should run {short(ref)}")
    return wrong
