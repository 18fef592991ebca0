"""The proof that services which were started work: healthy, then the line in the log that says so. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from actions.site import Site, health_of
from console.runs.api import Op, Step
from console.stacks.base import Ground, StackSpec

START_S = 120.0
"""How long a start may take of which the profile says nothing."""


def waited_for(spec: StackSpec, names: Collection[str]) -> tuple[dict[str, Any], dict[str, Any], float]:
    """Of these services: how each is healthy, the line by which some say they are ready, how long the slowest takes."""
    chosen = [one for one in spec.services if one.name in names]
    services = {one.name: health_of(one) for one in chosen}
    lines = {one.name: one.ready for one in chosen if one.ready}
    return services, lines, max((one.start_s for one in chosen), default=START_S)


def proof_steps(site: Site, ground: Ground, names: Collection[str], whose: str) -> Iterator[Step]:
    """Steps that wait on one host for these services, called `whose` in a title."""
    services, lines, within_s = waited_for(site.spec, names)
    yield Step(
        id=site.step("healthy", ground),
        title=site.title(f"wait until {whose} is healthy", ground),
        host=ground.host,
        run=Op(name="stack.healthy@1", args={"services": services, "release": None}, deadline_s=within_s),
        cancel="now",
    )
    if lines:
        yield Step(
            id=site.step("ready", ground),
            title=site.title(f"wait for the ready line of {', '.join(lines)}", ground),
            host=ground.host,
            run=Op(name="log.ready@1", args={"lines": lines, "release": None}, deadline_s=within_s),
            cancel="now",
        )
