"""Baseline: record what is live, so that the first deploy has something to go back to. It verifies nothing."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from actions.change import Change, record_live
from actions.deploy.facts import read_uploads
from actions.fallback import fallbacks
from actions.shown import behind_blocks, finished, written_out
from actions.site import Site, problems, read_site
from console.runs.api import Action, FactsContext, Frozen, Params, Plan, Refusal, TableBlock
from console.stacks.release import short


class BaselineParams(Params):
    """Nothing to choose: what is live is what is live."""


class BaselineFacts(Frozen):
    site: Site
    uploads: dict[str, str] = Field(default_factory=dict)


class Baseline(Action[BaselineParams, BaselineFacts]):
    """Changes no service: it writes a record on each host, and keeps the images from being pruned."""

    name: ClassVar[str] = "baseline"
    title: ClassVar[str] = "Record what is live"
    help: ClassVar[str] = (
        "Writes down what runs now (images, compose files, names in the environment file) as a release, unverified. "
        "A deploy does the same on its own when it finds something live that nobody recorded."
    )
    danger: ClassVar[Literal["reads", "changes", "destroys"]] = "changes"
    params_type: ClassVar[type[Params]] = BaselineParams
    facts_type: ClassVar[type[Frozen]] = BaselineFacts

    def facts(self, ctx: FactsContext, params: BaselineParams) -> BaselineFacts:
        site = read_site(ctx)
        return BaselineFacts(site=site, uploads=read_uploads(site))

    def plan(self, facts: BaselineFacts, params: BaselineParams) -> Plan | Refusal:
        """Record on every host where what is live is no recorded release. Pure."""
        site = facts.site
        refusal = problems(site)
        if refusal is not None:
            return refusal
        number = site.next_id
        found = fallbacks(site, facts.uploads)
        new = {host: release for host, (release, unrecorded) in found.items() if release is not None and unrecorded}
        if not new:
            live = next((release for release, _ in found.values() if release is not None), None)
            if live is not None:
                return Refusal(
                    reason=f"{live.shown()} is live on {site.environment} and is recorded already.",
                    ways_out=("nothing needs to be done",),
                )
            return Refusal(
                reason=f"Nothing of {site.environment} is live, so there is nothing to record.",
                ways_out=(f"deploy a first release: quarterdeck run deploy {site.environment}",),
            )
        change = Change(site, new, found, (), facts.uploads)
        rows = []
        for ground in site.grounds:
            if ground.host in new:
                release = new[ground.host]
                record_live(change, ground, release)
                change.keep(ground, release)
                rows += [(ground.host, name, short(image)) for name, image in sorted(release.images.items())]
        table = TableBlock(title="What is live", columns=("host", "service", "image"), rows=tuple(rows))
        return finished(
            change,
            action="baseline",
            title=f"Record what is live on {site.environment} as {number}",
            credentials=(),
            blocks=(*behind_blocks(site), *written_out(facts.uploads), table),
        )


ACTION = Baseline()
