"""Configure: write the environment files as their templates and the keyring have them now, and start what reads them.

No release is made: images and compose files stay. What is live notes which templates it is used with from now on, so
that a later rollback knows what belongs to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from actions.change import Change, as_before, record_live, smoke_op
from actions.deploy.facts import read_uploads
from actions.envfiles import Settings, add_steps, env_blocks, forget, put_back, read_settings
from actions.fallback import fallbacks
from actions.ops import OPS
from actions.proof import proof_steps
from actions.shown import behind_blocks, finished
from actions.site import Site, problems, read_site
from console.runs.api import (
    Action,
    Block,
    FactsContext,
    Frozen,
    OpHandler,
    Params,
    Plan,
    Refusal,
    Step,
    TextBlock,
)
from console.stacks.base import Ground
from console.stacks.release import Release, env_note, env_noted

STOPPED = "does not run"


class ConfigureParams(Params):
    """`file`: only this one; empty: all. `restart`: which services are started anew."""

    file: str = Field(default="", title="File", description="Only this environment file. Empty: all of them.")
    restart: Literal["changed", "all", "none"] = Field(
        default="changed",
        title="Start anew",
        description="changed: services whose file changes; all: every service that reads one; none: they go on with "
        "what they read when they started.",
    )


class ConfigureFacts(Frozen):
    site: Site
    settings: Settings
    uploads: dict[str, str] = Field(default_factory=dict)


class Configure(Action[ConfigureParams, ConfigureFacts]):
    """Host after host, so that what does not start with the new settings stops the run at the first one."""

    name: ClassVar[str] = "configure"
    title: ClassVar[str] = "Write environment files"
    help: ClassVar[str] = (
        "Writes the profile's environment files with today's credentials, starts the services anew that read them, "
        "waits for health and ready line, and runs the smoke tests. Values are never shown, kept or compared anywhere "
        "but on the host; until the run ends the host keeps what the files were, and an undo puts that back."
    )
    danger: ClassVar[Literal["reads", "changes", "destroys"]] = "changes"
    params_type: ClassVar[type[Params]] = ConfigureParams
    facts_type: ClassVar[type[Frozen]] = ConfigureFacts
    ops: ClassVar[Mapping[str, OpHandler]] = OPS

    def facts(self, ctx: FactsContext, params: ConfigureParams) -> ConfigureFacts:
        site = read_site(ctx)
        files = {
            ground.host: tuple(one for one in site.env_files(ground) if params.file in ("", one.name))
            for ground in site.grounds
        }
        return ConfigureFacts(site=site, settings=read_settings(ctx, site, files), uploads=read_uploads(site))

    def plan(self, facts: ConfigureFacts, params: ConfigureParams) -> Plan | Refusal:
        return plan(facts, params)

    def suggest(self, ctx: FactsContext, field: str) -> Sequence[tuple[str, str]]:
        if field != "file":
            return ()
        return [(one.name, one.path) for one in ctx.environment.stack.spec.env_files]


def plan(facts: ConfigureFacts, params: ConfigureParams) -> Plan | Refusal:
    """Keep, write, start anew, prove; host after host. Pure."""
    site, settings = facts.site, facts.settings
    refusal = problems(site) or _wrong(site, params)
    if refusal is not None:
        return refusal
    fallback = fallbacks(site, facts.uploads)
    started = {
        ground.host: names
        for ground in site.grounds
        if fallback[ground.host][0] is not None and (names := _anew(site, settings, ground, params))
    }
    if not settings.differ and not started:
        return _nothing(site)
    change = Change(site, {}, fallback, (), facts.uploads, settings=settings)
    blocks: list[Block] = list(behind_blocks(site))
    for ground in site.grounds:
        _host(change, ground, started.get(ground.host, ()))
    if started and site.smoke and (version := _version(site, fallback)):
        change.add(
            Step(
                id="smoke",
                title=f"smoke tests ({len(site.smoke)} requests)",
                run=smoke_op(site, version),
                cancel="now",
            ),
            None,
        )
    _note(change, fallback, started)
    forget(change, settings)
    blocks += env_blocks(settings)
    blocks += _what_follows(site, settings, started, params)
    return finished(
        change,
        action="configure",
        title=f"Write the environment files of {site.environment}",
        credentials=(*site.credentials(), *settings.credentials),
        blocks=tuple(blocks),
    )


def _host(change: Change, ground: Ground, names: tuple[str, ...]) -> None:
    """The steps of one host: write what changes, and start `names` anew."""
    site = change.site
    release, new = change.fallback[ground.host]
    if release is not None and new and names:
        record_live(change, ground, release)
    add_steps(change, change.settings, ground)
    if release is None or not names:
        return
    anew = change.stack.start_anew(ground, release, names)
    change.add(
        Step(
            id=site.step("anew", ground),
            title=site.title(f"start {', '.join(names)} anew", ground),
            host=ground.host,
            run=anew,
            undo=put_back(site, change.settings, ground, anew),
            undo_check=as_before(site, ground, release, release, with_smoke=ground is change.first),
            shown=f"{', '.join(names)}: down from its stop until it is healthy",
        ),
        ground,
    )
    for step in proof_steps(site, ground, names, ", ".join(names)):
        change.add(step, ground)
    # The next host begins where this one is proved.
    for other in site.hosts:
        change.last[other] = change.last[ground.host]


def _note(
    change: Change, fallback: Mapping[str, tuple[Release | None, bool]], started: Mapping[str, tuple[str, ...]]
) -> None:
    """What is live notes which templates it is used with now, wherever it is on record by then."""
    site = change.site
    for ground in site.grounds:
        release, new = fallback[ground.host]
        if release is None or (new and ground.host not in started):
            continue
        written = {one.template.name: one.template for one in change.settings.on(ground.host)}
        files = tuple({**{one.name: one for one in release.env_files}, **written}.values())
        if files == release.env_files:
            continue
        change.add(
            Step(
                id=site.step("env-noted", ground),
                title=site.title(f"note the templates beside {release.shown()}", ground),
                host=ground.host,
                run=env_note(site.spec.state, release.id, files),
                check=env_noted(site.spec.state, release.id, files),
                undo=env_note(site.spec.state, release.id, release.env_files),
            ),
            ground,
        )


def _anew(site: Site, settings: Settings, ground: Ground, params: ConfigureParams) -> tuple[str, ...]:
    """Services to be started anew on a host, in the profile's order: of those that run there."""
    if params.restart == "none":
        return ()
    readers = set(settings.readers(ground.host))
    if params.restart == "all":
        readers |= {name for one in settings.on(ground.host) for name in one.template.services}
    return tuple(name for name in site.spec.names if name in readers & _running(ground))


def _running(ground: Ground) -> set[str]:
    return {one.service for one in ground.live.services if one.state not in ("absent", "exited", "dead", "created")}


def _version(site: Site, fallback: Mapping[str, tuple[Release | None, bool]]) -> str:
    release, _ = fallback[site.in_front[0].host]
    return release.candidate if release is not None else ""


def _wrong(site: Site, params: ConfigureParams) -> Refusal | None:
    names = [one.name for one in site.spec.env_files]
    if not names:
        return Refusal(
            reason=f"The profile names no environment file for {site.environment}.",
            ways_out=("name one under `files:` of the environment, with a template",),
        )
    if params.file and params.file not in names:
        return Refusal(
            reason=f"{site.environment} has no environment file {params.file}.",
            ways_out=(f"its environment files are {', '.join(names)}",),
        )
    return None


def _nothing(site: Site) -> Refusal:
    return Refusal(
        reason=f"The environment files of {site.environment} are as they would be written.",
        ways_out=("start their readers anew all the same: --set restart=all", "nothing needs to be done"),
    )


def _what_follows(
    site: Site, settings: Settings, started: Mapping[str, tuple[str, ...]], params: ConfigureParams
) -> list[Block]:
    blocks: list[Block] = []
    lines = [f"{host}: {', '.join(names)}" for host, names in started.items()]
    if lines:
        text = "\n".join([*lines, "Each is down from its stop until it is healthy; host after host."])
        blocks.append(TextBlock(title="Started anew", text=text))
    later: dict[str, list[str]] = {}
    for ground in site.grounds:
        for name in settings.readers(ground.host):
            if name not in started.get(ground.host, ()):
                later.setdefault(_why_not(ground, name, params), []).append(site.title(name, ground))
    for why, names in later.items():
        text = f"{', '.join(names)}: {why}; it reads the new settings when it starts."
        blocks.append(TextBlock(title="Later", text=text, tone="plain" if why == STOPPED else "warn"))
    return blocks


def _why_not(ground: Ground, name: str, params: ConfigureParams) -> str:
    if name not in _running(ground):
        return STOPPED
    return "not started anew" if params.restart == "none" else "runs as part of no release, so it is not started anew"


ACTION = Configure()
