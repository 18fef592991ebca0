"""Level: bring hosts that were left out of the live release to it. The others are not touched.

The very release that is live on the others is made live there, under the same name: a deploy of the same candidate
would make a new one, and replace what runs well on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from actions.change import Change
from actions.deploy.facts import read_uploads
from actions.envfiles import Settings, files_then, forget, read_settings
from actions.fallback import fallbacks
from actions.ops import OPS
from actions.shown import finished, foreign_images, shown_blocks
from actions.site import Site, asked_from, problems, read_site
from console.runs.api import Action, FactsContext, Frozen, OpHandler, Params, Plan, Refusal, Step, TextBlock
from console.stacks.base import Ground
from console.stacks.behind import Behind
from console.stacks.release import LEVEL, Release, level_command, marked_command, not_level_command, short


class LevelParams(Params):
    """`host`: only this one; empty: every host that is behind and takes part."""

    host: str = Field(default="", title="Host", description="Only this host. Empty: every host that is behind.")


class LevelFacts(Frozen):
    site: Site
    uploads: dict[str, str] = Field(default_factory=dict)
    settings: Settings = Settings()


class Level(Action[LevelParams, LevelFacts]):
    """No migration and no new release: what the others run is fetched, started and proved on the host that lacks it."""

    name: ClassVar[str] = "level"
    title: ClassVar[str] = "Bring a host level"
    help: ClassVar[str] = (
        "Makes the live release live on hosts that were left out of it, waits for health and ready line, and runs the "
        "smoke tests there. What runs on the other hosts is not touched."
    )
    danger: ClassVar[Literal["reads", "changes", "destroys"]] = "changes"
    params_type: ClassVar[type[Params]] = LevelParams
    facts_type: ClassVar[type[Frozen]] = LevelFacts
    ops: ClassVar[Mapping[str, OpHandler]] = OPS

    def facts(self, ctx: FactsContext, params: LevelParams) -> LevelFacts:
        site = read_site(ctx)
        late = {one.host: one.release for one in site.behind_here if params.host in ("", one.host)}
        files = {
            host: files_then(release, site.env_files(site.ground(host))) or site.env_files(site.ground(host))
            for host, release in late.items()
        }
        return LevelFacts(site=site, uploads=read_uploads(site), settings=read_settings(ctx, site, files))

    def plan(self, facts: LevelFacts, params: LevelParams) -> Plan | Refusal:
        return plan(facts, params)

    def suggest(self, ctx: FactsContext, field: str) -> Sequence[tuple[str, str]]:
        if field != "host":
            return ()
        site = read_site(ctx)
        return [(one.host, one.shown(site.releases)) for one in site.behind_here]


def plan(facts: LevelFacts, params: LevelParams) -> Plan | Refusal:
    """Like a deploy, on the hosts that are behind alone, of the release as the others have it. Pure."""
    site = facts.site
    late = [one for one in site.behind_here if params.host in ("", one.host)]
    refusal = problems(site) or _none(site, params, late)
    if refusal is not None:
        return refusal
    release = late[0].release
    grounds = tuple(ground for ground in site.grounds if ground.host in {one.host for one in late})
    refusal = _not_that(site, release, grounds)
    if refusal is not None:
        return refusal
    smoke = asked_from(site.smoke, (*site.hosts, *site.left_out), grounds[0].host)
    part = site.model_copy(update={"grounds": grounds, "smoke": smoke, "moved": (), "left_out": ()})
    target = {ground.host: _target(part, ground, release, facts.uploads) for ground in grounds}
    fallback = fallbacks(part, facts.uploads, site.next_id)
    # The smoke tests know nothing of how far the environment has come: what is put back need only be healthy.
    change = Change(part, target, fallback, (), facts.uploads, smoke_back=False, settings=facts.settings)
    change.prepare()
    change.switch()
    _note(change, site, release, [one.host for one in late])
    change.prune()
    forget(change, facts.settings)
    names = " and ".join(one.host for one in late)
    said = "\n".join(one.shown(site.releases) for one in late)
    touched = f"Nothing that runs on {', '.join(ground.host for ground in site.in_front)} is touched."
    if smoke != site.smoke:
        touched += f" The smoke tests are asked from {grounds[0].host}."
    return finished(
        change,
        action="level",
        title=f"Bring {names} of {site.environment} level with {release.shown()}",
        credentials=(*site.login, *site.credentials(), *facts.settings.credentials),
        blocks=(
            TextBlock(title="Behind", text=f"{said}\n{touched}", tone="warn"),
            *shown_blocks(change, _warnings(site, release, target)),
        ),
        hosts=site.hosts,
    )


def _none(site: Site, params: LevelParams, late: Sequence[Behind]) -> Refusal | None:
    every = (*site.hosts, *site.left_out)
    if params.host and params.host not in every:
        return Refusal(
            reason=f"{site.environment} has no host {params.host}.", ways_out=(f"its hosts are {', '.join(every)}",)
        )
    if late:
        return None
    if params.host in site.left_out:
        return Refusal(
            reason=f"{params.host} is left out of this run, so it cannot be brought level.",
            ways_out=("do not leave it out",),
        )
    others = [one.shown(site.releases) for one in site.behind]
    if params.host:
        return Refusal(reason=f"{params.host} is not behind.", ways_out=tuple(others) or ("nothing needs to be done",))
    return Refusal(
        reason=f"No host of {site.environment} that takes part is behind.",
        ways_out=tuple(others) or ("nothing needs to be done",),
    )


def _not_that(site: Site, release: Release, late: Sequence[Ground]) -> Refusal | None:
    """Why the release must not be made live on further hosts; None if it may."""
    deploy = f"deploy a candidate to all hosts: quarterdeck run deploy {site.environment}"
    if not release.verified:
        return Refusal(
            reason=f"{release.shown()} is live, but was never verified: it is not made live on more hosts.",
            ways_out=(deploy, f"or go back: quarterdeck run rollback {site.environment}"),
        )
    copies = [(ground.host, one) for ground in site.grounds for one in ground.releases if one.id == release.id]
    other = [host for host, one in copies if site.has(site.ground(host), one) and one.images != release.images]
    if other:
        return Refusal(
            reason=f"{', '.join(other)} has another {release.id} on record, with other images. Either hosts were "
            "changed without each other, or a record was changed after it was written.",
            ways_out=(deploy, f"compare .quarterdeck/releases/{release.id}/release.json on the hosts"),
        )
    for ground in late:
        lost = [one for one in release.images.values() if "@sha256:" not in one and one not in ground.images]
        if lost:
            return Refusal(
                reason=f"{', '.join(map(short, lost))} of {release.shown()} is not on {ground.host}, and comes from no "
                "registry.",
                ways_out=("put it there as it is on the other hosts", deploy),
            )
    return None


def _target(site: Site, ground: Ground, release: Release, uploads: Mapping[str, str]) -> Release:
    """The release as this host will have it: its own files and settings, or those of the release it goes back to."""
    source = next((one for one in ground.releases if one.id == release.of and site.has(ground, one)), None)
    return release.model_copy(
        update={
            "files": source.files if source is not None else site.stack.stored_files(ground, uploads),
            "of": source.id if source is not None else None,
            "env_keys": site.env(ground)[0],
            "env_fingerprint": site.env(ground)[1],
            "env_files": files_then(release, site.env_files(ground)) or site.env_files(ground),
            "verified": None,
            "level": (),
        }
    )


def _warnings(site: Site, release: Release, target: Mapping[str, Release]) -> list[str]:
    warnings = foreign_images(site, release)
    theirs = {file.name: file.sha256 for file in release.files}
    for host, own in target.items():
        if release.of is not None and own.of is None:
            warnings.append(
                f"{release.shown()} goes back to {release.of}, which {host} never had: its own files are used."
            )
        other = [file.origin for file in own.files if theirs.get(file.name) != file.sha256]
        if other:
            warnings.append(
                f"{', '.join(other)} on {host} is not the file that {release.shown()} was made from on the other hosts."
            )
    return warnings


def _note(change: Change, site: Site, release: Release, hosts: Sequence[str]) -> None:
    """Note on the hosts that have the release already who else has it now, so that everybody sees it."""
    proved = tuple(change.site.step("verified", ground) for ground in change.site.grounds)
    for number, host in enumerate(hosts, 1):
        for ground in site.in_front:
            change.add(
                Step(
                    id=f"level-{number}.{ground.host}",
                    title=f"note on {ground.host} that {host} has {release.id} as well",
                    host=ground.host,
                    run=level_command(site.spec.state, release.id, host),
                    check=marked_command(site.spec.state, release.id, LEVEL + host),
                    undo=not_level_command(site.spec.state, release.id, host),
                ),
                ground,
                proved,
            )


ACTION = Level()
