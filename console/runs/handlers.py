"""Handlers of the Ops that any action may use: smoke tests, health, ready lines, what is live.

Each only looks. Arguments are documented at each handler and stand in stored plans: a change of meaning is a new
version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from console.hosts.http import client as http_client
from console.probes.health import Seen, Wait, live_is, wait_healthy, wait_ready
from console.probes.smoke import run_smoke
from console.runs.api import OpContext, OpHandler, Outcome
from profiles.models import Health, SmokeStep


def _wait(ctx: OpContext) -> Wait:
    return Wait(
        left_s=lambda: ctx.deadline_s,
        sleep=ctx.sleep,
        stop=ctx.cancelled,
        say=ctx.say,
        poll_s=ctx.environment.timing.poll_s,
    )


def _outcome(seen: Seen) -> Outcome:
    return Outcome(verdict=seen.verdict, evidence="\n".join(seen.evidence))


def healthy(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`stack.healthy@1`: {services: {name: health as in the profile}, release: id or null}. On the step's host."""
    services = {name: Health.model_validate(body) for name, body in args["services"].items()}
    host = ctx.host()
    clients: list[httpx.Client] = []

    def client() -> httpx.Client:
        if not clients:
            clients.append(http_client(host, timeout_s=5.0))
        return clients[0]

    try:
        seen = wait_healthy(
            ctx.environment.stack, host, services, _wait(ctx), release=args.get("release"), client=client
        )
    finally:
        for one in clients:
            one.close()
    return _outcome(seen)


def ready(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`log.ready@1`: {lines: {service: text}, release: id or null}. On the step's host, each since its own start."""
    evidence: list[str] = []
    for service, text in args["lines"].items():
        seen = wait_ready(
            ctx.environment.stack,
            ctx.host(),
            service,
            text,
            _wait(ctx),
            directory=ctx.environment.directory,
            release=args.get("release"),
        )
        evidence += seen.evidence
        if seen.verdict != "yes":
            return Outcome(verdict=seen.verdict, evidence="\n".join(evidence))
    return Outcome(verdict="yes", evidence="\n".join(evidence))


def live(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`stack.live_is@1`: {images: {service: reference, or "" if it must not run}}. On the step's host."""
    return _outcome(live_is(ctx.environment.stack, ctx.host(), args["images"]))


def smoke(ctx: OpContext, args: Mapping[str, Any]) -> Outcome:
    """`http.smoke@1`: {steps: smoke steps as in the profile, variables: {name: text}}."""
    steps = [SmokeStep.model_validate(body) for body in args["steps"]]
    clients: dict[tuple[str | None, str | None], httpx.Client] = {}
    instead: list[str] = []

    def client(via: str | None, ca: str | None) -> httpx.Client:
        if via in ctx.environment.left_out:  # since it was planned: every host runs the same services
            other = ctx.environment.config.hosts[0]
            instead.append(f"asked through {other}, since {via} is left out")
            via = other
        if (via, ca) not in clients:
            host = ctx.environment.hosts[via] if via is not None else None
            clients[via, ca] = http_client(host, ca_file=ca)
        return clients[via, ca]

    try:
        results = run_smoke(
            steps,
            variables=dict(args.get("variables", {})),
            secrets=ctx.environment.secret_field,
            client=client,
            say=ctx.say,
            sleep=ctx.sleep,
            stop=ctx.cancelled.is_set,
            left_s=lambda: ctx.deadline_s,
        )
    finally:
        for one in clients.values():
            one.close()
    last = results[-1] if results else None
    if last is None or last.verdict == "yes":
        verdict, said = "yes", f"{len(results)} smoke steps passed"
    else:
        verdict, said = last.verdict, f"smoke step {last.name}: {last.evidence}"
    return Outcome(verdict=verdict, evidence="\n".join((said, *dict.fromkeys(instead))))


HANDLERS: Mapping[str, OpHandler] = {
    "stack.healthy@1": healthy,
    "log.ready@1": ready,
    "stack.live_is@1": live,
    "http.smoke@1": smoke,
}
