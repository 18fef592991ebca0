"""Rotate a credential: a new value everywhere, proved; then the old one worthless, proved as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from actions.rotate.facts import RotateFacts, read_facts
from actions.rotate.ops import OPS
from actions.rotate.params import RotateParams
from actions.rotate.plan import plan
from console.runs.api import Action, FactsContext, Frozen, OpHandler, Params, Plan, Refusal

__all__ = ["ACTION", "Rotate", "RotateFacts", "RotateParams"]


class Rotate(Action[RotateParams, RotateFacts]):
    """How it is done for one credential stands in the profile, under `rotations`."""

    name: ClassVar[str] = "rotate"
    title: ClassVar[str] = "Rotate a credential"
    help: ClassVar[str] = (
        "Makes a new value, gives it to everybody who uses it, proves that it works, and then makes the old one "
        "worthless. Old and new are both accepted for a while, in which the environment is free for other work."
    )
    danger: ClassVar[Literal["reads", "changes", "destroys"]] = "changes"
    params_type: ClassVar[type[Params]] = RotateParams
    facts_type: ClassVar[type[Frozen]] = RotateFacts
    ops: ClassVar[Mapping[str, OpHandler]] = OPS

    def facts(self, ctx: FactsContext, params: RotateParams) -> RotateFacts:
        """Raises RefusalError, HostError, CredentialError."""
        return read_facts(ctx, params.credential)

    def plan(self, facts: RotateFacts, params: RotateParams) -> Plan | Refusal:
        return plan(facts, params)

    def suggest(self, ctx: FactsContext, field: str) -> Sequence[tuple[str, str]]:
        if field != "credential":
            return ()
        rotations = ctx.environment.config.rotations.values()
        return [(one.name, one.title or f"{one.kind}, credential {one.credential.secret}") for one in rotations]


ACTION = Rotate()
