"""Hosts that are connected to ahead, while a program is imported or somebody plans and confirms.

Nothing is asked of them, and nothing said of one that does not answer: who needs it tries anew, and says it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from console.credentials.errors import KeyringLocked
from console.hosts.base import HostError

if TYPE_CHECKING:
    from console.environment import Environment, Secrets
    from console.store.records import Records
    from profiles.models import Profile


class Likely(NamedTuple):
    """What a run that is about to be made will be of."""

    profile: str
    """The key under which the store keeps its profile."""
    environment: str


class Reaching:
    """Connects to the hosts of an environment, each in a thread of its own."""

    def __init__(self, environment: Environment) -> None:
        self.failed = False
        """Whether one of them was not reached."""
        for name in environment.hosts:
            # Who needs a passphrase of the keyring may have to ask a person for the keyring's own.
            if not _wants_a_passphrase(environment.profile, (name,)):
                work = threading.Thread(target=self._reach, args=(environment, name), name=f"reach {name}", daemon=True)
                work.start()

    def _reach(self, environment: Environment, name: str) -> None:
        try:
            environment.hosts[name].agents()
        except HostError:
            self.failed = True


def _wants_a_passphrase(profile: Profile, names: Iterable[str]) -> bool:
    hosts = [profile.hosts[name] for name in names]
    return any(host.passphrase is not None or _wants_a_passphrase(profile, host.jump) for host in hosts)


class Late:
    """Credentials, or their fingerprints, of an environment that is bound before they can be had."""

    def __init__(self) -> None:
        self.secrets: Secrets | None = None

    def __call__(self, name: str) -> str:
        """See `environment.Secrets`. Raises KeyringLocked as long as there are none."""
        if self.secrets is None:
            raise KeyringLocked(f"The credential {name} is not there yet: this runner does not know its run.")
        return self.secrets(name)


class Ahead:
    """An environment that a run is likely to be of, its hosts being connected to."""

    def __init__(self, records: Records, likely: Likely) -> None:
        """Raises KeyError, ValueError, StoreUnusable for a profile or an environment that is not there."""
        from console.environment import bind
        from profiles.models import Profile

        self._key = likely.profile
        self._secrets, self._fingerprints = Late(), Late()
        profile = Profile.model_validate(records.remembered(likely.profile))
        self._environment = bind(
            profile, likely.environment, secrets=self._secrets, fingerprints=self._fingerprints, unattended=True
        )
        self._reaching = Reaching(self._environment)

    def take(self, profile: str, environment: str, secrets: Secrets, fingerprints: Secrets) -> Environment | None:
        """The environment with its connections, if it is this one, and its hosts were reached as far as is known."""
        if self._reaching.failed or (profile, environment) != (self._key, self._environment.name):
            self.close()
            return None
        self._secrets.secrets, self._fingerprints.secrets = secrets, fingerprints
        return self._environment

    def close(self) -> None:
        """Let go of the connections."""
        self._environment.close()
