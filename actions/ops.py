"""The handler of `release.as_before@1`: after an undo, is a host as it was before the run?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actions.change import AS_BEFORE
from console.runs.api import OpContext, OpHandler, Outcome


def as_before(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`{images: {service: reference or ""}, services: {service: health}, smoke: {steps, variables} or null}`.

    yes: the images that were live run, what was healthy is healthy, and the smoke tests of the old release pass. The
    first look that does not say yes is the answer.
    """
    from console.runs.handlers import HANDLERS

    looks: list[tuple[str, Mapping[str, Any]]] = [("stack.live_is@1", {"images": args["images"]})]
    if args["services"]:
        looks.append(("stack.healthy@1", {"services": args["services"], "release": None}))
        looks.append(("stack.live_is@1", {"images": args["images"]}))
    if args["smoke"] is not None:
        looks.append(("http.smoke@1", args["smoke"]))
    evidence: list[str] = []
    for name, look in looks:
        outcome = HANDLERS[name](ctx, look)
        if outcome.verdict != "yes":
            return outcome
        evidence.append(outcome.evidence)
    return Outcome(verdict="yes", evidence="\n".join(dict.fromkeys(evidence)))


OPS: Mapping[str, OpHandler] = {AS_BEFORE: as_before}
