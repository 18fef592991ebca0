"""Looks at an environment's hosts again and again: services, releases, lock. One thread a host, so that a dead one
holds up nobody. The environment files are looked at beside that: what keeps this waiting, or breaks it, hides nothing
of what is live.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from console.hosts.base import HostError
from console.text.sanitise import clean
from console.watch.looks import environment_view
from console.watch.views import EnvironmentView, LockView

if TYPE_CHECKING:
    from console.environment import Environment
    from console.stacks.base import Live
    from console.stacks.release import Release

Publish = Callable[[EnvironmentView], None]
ReadLock = Callable[["Environment", str], LockView | None]
"""Reads the lock on a host (by name): None if nobody holds it. Raises HostError."""
ReadDrift = Callable[["Environment", str], tuple[str, ...]]
"""What differs in the environment files of a host, as sentences. Raises HostError, StackError."""
RELEASES_EVERY_S = 60.0
"""Releases and environment files are read again so often, and at once when something else is live than before."""
DRIFT_S, DRIFT_ONCE_S = 2.0, 15.0
"""How long a look waits for what differs in environment files: one of many, and one that comes alone."""


@dataclass
class _Shared:
    """What the threads of one environment have found so far."""

    lives: dict[str, Live] = field(default_factory=dict)
    """What each host gave last; a host in `problems` does not answer now."""
    problems: dict[str, str] = field(default_factory=dict)
    seen_at: float = 0.0
    """When a host answered last, unix seconds."""
    releases: dict[str, tuple[Release, ...]] = field(default_factory=dict)
    locks: dict[str, LockView | None] = field(default_factory=dict)
    """Who holds the lock on each host: a run that left the first one out holds none there."""
    drift: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What differs in the environment files of each host, or why that is not known."""
    late: bool = False
    """Whether a host is behind: its end is in the releases of any host, so they are read at every look meanwhile."""
    mutex: threading.Lock = field(default_factory=threading.Lock)


def watch_services(
    environment: Environment,
    publish: Publish,
    read_lock: ReadLock,
    stop: threading.Event,
    *,
    every_s: float = 5.0,
    read_drift: ReadDrift = lambda environment, host: (),
) -> list[threading.Thread]:
    """Start the threads; they publish a whole view after each look until `stop`."""
    shared = _Shared()
    threads = []
    for name in environment.config.hosts:
        thread = threading.Thread(
            target=_host_loop,
            args=(environment, name, shared, publish, read_lock, stop, every_s, read_drift),
            name=f"services {environment.name} {name}",
            daemon=True,
        )
        thread.start()
        threads.append(thread)
    return threads


def _host_loop(
    environment: Environment,
    name: str,
    shared: _Shared,
    publish: Publish,
    read_lock: ReadLock,
    stop: threading.Event,
    every_s: float,
    read_drift: ReadDrift,
) -> None:
    releases_at, seen = 0.0, ""
    drift = _Drift(lambda: read_drift(environment, name), f"drift {environment.name} {name}")
    while not stop.is_set():
        began = time.monotonic()
        try:
            before = seen
            live, releases, releases_at, seen = _look(environment, name, shared, releases_at, seen)
            lock = read_lock(environment, name)
        except _look_errors() as error:
            releases_at = 0.0
            with shared.mutex:
                shared.problems[name] = clean(str(error))
        else:
            differs = drift.told(again=seen != before)
            with shared.mutex:
                shared.lives[name] = live
                shared.seen_at = time.time()
                shared.problems.pop(name, None)
                shared.releases[name] = releases
                shared.locks[name] = lock
                shared.drift[name] = differs
        if not stop.is_set():
            publish(_view(environment, shared))
        stop.wait(max(min(0.5, every_s), every_s - (time.monotonic() - began)))


class _Drift:
    """What differs in the environment files of one host, asked in threads of its own.

    The keyring is asked for it as well, which may wait for a person for as long as it likes.
    """

    def __init__(self, ask: Callable[[], tuple[str, ...]], name: str) -> None:
        self._ask, self._name = ask, name
        self._asked_at = 0.0
        self._since = ""
        self._thread: threading.Thread | None = None
        self._said: tuple[str, ...] = ()

    def told(self, *, again: bool = False, wait_s: float = DRIFT_S) -> tuple[str, ...]:
        """What is known. Asked again once a minute, or now if `again`; waited for only a moment."""
        busy = self._thread is not None and self._thread.is_alive()
        if not busy and (again or not self._asked_at or time.monotonic() - self._asked_at > RELEASES_EVERY_S):
            self._asked_at, self._since = time.monotonic(), time.strftime("%H:%M:%S")
            self._thread = threading.Thread(target=self._look, name=self._name, daemon=True)
            self._thread.start()
            self._thread.join(wait_s)
            busy = self._thread.is_alive()
        if busy:
            return (f"its environment files are not compared yet: no answer since {self._since}.",)
        return self._said

    def _look(self) -> None:
        try:
            self._said = self._ask()
        except _look_errors() as error:
            self._said = (f"whether its environment files are what they should be is not known: {error}",)
            self._asked_at = 0.0  # asked again at the next look


def _look_errors() -> tuple[type[Exception], ...]:
    """What a look may end with: each carries a sentence. The clients are imported by the look itself."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    from console.credentials.errors import CredentialError
    from console.stacks.base import StackError

    # CredentialError: the passphrase of a key lies in a keyring that is still locked.
    # ValueError: a host or an engine that answers what cannot be read. Without it the thread would end unseen.
    return (HostError, StackError, CredentialError, OSError, ValueError, LookupError, DockerException, RequestException)


def _look(
    environment: Environment, name: str, shared: _Shared, releases_at: float, seen: str
) -> tuple[Live, tuple[Release, ...], float, str]:
    from console.stacks.release import place, read_releases

    host = environment.hosts[name]
    live = environment.stack.live(host)
    now = time.monotonic()
    runs = repr((sorted(live.images.items()), sorted(one.container for one in live.services)))
    releases = shared.releases.get(name, ())
    if runs != seen or now - releases_at > RELEASES_EVERY_S or not releases_at or shared.late:
        releases = read_releases(host, environment.config.state_directory)
        releases_at = now
    return place(live, releases), releases, releases_at, runs


def look_once(
    environment: Environment, read_lock: ReadLock, read_drift: ReadDrift = lambda environment, host: ()
) -> EnvironmentView:
    """One look at every host of an environment, side by side, and the view of it."""
    from concurrent.futures import ThreadPoolExecutor

    shared = _Shared()

    def one(name: str) -> None:
        try:
            live, releases, _, _ = _look(environment, name, shared, 0.0, "")
            lock = read_lock(environment, name)
        except _look_errors() as error:
            with shared.mutex:
                shared.problems[name] = clean(str(error))
            return
        drift = _Drift(lambda: read_drift(environment, name), f"drift {environment.name} {name}")
        differs = drift.told(wait_s=DRIFT_ONCE_S)
        with shared.mutex:
            shared.lives[name], shared.releases[name], shared.locks[name] = live, releases, lock
            shared.seen_at = time.time()
            shared.drift[name] = differs

    names = environment.config.hosts
    with ThreadPoolExecutor(max_workers=min(8, len(names))) as pool:
        list(pool.map(one, names))
    return _view(environment, shared)


def _view(environment: Environment, shared: _Shared) -> EnvironmentView:
    from console.stacks.behind import behind, not_taken_back

    names = environment.config.hosts
    with shared.mutex:
        releases = [release for releases in shared.releases.values() for release in releases]
        lives = {name: live.release for name, live in shared.lives.items()}
        late = behind(names, shared.releases, lives)
        shared.late = bool(late)
        answering = [name for name in names if name not in shared.problems] or list(names)
        return environment_view(
            environment.config,
            lives=dict(shared.lives),
            problems=dict(shared.problems),
            addresses={name: environment.hosts[name].address for name in environment.config.hosts},
            releases=releases,
            lock=next((lock for name in answering if (lock := shared.locks.get(name)) is not None), None),
            at=shared.seen_at,
            behind={**not_taken_back(shared.releases, lives), **{one.host: one.shown(releases) for one in late}},
            drift=dict(shared.drift),
        )
