"""What every action on a stack reads: the environment's stack as its profile has it, and the ground on each host."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import Field, JsonValue

from console.hosts.base import HostError, HostUnreachable
from console.runs.api import FactsContext, Frozen, Refusal, RefusalError
from console.stacks.base import Ground, ServiceSpec, Stack, StackError, StackSpec, stack_of
from console.stacks.release import Release, on_any_host
from profiles.models import secret_names


class Site(Frozen):
    """One environment as an action found it. Everything that a plan needs, as data."""

    environment: str
    spec: StackSpec
    grounds: tuple[Ground, ...]
    """One a host, in the order of the profile."""
    smoke: tuple[JsonValue, ...] = ()
    """Smoke steps as in the profile."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Public addresses by name, for the smoke steps."""

    @property
    def stack(self) -> Stack:
        """The stack's builders."""
        return stack_of(self.spec)

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(ground.host for ground in self.grounds)

    @property
    def releases(self) -> tuple[Release, ...]:
        """Releases that any host knows, oldest first."""
        return on_any_host(self.grounds)

    @property
    def claim(self) -> str:
        return f"environment:{self.environment}"

    def release(self, name: str | None) -> Release | None:
        """The release called so, or None."""
        return next((one for one in self.releases if one.id == name), None)

    def step(self, base: str, ground: Ground) -> str:
        """The id of a step: with the host's name where there are several hosts."""
        return base if len(self.grounds) == 1 else f"{base}.{ground.host}"

    def title(self, text: str, ground: Ground) -> str:
        """The title of a step, with the host's name where there are several hosts."""
        return text if len(self.grounds) == 1 else f"{text} on {ground.host}"

    def credentials(self) -> tuple[str, ...]:
        """Names of the credentials that the smoke steps use."""
        return tuple(dict.fromkeys(name.secret for step in self.smoke for name in secret_names(step)))


def read_site(ctx: FactsContext) -> Site:
    """Read all hosts of the environment, side by side. Raises RefusalError with what to do."""
    environment = ctx.environment
    stack = environment.stack
    names = tuple(environment.hosts)

    def ground(name: str) -> Ground:
        return stack.ground(ctx.host(name))

    try:
        with ThreadPoolExecutor(max_workers=min(8, len(names)), thread_name_prefix="ground") as pool:
            grounds = tuple(pool.map(ground, names))
    except StackError as error:
        raise RefusalError(Refusal(reason=str(error), ways_out=error.ways_out)) from error
    return Site(
        environment=environment.name,
        spec=stack.spec,
        grounds=grounds,
        smoke=tuple(step.model_dump(mode="json") for step in environment.config.smoke),
        variables=dict(environment.config.urls),
    )


def problems(site: Site) -> Refusal | None:
    """The refusal that follows from what is wrong with any host, or None."""
    found = [problem for ground in site.grounds for problem in ground.problems]
    if not found:
        return None
    ways = tuple(dict.fromkeys(way for problem in found for way in problem.ways_out))
    return Refusal(reason=" ".join(problem.reason for problem in found), ways_out=ways)


def health_of(service: ServiceSpec) -> dict[str, JsonValue]:
    """A service's health check as the profile's model has it, for `stack.healthy@1`."""
    return {
        "kind": service.health,
        "path": service.path,
        "port": service.port,
        "address": service.address,
        "status": service.status,
    }


def ask_live(ctx: FactsContext, site: Site, argv: Sequence[str], service: str) -> str | None:
    """What a reading program prints beside the running service, on the first host that runs it; None if none does.

    A program that fails says nothing that may be relied on: None as well.
    """
    for ground in site.grounds:
        command = site.stack.ask(ground, service, argv)
        if command is None:
            continue
        try:
            result = ctx.host(ground.host).run(command)
        except HostUnreachable:
            raise
        except HostError:
            continue
        if result.rc == 0:
            return result.text()
    return None
