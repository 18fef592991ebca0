"""What is needed to reach one host, as data. `environment.py` makes it from the profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PassphraseFor = Callable[[str], str]
"""Gives the value of a credential by its name. May raise whatever its keyring raises; that is passed on."""


@dataclass(frozen=True, slots=True)
class HostConfig:
    """How a profile says that a host is reached. What is left None is taken from the user's ssh configuration."""

    name: str
    """Its name in the profile."""
    address: str = ""
    """A host name, an address, or an alias of the ssh configuration. Unused for a local host."""
    user: str | None = None
    port: int | None = None
    jump: tuple[str | HostConfig, ...] = ()
    """Hops in order, each `[user@]host[:port]` or a host with settings of its own.

    Empty means what the ssh configuration says (ProxyJump).
    """
    identity: str | None = None
    """Path of a private key. With it, no other key is offered."""
    passphrase: str | None = None
    """Name of the credential that opens `identity`."""
    docker_socket: str = "/var/run/docker.sock"
    ssh_config: str | None = None
    """Path of another ssh configuration file than the user's own."""
    known_hosts: str | None = None
    """Path of the only file of host keys that counts for this host; None: those of the ssh configuration."""
    local: bool = False
