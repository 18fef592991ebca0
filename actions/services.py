"""Restart, stop and start one service as it is: no new image, no new settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from actions.change import smoke_op
from actions.shown import behind_blocks
from actions.site import Site, health_of, problems, read_site
from console.runs.api import Action, FactsContext, Frozen, Op, Params, Plan, Refusal, Step, TableBlock
from console.stacks.base import Ground, LiveService
from console.stacks.release import Release, short

Verb = Literal["restart", "stop", "start"]


class ServiceParams(Params):
    """`host`: only there; empty: on every host that has the service."""

    service: str = Field(title="Service", description="Name of the service.")
    host: str = Field(default="", title="Host", description="Only on this host. Empty: on all, one after the other.")


class ServiceFacts(Frozen):
    site: Site


class ServiceAction(Action[ServiceParams, ServiceFacts]):
    """One verb for one service, host after host."""

    params_type: ClassVar[type[Params]] = ServiceParams
    facts_type: ClassVar[type[Frozen]] = ServiceFacts
    danger: ClassVar[Literal["reads", "changes", "destroys"]] = "changes"
    verb: ClassVar[Verb]

    def facts(self, ctx: FactsContext, params: ServiceParams) -> ServiceFacts:
        return ServiceFacts(site=read_site(ctx))

    def plan(self, facts: ServiceFacts, params: ServiceParams) -> Plan | Refusal:
        """The verb on each host, then what proves it. Pure."""
        site = facts.site
        refusal = problems(site) or _wrong(site, params)
        if refusal is not None:
            return refusal
        grounds = [one for one in site.grounds if not params.host or one.host == params.host]
        found = {one.host: live for one in grounds if (live := one.live.service(params.service)) is not None}
        if not found:
            return Refusal(
                reason=f"{params.service} is not there on {site.environment}: never deployed, or removed.",
                ways_out=(f"deploy it: quarterdeck run deploy {site.environment}",),
            )
        idle = [host for host, live in found.items() if (live.state == "running") == (self.verb == "start")]
        if self.verb != "restart" and len(idle) == len(found):
            state = "running already" if self.verb == "start" else "stopped already"
            return Refusal(reason=f"{params.service} is {state} on {', '.join(idle)}.", ways_out=("nothing to do",))
        steps: list[Step] = []
        for ground in grounds:
            if ground.host in found and (self.verb == "restart" or ground.host not in idle):
                steps += self._steps(site, ground, params.service, steps[-1].id if steps else None)
        if site.smoke and self.verb != "stop" and (version := _version(site)) is not None:
            title = f"smoke tests ({len(site.smoke)} requests)"
            steps.append(
                Step(id="smoke", title=title, run=smoke_op(site, version), needs=(steps[-1].id,), cancel="now")
            )
        return Plan(
            action=self.name,
            environment=site.environment,
            title=f"{self.verb.capitalize()} {params.service} on {site.environment}",
            claims=(site.claim,),
            hosts=site.hosts,
            steps=tuple(steps),
            blocks=(*behind_blocks(site), _table(found)),
            credentials=site.credentials() if steps and steps[-1].id == "smoke" else (),
            as_before=f"{params.service} runs as before" if self.verb == "stop" else f"{params.service} is as it was",
        )

    def _steps(self, site: Site, ground: Ground, service: str, after: str | None) -> list[Step]:
        stack, release = site.stack, _release(ground)
        build = {"restart": stack.restart, "stop": stack.stop, "start": stack.start}
        opposite = {"stop": stack.start, "start": stack.stop}.get(self.verb)
        changing = Step(
            id=site.step(self.verb, ground),
            title=site.title(f"{self.verb} {service}", ground),
            host=ground.host,
            run=build[self.verb](ground, release, service),
            check=self._gone(service) if self.verb == "stop" else None,
            undo=opposite(ground, release, service) if opposite else None,
            no_undo=None if opposite else "a restart cannot be taken back; the service is the same one as before",
            needs=(after,) if after else (),
        )
        if self.verb == "stop":
            return [changing]
        spec = site.spec.service(service)
        wait = spec.start_s if spec else 120.0
        healthy = Step(
            id=site.step("healthy", ground),
            title=site.title(f"wait until {service} is healthy", ground),
            host=ground.host,
            run=Op(
                name="stack.healthy@1",
                args={"services": {service: health_of(spec) if spec else {"kind": "none"}}, "release": None},
                deadline_s=wait,
            ),
            needs=(changing.id,),
            cancel="now",
        )
        if spec is None or not spec.ready:
            return [changing, healthy]
        ready = Step(
            id=site.step("ready", ground),
            title=site.title(f"wait for the ready line of {service}", ground),
            host=ground.host,
            run=Op(name="log.ready@1", args={"lines": {service: spec.ready}, "release": None}, deadline_s=wait),
            needs=(healthy.id,),
            cancel="now",
        )
        return [changing, healthy, ready]

    def _gone(self, service: str) -> Op:
        return Op(name="stack.live_is@1", args={"images": {service: ""}}, deadline_s=30.0)

    def suggest(self, ctx: FactsContext, field: str) -> Sequence[tuple[str, str]]:
        if field == "service":
            return [(name, "") for name in ctx.environment.stack.spec.names]
        if field == "host":
            return [(name, "") for name in ctx.environment.hosts]
        return ()


def _wrong(site: Site, params: ServiceParams) -> Refusal | None:
    if params.service not in site.spec.names:
        return Refusal(
            reason=f"{site.environment} has no service {params.service}.",
            ways_out=(f"its services are {', '.join(site.spec.names)}",),
        )
    if params.host and params.host not in site.hosts:
        return Refusal(
            reason=f"{site.environment} has no host {params.host}.",
            ways_out=(f"its hosts are {', '.join(site.hosts)}",),
        )
    return None


def _release(ground: Ground) -> Release | None:
    return next((one for one in ground.releases if one.id == ground.live.release), None)


def _version(site: Site) -> str | None:
    release = _release(site.in_front[0])
    return release.candidate if release is not None else None


def _table(found: dict[str, LiveService]) -> TableBlock:
    rows = tuple((host, live.state, live.health, live.since, short(live.runs)) for host, live in sorted(found.items()))
    return TableBlock(title="Now", columns=("host", "state", "health", "since", "image"), rows=rows)


class Restart(ServiceAction):
    name: ClassVar[str] = "restart"
    title: ClassVar[str] = "Restart a service"
    help: ClassVar[str] = "Stops and starts one service as it is, and waits until it is healthy again."
    verb: ClassVar[Verb] = "restart"


class Stop(ServiceAction):
    name: ClassVar[str] = "stop"
    title: ClassVar[str] = "Stop a service"
    help: ClassVar[str] = "Stops one service; it stays stopped until it is started or deployed."
    verb: ClassVar[Verb] = "stop"


class Start(ServiceAction):
    name: ClassVar[str] = "start"
    title: ClassVar[str] = "Start a service"
    help: ClassVar[str] = "Starts a stopped service as it is, and waits until it is healthy."
    verb: ClassVar[Verb] = "start"


RESTART = Restart()
STOP = Stop()
START = Start()
