"""Roll back: make an earlier verified release live again, with today's credentials and environment file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from actions.change import Change, labels_for
from actions.deploy.facts import open_registry, read_uploads
from actions.envfiles import Settings, files_then, forget, read_settings
from actions.fallback import fallbacks, new_number
from actions.ops import OPS
from actions.shown import finished, foreign_images, shown_blocks
from actions.site import Question, Site, problems, read_site, read_site_and_ask
from actions.target import chosen, offered
from console.runs.api import Action, FactsContext, Frozen, OpHandler, Params, Plan, Refusal, Step
from console.stacks.base import Ground
from console.stacks.envfiles import FileTemplate
from console.stacks.registry import RegistryError, parse_reference
from console.stacks.release import Release, current_revisions, short


class RollbackParams(Params):
    """`to`: a release (`r3`) or its candidate (`1.4.0`); empty: the verified release before the live one."""

    to: str = Field(
        default="",
        title="Release",
        description="r3, or 1.4.0. Empty: the verified release before the one that is live.",
    )


class RollbackFacts(Frozen):
    """Everything that decides the plan of a rollback."""

    site: Site
    uploads: dict[str, str] = Field(default_factory=dict)
    schema_now: tuple[str, ...] | None = None
    """The database's revision, asked in the live container; None: unknown."""
    lost: tuple[str, ...] = ()
    """Images of the target that are neither on every host nor in the registry."""
    settings: Settings = Settings()


class Rollback(Action[RollbackParams, RollbackFacts]):
    """Bound only by lock, host and schema: what is needed at night must not wait for a green dashboard."""

    name: ClassVar[str] = "rollback"
    title: ClassVar[str] = "Roll back to an earlier release"
    help: ClassVar[str] = (
        "Makes a verified release live again: its images, its compose files, and today's environment file. The schema "
        "of the database is never taken back; the target's own image is asked whether it knows the present one."
    )
    danger: ClassVar[Literal["reads", "changes", "destroys"]] = "changes"
    params_type: ClassVar[type[Params]] = RollbackParams
    facts_type: ClassVar[type[Frozen]] = RollbackFacts
    ops: ClassVar[Mapping[str, OpHandler]] = OPS

    def facts(self, ctx: FactsContext, params: RollbackParams) -> RollbackFacts:
        """Hosts, the database's revision, and what became of the target's images. Raises RefusalError, HostError."""
        migrations = ctx.environment.stack.spec.migrations
        question = Question(migrations.service, migrations.current) if migrations is not None else None
        site, said = read_site_and_ask(ctx, question)
        now = current_revisions(said) if said is not None else None
        target = chosen(site, params.to)
        lost = _lost(ctx, site, target) if isinstance(target, Release) else ()
        settings = read_settings(ctx, site, _files_back(site, target)) if isinstance(target, Release) else Settings()
        return RollbackFacts(site=site, uploads=read_uploads(site), schema_now=now, lost=lost, settings=settings)

    def plan(self, facts: RollbackFacts, params: RollbackParams) -> Plan | Refusal:
        return plan(facts, params)

    def suggest(self, ctx: FactsContext, field: str) -> Sequence[tuple[str, str]]:
        return offered(read_site(ctx)) if field == "to" else ()


def _files_back(site: Site, source: Release) -> dict[str, tuple[FileTemplate, ...]]:
    """By host, the environment files as the target's templates have them, where they are not those of what is live.

    A release that recorded none takes them as they are.
    """
    found = {}
    for ground in site.grounds:
        now = site.env_files(ground)
        then = files_then(next((one for one in ground.releases if one.id == source.id), source), now)
        live = site.release(ground.live.release)
        before = {file.name: file.lines for file in live.env_files} if live is not None else {}
        found[ground.host] = tuple(file for file in then if before.get(file.name) != file.lines)
    return found


def plan(facts: RollbackFacts, params: RollbackParams) -> Plan | Refusal:
    """Like a deploy of the old images from their own files, without a migration. Pure."""
    site = facts.site
    refusal = problems(site)
    if refusal is not None:
        return refusal
    source = chosen(site, params.to)
    if isinstance(source, Refusal):
        return source
    refusal = _elsewhere(site, source) or _doubted(site, source) or _gone(facts, source) or _schema(facts, source)
    if refusal is not None:
        return refusal
    fallback = fallbacks(site, facts.uploads)
    number = new_number(site, fallback)
    target = {ground.host: _target(facts, ground, number, source) for ground in site.grounds}
    change = Change(site, target, fallback, (), facts.uploads, settings=facts.settings)
    change.prepare(fetch=any(_missing(ground, source) for ground in site.grounds))
    _ask_target(change, facts, source)
    change.switch()
    change.prune()
    forget(change, facts.settings)
    warnings = foreign_images(site, source)
    if site.spec.migrations is not None and facts.schema_now is None:
        warnings.append("The database could not be asked for its revision by what is live; the target is asked first.")
    return finished(
        change,
        on_failure="ask",  # undoing it would bring back what it is to leave
        action="rollback",
        title=f"Roll {site.environment} back to {source.shown()}",
        credentials=(*site.login, *site.credentials(), *facts.settings.credentials),
        blocks=shown_blocks(change, warnings),
    )


def _target(facts: RollbackFacts, ground: Ground, number: str, source: Release) -> Release:
    site = facts.site
    back = {one.template.name: one.template for one in facts.settings.on(ground.host)}
    live = site.release(ground.live.release)
    stay = {file.name: file for file in (live.env_files if live is not None else ())}
    return Release(
        id=number,
        environment=site.environment,
        candidate=source.candidate,
        action="rollback",
        project=source.project,
        images=source.images,
        labels=labels_for(site, number, source.images, facts.settings),
        files=next(one for one in ground.releases if one.id == source.id).files,
        commands=source.commands,
        env_keys=site.env(ground)[0],
        env_fingerprint=site.env(ground)[1],
        env_files=tuple({**stay, **back}.values()),
        of=source.id,
        notes=f"back to {source.id}",
        without=site.left_out,
    )


def _ask_target(change: Change, facts: RollbackFacts, source: Release) -> None:
    """The target's own image says whether it knows the revision of the database, before anything is replaced."""
    spec = facts.site.spec.migrations
    if spec is None:
        return
    ground, release = change.first, change.target[change.first.host]
    promised = spec.backward_compatible
    revisions = () if promised else facts.schema_now or ()
    # What is live may not say where the database is: most of all after a migration that it does not know. Then the
    # target's own tool has to make sense of it.
    current = () if promised or revisions else spec.current
    what = "note which revisions it knows" if promised else f"does it know {', '.join(revisions) or 'the schema'}?"
    run = change.stack.knows(
        ground, release, spec.service, spec.known, revisions, current=current, into="schema.known", deadline_s=120.0
    )
    change.add(
        Step(
            id="schema",
            title=f"ask the image of {source.shown()}: {what}",
            host=ground.host,
            run=run,
            undo=change.note_removed(release, "schema.known"),
            attempts=2,
            cancel="now",
        ),
        ground,
    )


def _missing(ground: Ground, source: Release) -> bool:
    return any(image not in ground.images for image in source.images.values())


def _lost(ctx: FactsContext, site: Site, target: Release) -> tuple[str, ...]:
    """Images of `target` that some host lacks and the registry does not have."""
    lost = []
    for image in sorted(set(target.images.values())):
        if all(image in ground.images for ground in site.grounds):
            continue
        if "@sha256:" not in image:
            lost.append(image)
            continue
        try:
            reference = parse_reference(image)
            with open_registry(ctx, site, reference.registry) as client:
                client.digest(reference.path, reference.digest or "")
        except ValueError:
            lost.append(image)
        except RegistryError as error:
            if error.missing or error.unreachable:
                lost.append(image)
    return tuple(lost)


def _elsewhere(site: Site, source: Release) -> Refusal | None:
    without = [ground.host for ground in site.grounds if not site.has(ground, source)]
    if not without:
        return None
    left_out = [host for host in without if host in source.without]
    if left_out:
        return Refusal(
            reason=f"{', '.join(left_out)} never had {source.shown()}: it was left out of it.",
            ways_out=(
                "choose a release that every host has",
                f"leave it out of this as well: --without {left_out[0]}",
                f"deploy {source.candidate} again",
            ),
        )
    return Refusal(
        reason=f"{', '.join(without)} has no record of {source.shown()}.",
        ways_out=("choose a release that every host has", f"deploy {source.candidate} again"),
    )


def _doubted(site: Site, source: Release) -> Refusal | None:
    """The refusal of a record that was changed after it was written, as far as the hosts' copies show it.

    Every host has its own copy, and one host's word must not decide what all of them run.
    """
    other = [
        ground.host
        for ground in site.grounds
        for one in ground.releases
        if one.id == source.id and one.images != source.images
    ]
    if not other:
        return None
    first = next(ground.host for ground in site.grounds if ground.host not in other)
    return Refusal(
        reason=f"{', '.join(other)} and {first} do not agree on what {source.shown()} is: their records name other "
        "images. One of them was changed after it was written.",
        ways_out=(
            f"compare .quarterdeck/releases/{source.id}/release.json on the hosts, and find out who changed it",
            f"deploy {source.candidate} again: its images come from the registry then",
        ),
    )


def _gone(facts: RollbackFacts, source: Release) -> Refusal | None:
    if not facts.lost:
        return None
    images = ", ".join(short(image) for image in facts.lost)
    return Refusal(
        reason=f"{source.shown()} cannot be made live: {images} is neither on all hosts nor in a registry.",
        ways_out=("choose another verified release", "build and push the image again, then deploy it"),
    )


def _schema(facts: RollbackFacts, source: Release) -> Refusal | None:
    """The recorded answer of the target's image; where there is none, the run asks the image itself."""
    spec, known, now = facts.site.spec.migrations, source.database.known, facts.schema_now
    if spec is None or spec.backward_compatible or known is None or now is None:
        return None
    strange = [revision for revision in now if revision not in known]
    if not strange:
        return None
    return Refusal(
        reason=f"The database is at {', '.join(strange)}; the image of {source.shown()} does not know that revision.",
        ways_out=(
            "deploy a release that knows it",
            "if the team promises that older code runs on a newer schema: `backward_compatible: true` under "
            "`migrations` in the profile",
            "taking the schema back is a decision about data: do it by hand, with the newer image and a backup",
        ),
    )


ACTION = Rollback()
