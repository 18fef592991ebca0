"""What the plan screen shows of a change of release, and the plan itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from actions.change import Change, kept
from actions.envfiles import env_blocks
from actions.site import Site
from console.runs.api import Block, DiffBlock, Plan, TableBlock, TextBlock
from console.stacks.registry import parse_reference
from console.stacks.release import Release, short
from profiles.inline import files_of


def shown_blocks(change: Change, warnings: Sequence[str] = ()) -> tuple[Block, ...]:
    """Images, hosts and files of a change, for a person."""
    site, first = change.site, change.first
    release = change.target[first.host]
    blocks: list[Block] = behind_blocks(site, release)
    blocks += [TextBlock(title="Attention", text=text, tone="warn") for text in warnings]
    blocks += written_out(change.uploads)
    for ground in site.grounds:
        if ground.live.differs:
            blocks.append(
                TextBlock(
                    title=f"{ground.host}: live differs from the last release",
                    text=" ".join(ground.live.differs),
                    tone="warn",
                )
            )
    rows = []
    for service, image in sorted(release.images.items()):
        live = first.live.service(service)
        what = "keeps running" if kept(site, release, service, change.settings) else "replaced" if live else "new"
        rows.append((service, short(live.runs) if live else "-", short(image), what))
    blocks.append(TableBlock(title="Images", columns=("service", "live", "after", ""), rows=tuple(rows)))
    hosts = []
    for ground in site.grounds:
        fallback, new = change.fallback[ground.host]
        back = "nothing was live" if fallback is None else fallback.shown() + (", recorded first" if new else "")
        free = "unknown" if ground.disk_free_mb is None else f"{ground.disk_free_mb} MB"
        hosts.append((ground.host, back, free, ground.engine, ground.compose_version))
    names = ("host", "goes back to", "free", "engine", "compose")
    said = [at for at in range(len(names)) if any(row[at] for row in hosts)]
    blocks.append(
        TableBlock(
            title="Hosts",
            columns=tuple(names[at] for at in said),
            rows=tuple(tuple(row[at] for at in said) for row in hosts),
        )
    )
    fallback, _ = change.fallback[first.host]
    before = {file.name: file.text for file in change.stack.release_files(fallback)} if fallback else {}
    for file in change.stack.release_files(release):
        blocks.append(DiffBlock(title=file.name, before=before.get(file.name, ""), after=file.text))
    blocks += env_blocks(change.settings)
    if fallback is None or site.own_env(first) is not None:
        return tuple(blocks)
    if fallback.env_keys != release.env_keys:
        keys = ("\n".join(fallback.env_keys), "\n".join(release.env_keys))
        blocks.append(DiffBlock(title="Names in the environment file", before=keys[0], after=keys[1]))
    elif fallback.env_fingerprint != release.env_fingerprint:
        text = "Its values changed since the last release; names are the same. Values are never read."
        blocks.append(TextBlock(title="Environment file", text=text, tone="warn"))
    return tuple(blocks)


def behind_blocks(site: Site, release: Release | None = None) -> list[Block]:
    """What must be known of hosts that are behind, or will be. `release`: what is made live, if anything is."""
    level = f"quarterdeck run level {site.environment}"
    blocks: list[Block] = []
    for one in site.behind_here:
        what = f"{release.shown()} is made live there as well." if release else f"This does not change that: {level}"
        blocks.append(TextBlock(title=f"{one.host} is behind", text=f"{one.shown(site.releases)} {what}", tone="warn"))
    for host, text in site.not_taken_back.items():
        blocks.append(TextBlock(title=f"{host} was not taken back", text=text, tone="warn"))
    for host in site.left_out if release else ():
        before = next((one.shown(site.releases) for one in site.behind if one.host == host), "")
        will = f"{host} will be behind: it keeps what it has until it is brought level ({level}) or a later deploy."
        blocks.append(TextBlock(title=f"Without {host}", text=f"{before} {will}".strip(), tone="warn"))
    if site.moved:
        text = f"{', '.join(site.moved)}: asked from {site.hosts[0]}, since the host they are asked from is left out."
        blocks.append(TextBlock(title="Smoke tests", text=text, tone="warn"))
    return blocks


def foreign_images(site: Site, release: Release) -> list[str]:
    """Services whose image comes from another repository than the profile names: shown, since profiles change too."""
    found = []
    for name, image in sorted(release.images.items()):
        service = site.spec.service(name)
        ours = parse_reference(service.image.replace("{release}", "x")).repository if service and service.image else ""
        if ours and "@" in image and ours != image.partition("@")[0]:
            found.append(f"{name} would run {short(image)}; the profile gives it images of {ours}.")
    return found


def written_out(uploads: Mapping[str, str]) -> list[Block]:
    """A warning for uploaded files that hold what looks like a secret; the value is not repeated."""
    sentences = list(files_of(uploads))
    return (
        [TextBlock(title="A secret in an uploaded file", text="\n".join(sentences), tone="warn")] if sentences else []
    )


def finished(
    change: Change,
    *,
    action: str,
    title: str,
    credentials: Sequence[str],
    blocks: tuple[Block, ...],
    hosts: Sequence[str] = (),
    on_failure: Literal["undo", "ask"] = "undo",
) -> Plan:
    """The plan of a change, with what 'as before' means. `hosts`: that take part, if not only those it changes."""
    site = change.site
    before = []
    for ground in site.grounds:
        fallback, _ = change.fallback[ground.host]
        doubt = "" if fallback is None or fallback.verified else ", never verified,"
        text = "nothing of the console's is live" if fallback is None else f"{fallback.shown()}{doubt} is live"
        before.append(text if len(hosts or site.grounds) == 1 else f"{ground.host}: {text}")
    return Plan(
        action=action,
        environment=site.environment,
        title=title,
        claims=(site.claim,),
        hosts=tuple(hosts) or site.hosts,
        steps=tuple(change.steps),
        blocks=blocks,
        credentials=tuple(dict.fromkeys(credentials)),
        as_before="; ".join(dict.fromkeys(before)),
        on_failure=on_failure,
    )
