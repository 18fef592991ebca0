"""One environment of a profile, bound to its hosts, stack, feeds and credentials.

A value that is carried by every screen, action and run; never a global. Binding connects to nothing: hosts connect when
they are first used, clients are imported when they are first made.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from console.credentials.errors import CredentialError, CredentialMissing
from console.text.secret import LABELS, Label, labelled
from console.timing import DEFAULT, Timing

if TYPE_CHECKING:
    from console.hosts.base import Host
    from console.hosts.command import InputSecret
    from console.hosts.config import HostConfig
    from console.stacks.base import Stack
    from profiles.models import Environment as EnvironmentConfig
    from profiles.models import Host as HostEntry
    from profiles.models import Profile

Secrets = Callable[[str], str]
"""Gives a credential's value by its name. Raises what the keyring raises, with a sentence."""


class FieldMissing(KeyError):
    """A credential has no such field, or is no JSON object. A sentence that names it."""

    exit_code = 4

    def __str__(self) -> str:
        return str(self.args[0])


def field_of(name: str, value: str, field: str) -> str:
    """One field of a credential's value, which is a JSON object. Raises FieldMissing."""
    import json

    try:
        document = json.loads(value)
    except ValueError as error:
        raise FieldMissing(f"The credential {name} has no fields: its value is no JSON object.") from error
    if not isinstance(document, dict) or field not in document:
        raise FieldMissing(f"The credential {name} has no field {field}.")
    return str(document[field])


def value_of(secret: Secrets, one: InputSecret) -> str:
    """What a command's input names: the value, or its field; "" where it is missing and may be.

    Raises what `secret` raises, FieldMissing.
    """
    try:
        value = secret(one.credential)
    except CredentialMissing:
        from console.hosts.command import TemplateSecret

        if isinstance(one, TemplateSecret) and one.missing == "empty":
            return ""
        raise
    return value if one.field is None else field_of(one.credential, value, one.field)


class Hosts(Mapping[str, "Host"]):
    """The hosts of a profile by name, each made when first asked for; an environment's own come first, in order.

    `via` may name any host of the profile, so that all of them can be looked up; iterating gives the environment's own.
    """

    def __init__(self, own: tuple[str, ...], make: Callable[[str], Host], known: Mapping[str, HostEntry]) -> None:
        self._own = own
        self._make = make
        self._known = known
        self._made: dict[str, Host] = {}
        self._lock = threading.Lock()
        self._given_up = False

    def __getitem__(self, name: str) -> Host:
        if name not in self._known:
            from console.hosts.base import NoSuchHost

            raise NoSuchHost(name)
        with self._lock:
            if name not in self._made:
                self._made[name] = self._make(name)
                if self._given_up:
                    self._made[name].give_up()
            return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)

    def close(self) -> None:
        """Close every connection that was made."""
        with self._lock:
            made = list(self._made.values())
            self._made.clear()
        for host in made:
            host.close()

    def give_up(self) -> None:
        """Nothing waits for any of them from now on. Returns at once, from any thread."""
        with self._lock:
            self._given_up = True
            made = list(self._made.values())
        for host in made:
            threading.Thread(target=host.give_up, daemon=True).start()  # closing one may wait for it


class _Some(Mapping[str, "Host"]):
    """Iterates over some of the hosts of a mapping; looks all of them up."""

    def __init__(self, hosts: Mapping[str, Host], own: tuple[str, ...]) -> None:
        self._hosts = hosts
        self._own = own

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)

    def close(self) -> None:
        """The connections are those of the whole environment, which closes them."""

    def give_up(self) -> None:
        """The same."""


class Environment:
    """One place where the system runs, with all that is needed to look at it and to change it."""

    def __init__(
        self,
        profile: Profile,
        config: EnvironmentConfig,
        hosts: Hosts,
        secrets: Secrets,
        timing: Timing,
        fingerprints: Secrets = lambda name: "",
        *,
        unattended: bool = False,
    ) -> None:
        self.profile = profile
        self.config = config
        self.hosts = hosts
        self.timing = timing
        self._secrets = secrets
        self._fingerprints = fingerprints
        self._unattended = unattended
        self._stack: Stack | None = None
        self.left_out: tuple[str, ...] = ()
        """Hosts that do not take part because somebody left them out by name."""

    @property
    def name(self) -> str:
        """Its name in the profile."""
        return self.config.name

    @property
    def title(self) -> str:
        """What people call it."""
        return self.config.title or self.config.name

    @property
    def production(self) -> bool:
        """Whether a change needs its name typed."""
        return self.config.production

    @property
    def directory(self) -> str:
        """The deploy directory on its hosts; `.quarterdeck` lies in it."""
        return self.config.directory

    @property
    def first_host(self) -> Host:
        """The host whose lock proves who owns the environment."""
        return self.hosts[self.config.hosts[0]]

    @property
    def stack(self) -> Stack:
        """How its services run."""
        if self._stack is None:
            from console.stacks.base import stack_of
            from console.stacks.binding import spec_of

            self._stack = stack_of(spec_of(self.config, self.profile.hosts))
        return self._stack

    def secret(self, name: str) -> str:
        """A credential's value. Raises CredentialMissing, KeyringLocked."""
        return self._secrets(name)

    def passphrase(self, name: str) -> str:
        """The passphrase of a key, for a login that is not one of `hosts`. Raises as theirs do; see `bind`."""
        return _passphrases(self._secrets, self._unattended)(name)

    def secret_field(self, name: str, field: str | None) -> str:
        """A credential's value, or one field of it where the value is a JSON object. Raises FieldMissing."""
        value = self._secrets(name)
        return value if field is None else field_of(name, value, field)

    def value(self, one: InputSecret) -> str:
        """What a command's input names; "" where it may be missing. Raises as `secret` does, FieldMissing."""
        return value_of(self._secrets, one)

    def fingerprint(self, name: str) -> str:
        """The keyed fingerprint of a credential's value, which may be shown and kept; "" where there is none to be had.

        Raises CredentialMissing, KeyringLocked.
        """
        return self._fingerprints(name)

    def fingerprints(self, name: str) -> dict[Label, str]:
        """Label to keyed fingerprint of every value of a credential. Raises KeyringLocked, KeyringRefused."""
        found: dict[Label, str] = {}
        for label in LABELS:
            with suppress(CredentialMissing):
                found[label] = self._fingerprints(labelled(name, label))
        return {label: fingerprint for label, fingerprint in found.items() if fingerprint}

    def without(self, names: Collection[str]) -> Environment:
        """The same environment over the same connections, of the hosts that are left. It is not closed by itself.

        Raises ValueError where none would be left.
        """
        if not names:
            return self
        kept = tuple(name for name in self.config.hosts if name not in names)
        if not kept:
            raise ValueError(f"no host of {self.name} would be left")
        twin = copy.copy(self)
        twin.left_out = tuple(name for name in self.config.hosts if name in names)
        twin.config = self.config.model_copy(update={"hosts": kept})
        some: Any = _Some(self.hosts, kept)
        twin.hosts = some
        twin._stack = None
        return twin

    def other(self, name: str) -> Environment:
        """Another environment of the same profile, for reading; the caller closes it. Raises KeyError."""
        return bind(
            self.profile,
            name,
            secrets=self._secrets,
            timing=self.timing,
            fingerprints=self._fingerprints,
            unattended=self._unattended,
        )

    def host_config(self, name: str) -> HostConfig:
        """How a host of the profile is reached. Raises KeyError."""
        return host_config(self.profile, self.profile.hosts[name])

    def close(self) -> None:
        """Close its connections. What is detached on the hosts goes on."""
        self.hosts.close()

    def give_up(self) -> None:
        """Wait for none of its hosts any more: whoever does is told at once. For who is leaving."""
        self.hosts.give_up()


def bind(
    profile: Profile,
    name: str,
    *,
    secrets: Secrets,
    timing: Timing = DEFAULT,
    fingerprints: Secrets = lambda name: "",
    unattended: bool = False,
) -> Environment:
    """The environment `name` of the profile. Connects to nothing. Raises KeyError for a name that is not there.

    `fingerprints`: gives a credential's keyed fingerprint by its name. `unattended`: nobody is there who could unlock
    the keyring, so a host whose key has its passphrase there refuses the login, as it does where the key is gone.
    """
    config = profile.environments[name]
    passphrases = _passphrases(secrets, unattended)

    def make(host: str) -> Host:
        return make_host(profile, profile.hosts[host], passphrases, timing)

    hosts = Hosts(tuple(config.hosts), make, profile.hosts)
    return Environment(profile, config, hosts, secrets, timing, fingerprints, unattended=unattended)


def _passphrases(secrets: Secrets, unattended: bool) -> Secrets:
    return refusing(secrets) if unattended else secrets


def refusing(secrets: Secrets) -> Secrets:
    """The same for the passphrases of keys: one that is not to be had is a login that is refused (HostRefused)."""

    def passphrase(name: str) -> str:
        try:
            return secrets(name)
        except CredentialError as error:
            from console.hosts.base import HostRefused

            said = f"Nobody logs in there, since the passphrase of a key is not to be had. {error}"
            raise HostRefused("", said) from error

    return passphrase


def host_config(profile: Profile, entry: HostEntry) -> HostConfig:
    """How the profile says that a host is reached."""
    from console.hosts.config import HostConfig

    return HostConfig(
        name=entry.name,
        address=entry.destination,
        user=entry.user,
        port=entry.port,
        jump=tuple(host_config(profile, profile.hosts[name]) for name in entry.jump),
        identity=entry.identity,
        passphrase=entry.passphrase.secret if entry.passphrase is not None else None,
        docker_socket=entry.docker_socket,
        ssh_config=entry.ssh_config,
        known_hosts=entry.known_hosts,
        local=entry.local,
    )


def make_host(profile: Profile, entry: HostEntry, secrets: Secrets, timing: Timing) -> Host:
    """The host that an entry of the profile describes. Connects to nothing."""
    if entry.local:
        from console.hosts.local import LocalHost

        return LocalHost(entry.name, timing, docker_socket=entry.docker_socket)
    from console.hosts.ssh import SshHost

    return SshHost(host_config(profile, entry), timing, passphrase_for=secrets)
