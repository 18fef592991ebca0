"""`quarterdeck wake`: goes on with runs that nobody executes, as far as that needs no person, and says what does.

Works on the store alone: each run brings the profile that it was confirmed with, so that a timer needs no working
directory and nothing that could have changed since.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from console.answers import AskFailed
from console.runs.client import LAST_WAKE, Runs, RunUnknown, looked_key
from console.runs.seen import left_s
from console.runs.unattended import Left, Next, progress, verdict
from console.timing import DEFAULT

if TYPE_CHECKING:
    from console.credentials.unlock import Unlocker
    from console.environment import Environment
    from console.live.keys import Keys
    from console.runs.client import Seen
    from console.store.places import Places
    from console.store.records import Records
    from profiles.models import Profile

LOOK_S = 0.2


class Woken(NamedTuple):
    """A run that nobody executed, and what came of it."""

    run: str
    environment: str
    action: str
    title: str
    since: float
    """When its runner was last heard of, unix seconds."""
    next: Next | None
    """What was done with it; None: a person must decide."""
    why: str
    state: str
    exit_code: int | None
    can: tuple[str, ...]
    profile: str = ""
    """What `-p` takes to name the profile that it was confirmed with; empty where that was in no file."""


class AtWork(Exception):
    """Another `wake` of this store is at work. A sentence."""


@contextmanager
def alone(places: Places) -> Iterator[None]:
    """Nobody else wakes runs of this store meanwhile. Raises AtWork, AskFailed."""
    path = places.state / "wake.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise AskFailed(f"{path} cannot be written: {error.strerror or error}.", exit_code=6) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AtWork("Another `quarterdeck wake` is at work; this one leaves it to that.") from error
        yield
    finally:
        os.close(descriptor)


class Waker:
    """One pass over the runs of a store."""

    def __init__(
        self,
        records: Records,
        places: Places,
        unlocker: Unlocker,
        say: Callable[[str], None],
        grace_s: float = DEFAULT.lease_s,
    ) -> None:
        """`grace_s`: a run that was heard of so lately is being started, most likely."""
        self._records = records
        self._places = places
        self._unlocker = unlocker
        self._say = say
        self._grace_s = grace_s
        self._runs = Runs(records, places)
        self._keys: dict[str, Keys] = {}

    def wake(self, wait_s: float, system: str | None = None) -> list[Woken]:
        """Go on with what can be gone on with, and wait for its end, each at most `wait_s`; what came of each run.

        `system`: only runs of that one. Raises StoreUnusable.
        """
        self._records.remember(LAST_WAKE, {"at": time.time()})
        woken = []
        for run in self._runs.unfinished():
            found = self._one(run, wait_s, system)
            if found is not None:
                woken.append(found)
        return woken

    def _one(self, run: str, wait_s: float, system: str | None) -> Woken | None:
        from console.store.records import ChainBroken

        try:
            seen = self._runs.seen(run)
            body = seen.view.body
            if 0 <= time.time() - seen.heard < self._grace_s:
                return None
            if seen.parked is not None and seen.left_s > 0:
                return None  # it waits for a time, and for nobody
            if not seen.idle or seen.frozen is not None or (system is not None and body.get("system") != system):
                return None
            profile = self._profile(str(body.get("profile", "")))
            if profile is None or seen.view.environment not in profile.environments:
                return self._left(seen, "the store does not hold the profile that it was confirmed with")
            key = str(body["profile"])
            environment = self._bound(profile, key, seen.view.environment)
        except (ChainBroken, RunUnknown) as error:
            return Woken(run, "", "", run, 0.0, None, str(error), "records damaged", None, ())
        try:
            return self._with(run, environment, key, wait_s)
        except ChainBroken as error:
            return self._left(seen, str(error))
        finally:
            environment.close()

    def _with(self, run: str, environment: Environment, profile: str, wait_s: float) -> Woken | None:
        trouble = self._unreachable(environment, self._runs.seen(run))
        if trouble:
            return self._left(self._runs.seen(run), trouble)
        seen = self._runs.seen(run, environment)
        if not seen.idle:  # a colleague has it, or has brought it to its end
            return None
        if seen.parked is not None and seen.left_s > 0:
            return None
        view = seen.view
        known = self._records.remembered(_tries_key(run)) or {}
        tries = int(known.get("tries", 0)) if known.get("progress") == progress(view) else 0
        left = Left(
            heard=seen.heard,
            foreign=seen.foreign,
            elsewhere=bool(seen.there),
            go_on=environment.config.policy.wake == "go-on",
            restarted=seen.rebooted,
            due=view.parked is not None and left_s(view.parked) <= 0,
            tries=tries,
        )
        said = verdict(view, left, time.time())
        if said.next is None:
            return self._left(seen, said.why)
        locked = self._locked(seen, environment) if said.next in ("undo", "go on") else ""
        if locked:
            return self._left(seen, locked)
        self._records.remember(_tries_key(run), {"progress": progress(view), "tries": tries + 1})
        self._audit(run, said.next, said.why)
        self._say(f"{view.title} on {view.environment} ({run}): {_DOING[said.next]}, since {said.why}")
        return self._carried(seen, said.next, said.why, profile, wait_s)

    def _carried(self, seen: Seen, doing: Next, why: str, profile: str, wait_s: float) -> Woken:
        """Start its runner and wait for the end."""
        from console.runs.client import RunnerFailed

        run = seen.view.id
        try:
            self._runs.start_runner(run, self._keys[profile].session_key())
        except RunnerFailed as error:
            return self._left(self._runs.seen(run), str(error))
        ends = time.monotonic() + wait_s
        while self._runs.leases.holder(run) is not None and time.monotonic() < ends:
            now = self._runs.seen(run)
            if now.view.question or now.rests:
                break  # it waits for a person now, and keeps the environment meanwhile; or it is parked
            time.sleep(LOOK_S)
        now = self._runs.seen(run)
        if now.rests and now.holder is not None:
            self._records.remember(_tries_key(run), {"progress": progress(now.view), "tries": 0})
            why = f"{why}; {now.waits}" if now.waits else why
        if now.view.state != "closed" and now.idle:
            why = f"{why}; it stopped again: {(now.view.interrupted or {}).get('why', 'see its output')}"
            return self._left(now, why)
        return self._told(now, doing, why)

    def _unreachable(self, environment: Environment, seen: Seen) -> str:
        """Which host of the run does not let us in now; empty if all do."""
        from console.credentials.errors import CredentialError
        from console.hosts.base import HostError

        for name in seen.view.hosts or environment.hosts:
            try:
                environment.hosts[name].connect()
            except (HostError, CredentialError) as error:
                return str(error)
            except KeyError:
                return f"its profile has no host {name}"
        return ""

    def _locked(self, seen: Seen, environment: Environment) -> str:
        """Why a credential that the run needs is not to be had; empty if all are."""
        from console.credentials.errors import CredentialError

        try:
            for name in seen.view.body["plan"].get("credentials", ()):
                environment.secret(name)
        except CredentialError as error:
            return str(error)
        return ""

    # -- what it stands on -----------------------------------------------------------------------------------------

    def _profile(self, key: str) -> Profile | None:
        from pydantic import ValidationError

        from profiles.models import Profile

        body = self._records.remembered(key)
        try:
            return Profile.model_validate(body) if body is not None else None
        except ValidationError:
            return None  # of a version that this one does not read

    def _bound(self, profile: Profile, key: str, name: str) -> Environment:
        from console.environment import bind
        from console.live.keys import Keys
        from console.text.redact import Redactor

        if key not in self._keys:
            made = Keys(profile, self._places.keyring, Redactor())
            made.ask_by(self._unlocker)
            for other in self._keys.values():  # one passphrase opens them all, and is asked for once
                opened = other.session_key()
                if opened is not None and made.needed:
                    made.take_key(opened)
                    break
            self._keys[key] = made
        return bind(profile, name, secrets=self._keys[key].get)

    def _audit(self, run: str, doing: str, why: str) -> None:
        from console.runs.create import who_am_i

        self._records.append("audit", "woken", {"run": run, "next": doing, "why": why, "who": who_am_i()})

    def _left(self, seen: Seen, why: str) -> Woken:
        """A person must look; that somebody looked is kept."""
        self._records.remember(looked_key(seen.view.id), {"at": time.time(), "why": why})
        return self._told(seen, None, why)

    def _told(self, seen: Seen, doing: Next | None, why: str) -> Woken:
        from console.text.sanitise import clean

        view = seen.view
        profile = self._profile(str(view.body.get("profile", "")))
        source = profile.source if profile is not None else None
        return Woken(
            run=view.id,
            environment=view.environment,
            action=view.action,
            title=clean(view.title),
            since=seen.heard,
            next=doing,
            why=clean(why),
            state=seen.state,
            exit_code=view.exit_code,
            can=seen.can,
            profile=clean(source.builtin or source.path) if source is not None else "",
        )


_DOING: dict[Next, str] = {
    "close": "giving its locks back",
    "undo": "going on with its undo",
    "leave": "closing it as it is",
    "go on": "going on with it",
}


def _tries_key(run: str) -> str:
    return f"woken:{run}"
