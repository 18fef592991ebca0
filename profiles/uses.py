"""Which credentials an environment uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from profiles.base import secret_names
from profiles.models import Profile

_HOST_KEYS = ("host", "via", "hosts")
"""Where an environment names hosts: its own, and those through which or on which something is asked."""


def used_by(profile: Profile, environment: str) -> frozenset[str]:
    """The credentials that an environment names, and the passphrases of the keys on the way to every host it names."""
    config = profile.environments[environment]
    names = {one.secret for one in secret_names(config)}
    for host in _way(profile, _named(config.model_dump(mode="json"))):
        passphrase = profile.hosts[host].passphrase
        if passphrase is not None:
            names.add(passphrase.secret)
    return frozenset(names)


def _way(profile: Profile, hosts: Iterable[str]) -> set[str]:
    """These hosts, and those that are jumped through to reach them."""
    found: set[str] = set()
    todo = [host for host in hosts if host in profile.hosts]
    while todo:
        host = todo.pop()
        if host not in found:
            found.add(host)
            todo += profile.hosts[host].jump
    return found


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in _HOST_KEYS:
                yield from (inner,) if isinstance(inner, str) else (one for one in inner or () if isinstance(one, str))
            else:
                yield from _named(inner)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one)
