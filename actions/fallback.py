"""What a host goes back to when a change of release is undone. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from actions.site import Site
from console.stacks.base import Ground
from console.stacks.release import Release

Fallback = tuple[Release | None, bool]
"""What a host goes back to: (release, whether it must be recorded first). (None, False): nothing is live there."""


def fallbacks(site: Site, uploads: Mapping[str, str], baseline: str = "") -> dict[str, Fallback]:
    """What each host goes back to. `baseline`: the name of what is recorded first; "": the next of the site."""
    return {ground.host: _fallback(site, ground, baseline or site.next_id, uploads) for ground in site.grounds}


def new_number(site: Site, fallback: Mapping[str, Fallback]) -> str:
    """The id of a new release: above that of what is recorded first."""
    number = site.next_id
    return f"r{int(number[1:]) + 1}" if any(new for _, new in fallback.values()) else number


def _fallback(site: Site, ground: Ground, baseline: str, uploads: Mapping[str, str]) -> Fallback:
    if ground.live.release is not None:
        found = next(one for one in ground.releases if one.id == ground.live.release)
        return found, False
    running = {service: runs for service, runs in ground.live.images.items() if runs}
    ours = {service: runs for service, runs in running.items() if _ours(site, service)}
    if not ours:
        return None, False
    return live_release(site, ground, baseline, ours, uploads), True


def _ours(site: Site, service: str) -> bool:
    """Whether releases decide what this service runs."""
    spec = site.spec.service(service)
    return spec is not None and (site.spec.kind == "process" or bool(spec.image))


def live_release(
    site: Site, ground: Ground, name: str, images: Mapping[str, str], uploads: Mapping[str, str]
) -> Release:
    """A release made of what is live on one host and was recorded by nobody."""
    stack = site.stack
    named = {service: stack.name_for(service, name, runs) for service, runs in sorted(images.items())}
    tags = {stack.version_of(live.image) for service in images if (live := ground.live.service(service)) is not None}
    tag = tags.pop() if len(tags) == 1 else ""
    return Release(
        id=name,
        environment=site.environment,
        candidate=tag or "what was live",
        action="baseline",
        project=getattr(site.spec, "project", site.environment),
        images=named,
        files=stack.stored_files(ground, uploads),
        env_keys=ground.env_keys or (),
        env_fingerprint=ground.env_fingerprint,
        notes="what was live before the console's first run here; nobody verified it",
    )
