"""Proves that a credential works against the thing it is for. Changes nothing there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from console.hosts.base import HostError, HostRefused
from console.probes.look import Found, look
from console.session import AskFailed
from profiles.models import secret_names

if TYPE_CHECKING:
    from console.live.ground import Ground


def check_credential(ground: Ground, name: str) -> Found:
    """Log in where the profile says that this credential is used. Raises AskFailed for one that is not there."""
    profile = ground.profile
    if name not in profile.credentials:
        raise AskFailed(f"This profile names no credential {name}.", (f"it names: {', '.join(profile.credentials)}",))
    ground.keys.get(name)
    for host in profile.hosts.values():
        if host.passphrase is not None and host.passphrase.secret == name:
            return _ssh(ground, host.name)
    for environment in profile.environments.values():
        registry = getattr(environment.stack, "registry", None)
        if registry is not None and registry.password is not None and registry.password.secret == name:
            return _registry(ground, environment.name)
    for environment in profile.environments.values():
        for probe in environment.probes.values():
            if name in {one.secret for one in secret_names(probe)}:
                found = look(ground.bound(environment.name), probe)
                verdict = found.verdict if found.answered else "unknown"
                return Found(verdict, f"probe {probe.name} of {environment.name}: {found.evidence}", found.at)
    for environment in profile.environments.values():
        if name in {one.secret for one in secret_names(environment.smoke)}:
            return Found(
                "unknown",
                f"{name} is used by the smoke tests of {environment.name}; they prove it at each deploy. A probe that "
                "uses it would prove it at any time",
                _now(),
            )
    return Found(
        "unknown",
        f"the profile does not say what {name} could be tried against; it is there. A probe that uses it proves it",
        _now(),
    )


def _now() -> float:
    return time.time()


def _ssh(ground: Ground, host: str) -> Found:
    fresh = ground.another_host(host)  # one that is connected already has logged in with an older value
    try:
        facts = fresh.connect()
    except HostError as error:
        return Found("no" if isinstance(error, HostRefused) else "unknown", str(error), _now())
    finally:
        fresh.close()
    return Found("yes", f"logged in to {host} as {facts.user}", _now())


def _registry(ground: Ground, environment: str) -> Found:
    from console.environment import FieldMissing
    from console.stacks.base import ComposeSpec
    from console.stacks.registry import Registry, RegistryError, parse_reference

    bound = ground.bound(environment)
    spec = bound.stack.spec
    if not isinstance(spec, ComposeSpec) or spec.registry is None:
        return Found("unknown", f"{environment} has no registry", _now())
    registry = spec.registry
    image = next((one.image for one in spec.services if one.image.startswith(registry.host)), "")
    if not image:
        return Found("unknown", f"no image of {environment} comes from {registry.host}", _now())
    reference = parse_reference(image.replace("{release}", "latest"))
    try:
        password = bound.secret_field(registry.credential, registry.field) if registry.credential else None
        with Registry(registry, password, bound.hosts[registry.via] if registry.via else None) as reader:
            tags = reader.tags(reference.path)
    except FieldMissing as error:
        return Found("no", str(error), _now())
    except RegistryError as error:
        return Found("no" if error.refused else "unknown", str(error), _now())
    return Found("yes", f"{registry.host} lists {len(tags)} tags of {reference.repository}", _now())
