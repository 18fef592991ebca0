"""Deploy: make a candidate live, and prove it, or go back to what was live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from actions.deploy.facts import DeployFacts, read, suggestions
from actions.deploy.params import DeployParams
from actions.deploy.plan import plan
from actions.ops import OPS
from console.runs.api import Action, FactsContext, Frozen, OpHandler, Params, Plan, Refusal


class Deploy(Action[DeployParams, DeployFacts]):
    """Strategy recreate: services are replaced where they stand, after everything that can fail before has passed."""

    name: ClassVar[str] = "deploy"
    title: ClassVar[str] = "Deploy a release"
    help: ClassVar[str] = (
        "Resolves a candidate to digests, fetches it, migrates the database if there is something to migrate, replaces "
        "the services, waits for health and ready line, and runs the smoke tests. If any of it fails, what was live is "
        "made live again."
    )
    danger: ClassVar[Literal["reads", "changes", "destroys"]] = "changes"
    params_type: ClassVar[type[Params]] = DeployParams
    facts_type: ClassVar[type[Frozen]] = DeployFacts
    ops: ClassVar[Mapping[str, OpHandler]] = OPS

    def facts(self, ctx: FactsContext, params: DeployParams) -> DeployFacts:
        return read(ctx, params)

    def plan(self, facts: DeployFacts, params: DeployParams) -> Plan | Refusal:
        return plan(facts, params)

    def suggest(self, ctx: FactsContext, field: str) -> Sequence[tuple[str, str]]:
        return suggestions(ctx, field)


ACTION = Deploy()
