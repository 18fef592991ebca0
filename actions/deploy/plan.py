"""The plan of a deploy: a pure function of facts and parameters."""

from __future__ import annotations

from actions.change import Change, labels_for
from actions.deploy.facts import DeployFacts
from actions.deploy.params import DeployParams
from actions.envfiles import forget
from actions.fallback import fallbacks, new_number
from actions.shown import finished, shown_blocks
from actions.site import Site, problems
from console.runs.api import Plan, Refusal
from console.stacks.base import Ground
from console.stacks.release import Release, StoredFile


def plan(facts: DeployFacts, params: DeployParams) -> Plan | Refusal:
    """Everything before the first change that a user notices; the change; the proof; the tidying up."""
    site = facts.site
    refusal = problems(site) or _wrong_services(site, params) or _behind(site, params) or _incomplete(facts, params)
    if refusal is not None:
        return refusal
    images = target_images(facts, params)
    fallback = fallbacks(site, facts.uploads)
    number = new_number(site, fallback)
    target = {ground.host: _target(facts, ground, number, images) for ground in site.grounds}
    if not any(new for _, new in fallback.values()) and (same := _already_live(facts, fallback, target)):
        return same
    change = Change(site, target, fallback, _named(site, params), facts.uploads, settings=facts.settings)
    change.prepare()
    if site.spec.migrations is not None and _migrates(facts, params):
        change.migrate(_schema_shown(facts))
    change.switch()
    change.prune()
    forget(change, facts.settings)
    return finished(
        change,
        action="deploy",
        title=f"Deploy {facts.candidate} to {site.environment}",
        credentials=(*site.login, *site.credentials(), *facts.settings.credentials),
        blocks=shown_blocks(change, _warnings(facts)),
    )


def target_images(facts: DeployFacts, params: DeployParams) -> dict[str, str]:
    """Service to image after the deploy: the candidate's, and, for services that stay, what is live."""
    images = dict(facts.images)
    if params.services:
        images = {name: image for name, image in images.items() if name in params.services}
    live = facts.site.in_front[0].live
    for service in facts.site.spec.services:
        if (
            service.name not in images
            and (one := live.service(service.name)) is not None
            and _released(facts, service.name)
        ):
            images[service.name] = one.runs
    return dict(sorted(images.items()))


def _released(facts: DeployFacts, name: str) -> bool:
    spec = facts.site.spec.service(name)
    return spec is not None and (facts.site.spec.kind == "process" or bool(spec.image))


def _target(facts: DeployFacts, ground: Ground, number: str, images: dict[str, str]) -> Release:
    site = facts.site
    files: tuple[StoredFile, ...] = site.stack.stored_files(ground, facts.uploads)
    labels, live = labels_for(site, number, images, facts.settings), site.release(ground.live.release)
    kept = {name: words for name, words in (live.commands if live is not None else {}).items() if name in labels}
    return Release(
        id=number,
        environment=site.environment,
        candidate=facts.candidate,
        action="deploy",
        project=getattr(site.spec, "project", site.environment),
        images=images,
        labels=labels,
        files=files,
        commands={**site.stack.commands(images), **kept},  # what keeps running was started with those of then
        env_keys=site.env(ground)[0],
        env_fingerprint=site.env(ground)[1],
        env_files=site.env_files(ground),
        notes=facts.notes,
        without=site.left_out,
    )


def _named(site: Site, params: DeployParams) -> tuple[str, ...]:
    return tuple(name for name in site.spec.names if name in params.services)


def _migrates(facts: DeployFacts, params: DeployParams) -> bool:
    """A deploy of services that do not carry the migrations leaves the database alone."""
    spec = facts.site.spec.migrations
    return spec is not None and (not params.services or spec.service in params.services)


def _wrong_services(site: Site, params: DeployParams) -> Refusal | None:
    unknown = [name for name in params.services if name not in site.spec.names]
    if not unknown:
        return None
    return Refusal(
        reason=f"{site.environment} has no service {', '.join(unknown)}.",
        ways_out=(f"its services are {', '.join(site.spec.names)}",),
    )


def _behind(site: Site, params: DeployParams) -> Refusal | None:
    """A part of the services cannot be deployed to a host that is behind with the others."""
    late = site.behind_here
    if not late or not params.services:
        return None
    return Refusal(
        reason=f"{late[0].shown(site.releases)} Only {', '.join(params.services)} would be deployed there, beside what "
        "is older.",
        ways_out=(
            f"bring it level first: quarterdeck run level {site.environment}",
            f"leave it out: --without {late[0].host}",
            "deploy all services",
        ),
    )


def _incomplete(facts: DeployFacts, params: DeployParams) -> Refusal | None:
    """Every service that releases decide about needs an image: of the candidate, or live."""
    images = target_images(facts, params)
    missing = [one.name for one in facts.site.spec.services if _released(facts, one.name) and one.name not in images]
    if missing:
        return Refusal(
            reason=f"The candidate {params.candidate} has no image for {', '.join(missing)}, and none is live.",
            ways_out=("deploy all services together once", "name a digest for each service"),
        )
    if not images:
        return Refusal(
            reason=f"The profile names no image for any service of {facts.site.environment}.",
            ways_out=("add `images: {service: 'registry/repo:{release}'}` to its stack",),
        )
    return None


def _already_live(
    facts: DeployFacts, fallback: dict[str, tuple[Release | None, bool]], target: dict[str, Release]
) -> Refusal | None:
    """Nothing would change: the same images from the same files with the same settings, verified.

    Hosts that are behind do not count: a deploy would replace what is live on all the others as well.
    """
    site = facts.site
    late = [one.host for one in site.behind_here]
    if facts.settings.differ:
        return None
    for host, release in target.items():
        if host in late:
            continue
        live, _ = fallback[host]
        if live is None or not live.verified:
            return None
        before = (live.images, [file.sha256 for file in live.files], live.env_fingerprint)
        if before != (release.images, [file.sha256 for file in release.files], release.env_fingerprint):
            return None
    live, _ = fallback[site.in_front[0].host]
    name = live.shown() if live else ""
    if late:
        return Refusal(
            reason=f"{name} is live on {site.environment} already, but {' and '.join(late)} is behind.",
            ways_out=(f"bring it level: quarterdeck run level {site.environment}", "deploy another candidate"),
        )
    return Refusal(
        reason=f"{name} is live on {site.environment} already, from the same files and settings.",
        ways_out=("restart a service: quarterdeck run restart", "deploy another candidate"),
    )


def _schema_shown(facts: DeployFacts) -> str:
    """Where the database is before the migration, in words."""
    if not facts.schema_asked:
        return "was not asked beforehand, since nobody was to read this"
    return f"is at {', '.join(facts.schema_now) if facts.schema_now else 'unknown'}"


def _warnings(facts: DeployFacts) -> list[str]:
    warnings = []
    for ground in facts.site.grounds:
        stopped = [one.service for one in ground.live.services if one.state in ("exited", "dead", "created")]
        if stopped:
            warnings.append(f"{', '.join(stopped)} is stopped on {ground.host}; the deploy starts it.")
    unknown = facts.schema_now is None and facts.schema_asked
    if facts.site.spec.migrations is not None and unknown and facts.site.in_front[0].live.services:
        warnings.append("The database could not be asked for its revision; the run asks again with the new image.")
    return warnings
