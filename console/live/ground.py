"""What every part of a session stands on: places, store, profile, keyring, redactor, bound environments, the audit.

Each is made when it is first needed, so that a session costs nothing until then.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from console.answers import AskFailed, Happening
from console.watch.views import State

if TYPE_CHECKING:
    from console.environment import Environment
    from console.hosts.base import Host
    from console.hosts.config import HostConfig
    from console.live.keys import Keys
    from console.runs.client import Runs
    from console.session import Listener
    from console.store.database import Database
    from console.store.places import Places
    from console.store.records import Record, Records
    from console.text.redact import Redactor
    from console.timing import Timing
    from profiles.models import Profile

AUDIT = "audit"


class Ground:
    """One profile on one user's store."""

    def __init__(self, profile: str | None, variables: Mapping[str, str] | None, timing: Timing | None = None) -> None:
        self.name = profile
        self._timing = timing
        self.listener: Listener | None = None
        self.environments: dict[str, Environment] = {}
        self._variables = variables
        self._lock = threading.RLock()
        self._places: Places | None = None
        self._database: Database | None = None
        self._records: Records | None = None
        self._profile: Profile | None = None
        self._untrusted: Profile | None = None
        self._keys: Keys | None = None
        self._redactor: Redactor | None = None

    @property
    def places(self) -> Places:
        """This user's directories. Raises PlaceUnusable."""
        with self._lock:
            if self._places is None:
                from console.store.places import places

                self._places = places()
            return self._places

    @property
    def timing(self) -> Timing:
        """Every duration that is waited for."""
        if self._timing is None:
            from console.timing import DEFAULT

            self._timing = DEFAULT
        return self._timing

    @property
    def database(self) -> Database:
        """The store's file. Raises StoreUnusable when it is used."""
        with self._lock:
            if self._database is None:
                from console.store.database import Database

                self._database = Database(self.places.database)
            return self._database

    @property
    def records(self) -> Records:
        """The store. Raises StoreUnusable when it is used."""
        with self._lock:
            if self._records is None:
                from console.store.records import Records

                self._records = Records(self.database)
            return self._records

    @property
    def loaded(self) -> bool:
        """Whether the profile has been read and is trusted."""
        return self._profile is not None

    @property
    def profile(self) -> Profile:
        """The profile. Raises AskFailed before `load`."""
        if self._profile is None:
            raise AskFailed("The profile has not been read yet.")
        return self._profile

    @property
    def redactor(self) -> Redactor:
        """What stands before every sink of this session."""
        if self._redactor is not None:
            return self._redactor  # asked for on the console's own loop too, where nothing may be waited for
        with self._lock:
            if self._redactor is None:
                from console.text.redact import Redactor

                self._redactor = Redactor()
            return self._redactor

    @property
    def keys(self) -> Keys:
        """The credentials."""
        with self._lock:
            if self._keys is None:
                from console.live.keys import Keys

                self._keys = Keys(self.profile, self.places.keyring, self.redactor)
            return self._keys

    @property
    def known_runs(self) -> Runs:
        """The runs of the store and of the hosts."""
        from console.runs.client import Runs

        return Runs(self.records, self.places)

    def who(self) -> str:
        """`name@machine` of the person who asks."""
        from console.runs.create import who_am_i

        return who_am_i()

    # -- the profile -----------------------------------------------------------------------------------------------

    def load(self) -> Profile:
        """Read the profile. Raises NoProfile, NotTrusted, AskFailed."""
        from console.live.open import check_trust, find, load

        found = find(self.name, self.places.config)
        profile = load(found, self._variables)
        self._untrusted = profile
        check_trust(found, profile, self.records)
        self._profile, self._untrusted = profile, None
        if profile.keyring == "demo":
            self._demo_login()
        return profile

    def _demo_login(self) -> None:
        """The demo's own password goes where credentials are, so that its smoke tests run like any other's."""
        from console.demo.control import DemoSystem
        from console.text.secret import Secret

        file = DemoSystem().password_file
        if file.exists() and "demo-login" in self.profile.credentials:
            wanted = file.read_text(encoding="utf-8").splitlines()[0]
            credentials = self.keys.credentials()
            if not credentials.has("demo-login") or credentials.get("demo-login").reveal() != wanted:
                credentials.set("demo-login", Secret(wanted), meta={"where": "made by the demo"})

    def trust_profile(self) -> None:
        """Remember this profile's digest as trusted, after a person said so."""
        from console.live.open import trust_key

        profile = self._untrusted or self._profile
        if profile is None or profile.source is None:
            raise AskFailed("There is no profile to trust.")
        self.records.remember(trust_key(profile.source.digest), {"by": self.who()})
        self.record("profile.trusted", {"path": profile.source.path, "digest": profile.source.digest})

    def remember_profile(self) -> str:
        """Keep the profile as it is now for a runner; the key it is kept under."""
        from console.store.records import digest_of

        body = self.profile.dumped()
        key = f"profile:{digest_of(body)}"
        if self.records.remembered(key) is None:
            self.records.remember(key, body)
        return key

    # -- environments and hosts ------------------------------------------------------------------------------------

    def bound(self, name: str) -> Environment:
        """An environment with its hosts. Raises AskFailed for a name that is not there, with the nearest."""
        with self._lock:
            if name not in self.environments:
                from console.environment import bind

                if name not in self.profile.environments:
                    known = ", ".join(self.profile.environments)
                    raise AskFailed(
                        f"There is no environment {name} in {self.profile.title or self.profile.system}."
                        + _meant(name, self.profile.environments),
                        (f"there are: {known}",),
                    )
                self.environments[name] = bind(
                    self.profile,
                    name,
                    secrets=self.keys.get,
                    timing=self.timing,
                    fingerprints=self.keys.fingerprint,
                )
            return self.environments[name]

    def host(self, name: str) -> Host:
        """Any host of the profile. Raises AskFailed."""
        self._known_host(name)
        return self.bound(next(iter(self.profile.environments))).hosts[name]

    def another_host(self, name: str) -> Host:
        """The same host with a connection of its own, which whoever asks for it closes. Raises AskFailed."""
        from console.environment import make_host

        self._known_host(name)
        return make_host(self.profile, self.profile.hosts[name], self.keys.get, self.timing)

    def host_config(self, name: str) -> HostConfig:
        """How the profile says that a host is reached. Raises AskFailed."""
        from console.environment import host_config

        self._known_host(name)
        return host_config(self.profile, self.profile.hosts[name])

    def _known_host(self, name: str) -> None:
        hosts = self.profile.hosts
        if name not in hosts:
            raise AskFailed(f"There is no host {name}." + _meant(name, hosts), (f"there are: {', '.join(hosts)}",))

    # -- telling and recording -------------------------------------------------------------------------------------

    def tell(self, text: str, tone: State = "warn") -> None:
        """Tell the person at the console, if there is one."""
        if self.listener is not None:
            self.listener.happened(Happening(self.redactor.text(text), tone, time.time()))

    def record(self, kind: str, body: Mapping[str, Any]) -> Record:
        """Write to the audit. Raises StoreUnusable."""
        from console.runs.audit import note

        return note(self.records, kind, self.redactor.data({"who": self.who(), **body}))

    def give_up(self) -> None:
        """Wait for no host any more. Returns at once."""
        for environment in list(self.environments.values()):
            environment.give_up()

    def close(self) -> None:
        """Close connections and store. What is detached goes on."""
        for environment in list(self.environments.values()):
            environment.close()
        with self._lock:
            database, self._database, self._records = self._database, None, None
        if database is not None:
            database.close()


def _meant(name: str, known: Mapping[str, object]) -> str:
    from profiles.base import nearest

    near = nearest(name, known)
    return f" Did you mean {near}?" if near else ""
