"""What a deploy reads before planning."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import Field

from actions.deploy.params import DeployParams
from actions.envfiles import Settings, read_settings
from actions.site import Question, Site, read_site_and_ask
from console.runs.api import FactsContext, Frozen, Refusal, RefusalError
from console.stacks.base import ComposeSpec, RegistrySpec, StackError
from console.stacks.behind import on_any_host
from console.stacks.registry import (
    Reference,
    Registry,
    RegistryError,
    parse_reference,
    registry_of,
)
from console.stacks.release import Release, current_revisions, verified

SUGGESTED = 15


class DeployFacts(Frozen):
    """Everything that decides the plan of a deploy."""

    site: Site
    candidate: str
    """How people name it: the tag, or the tag of the release that `@staging` means."""
    notes: str = ""
    images: dict[str, str] = Field(default_factory=dict)
    """Service to `repo@sha256:…` of the candidate."""
    uploads: dict[str, str] = Field(default_factory=dict)
    """Compose files of this machine, by path."""
    schema_now: tuple[str, ...] | None = None
    """The database's revision when it was first planned, asked in the live container, for a person; None: unknown."""
    settings: Settings = Settings()
    schema_asked: bool = True
    """Whether it was asked: it takes a while, and is only shown, so not where nobody reads the plan."""


def read(ctx: FactsContext, params: DeployParams) -> DeployFacts:
    """Read the hosts and, meanwhile, the registry. Raises RefusalError, HostError."""
    migrations = ctx.environment.stack.spec.migrations
    # Only shown: what the run goes by is asked by its own step, with the new image, once the locks are held.
    asked = bool(ctx.draw("schema_asked", lambda: not ctx.unseen))
    question = Question(migrations.service, migrations.current, drawn="schema") if migrations and asked else None
    with ThreadPoolExecutor(1, thread_name_prefix="site") as pool:
        looked = pool.submit(read_site_and_ask, ctx, question)
        try:
            candidate, notes, images = _images(ctx, params)
        finally:
            site, said = looked.result()  # what is wrong with a host is said first
    return DeployFacts(
        site=site,
        candidate=candidate,
        notes=notes,
        images=images,
        uploads=read_uploads(site),
        schema_now=current_revisions(said) if said is not None else None,
        settings=read_settings(ctx, site),
        schema_asked=asked,
    )


def read_uploads(site: Site) -> dict[str, str]:
    """The compose files that the profile uploads from here. Raises RefusalError if one cannot be read."""
    found = {}
    for file in site.spec.files if isinstance(site.spec, ComposeSpec) else ():
        if file.upload:
            try:
                found[file.path] = Path(file.path).read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise RefusalError(
                    Refusal(
                        reason=f"The compose file {file.path} on this machine cannot be read: {error}.",
                        ways_out=("look at `upload` in the profile",),
                    )
                ) from error
    return found


def _images(ctx: FactsContext, params: DeployParams) -> tuple[str, str, dict[str, str]]:
    """(how people name it, notes, service to digest) of what was asked for."""
    asked = params.candidate
    stack = ctx.environment.stack
    site = Site(environment=ctx.environment.name, spec=stack.spec, grounds=())
    if params.source is not None:
        release, images = _verified_there(ctx, site, params.source)
        return release.candidate, f"as verified in {params.source} ({release.id})", images
    here = None
    try:
        here = stack.resolve_here(ctx.host(next(iter(ctx.environment.hosts))), asked)
    except StackError as error:
        raise RefusalError(Refusal(reason=str(error), ways_out=error.ways_out)) from error
    if here is not None:
        return asked, "", here
    templates = {one.name: one.image for one in site.spec.services if one.image}
    if params.digests:
        unknown = sorted(set(params.digests) - set(templates))
        if unknown:
            raise RefusalError(
                Refusal(
                    reason=f"The profile gives {unknown[0]} no image.",
                    ways_out=(f"services with images: {', '.join(sorted(templates))}",),
                )
            )
        images = {name: _reference(templates[name]).at(digest) for name, digest in params.digests.items()}
        return f"digests of {', '.join(sorted(images))}", "", images
    wanted = {name: template for name, template in templates.items() if not params.services or name in params.services}
    return asked, "", resolve(ctx, site, {name: text.replace("{release}", asked) for name, text in wanted.items()})


def _reference(template: str) -> Reference:
    """A service's repository."""
    return parse_reference(template.replace("{release}", "x"))


def resolve(ctx: FactsContext, site: Site, wanted: dict[str, str]) -> dict[str, str]:
    """Service to `repo@sha256:…`, each asked of its registry. Raises RefusalError."""
    images: dict[str, str] = {}
    by_registry: dict[str, list[str]] = {}
    for name, text in wanted.items():
        by_registry.setdefault(registry_of(text), []).append(name)
    for registry, names in by_registry.items():
        try:
            with open_registry(ctx, site, registry) as client, ThreadPoolExecutor(4, "registry") as pool:
                references = [parse_reference(wanted[name]) for name in names]
                digests = pool.map(lambda one: client.digest(one.path, one.tag or "latest"), references)
                images |= {name: one.at(digest) for name, one, digest in zip(names, references, digests, strict=True)}
        except RegistryError as error:
            raise RefusalError(_registry_refusal(error, registry)) from error
    return images


def _registry_refusal(error: RegistryError, registry: str) -> Refusal:
    if error.missing:
        ways: tuple[str, ...] = ("look at the tag: `quarterdeck plan deploy` offers those that exist",)
    elif error.unreachable:
        ways = (f"look whether {registry} runs and is reached from here", "a rollback needs no registry")
    else:
        ways = ("quarterdeck credentials check", "look at `registry` in the profile")
    return Refusal(reason=str(error), ways_out=ways, unreachable=error.unreachable)


def open_registry(ctx: FactsContext, site: Site, host: str) -> Registry:
    """A client of the registry `host`, with the profile's login if it is the profile's registry."""
    spec = getattr(site.spec, "registry", None)
    if spec is None or spec.host != host:
        return Registry(RegistrySpec(host=host))
    password = ctx.environment.secret_field(spec.credential, spec.field) if spec.credential else None
    return Registry(spec, password, ctx.environment.hosts[spec.via] if spec.via else None)


def _verified_there(ctx: FactsContext, site: Site, source: str) -> tuple[Release, dict[str, str]]:
    """The newest verified release of another environment that is live there, with its digests in our repositories."""
    if source == site.environment:
        raise RefusalError(Refusal(reason=f"{source} is the environment to deploy to.", ways_out=("name a tag",)))
    try:
        other = ctx.environment.other(source)
    except KeyError:
        raise RefusalError(
            Refusal(reason=f"The profile has no environment {source}.", ways_out=("name a tag, or another one",))
        ) from None
    try:
        grounds = tuple(other.stack.ground(other.hosts[name]) for name in other.hosts)
        releases = verified(on_any_host(grounds))
    except StackError as error:
        raise RefusalError(Refusal(reason=str(error), ways_out=error.ways_out)) from error
    finally:
        other.close()
    live = {ground.live.release for ground in grounds}
    found = next((release for release in releases if live == {release.id}), None)
    if found is None:
        reason = f"{source} has no verified release that is live there now."
        if releases:
            reason += f" Its last verified one is {releases[0].shown()}."
        raise RefusalError(Refusal(reason=reason, ways_out=(f"deploy to {source} first", "name a tag")))
    templates = {one.name: one.image for one in site.spec.services if one.image}
    images = {}
    for name, reference in found.images.items():
        if name in templates and "@" in reference:
            images[name] = _ours(templates[name], reference, source)
        elif site.spec.kind == "process":
            images[name] = reference
    return found, images


def _ours(template: str, reference: str, source: str) -> str:
    """The same image in our own repository. Raises RefusalError for a record that names no digest."""
    try:
        return _reference(template).at(reference.partition("@")[2])
    except ValueError as error:
        raise RefusalError(
            Refusal(reason=f"The record of {source} cannot be used: {error}.", ways_out=("name a tag",))
        ) from error


def suggestions(ctx: FactsContext, field: str) -> Sequence[tuple[str, str]]:
    """Candidates for the form: what each environment runs, then tags of the registry."""
    if field == "services":
        return [(name, "") for name in ctx.environment.stack.spec.names]
    if field != "candidate":
        return ()
    own = ctx.environment.name
    found = [(f"@{name}", f"what {name} has verified") for name in ctx.environment.profile.environments if name != own]
    stack = ctx.environment.stack
    here = stack.candidates_here(ctx.host(next(iter(ctx.environment.hosts))))
    if here is not None:
        return [*found, *((name, "on the host") for name in here)]
    template = next((one.image for one in stack.spec.services if one.image), None)
    if template is None:
        return found
    reference = _reference(template)
    site = Site(environment=own, spec=stack.spec, grounds=())
    try:
        with open_registry(ctx, site, reference.registry) as client:
            tags = client.tags(reference.path)
    except RegistryError:
        return found
    return [*found, *((tag, f"tag of {reference.repository}") for tag in tags[:SUGGESTED])]
