"""What every action on a stack reads: the environment's stack as its profile has it, and the ground on each host."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import Field, JsonValue

from console.hosts.base import HostError, HostUnreachable
from console.runs.api import FactsContext, Frozen, Refusal, RefusalError
from console.stacks.base import ComposeSpec, Ground, Live, ServiceSpec, Stack, StackError, StackSpec, stack_of
from console.stacks.behind import Behind, agreed, behind, counted, not_taken_back, on_any_host
from console.stacks.commands import on_host
from console.stacks.envfiles import FileTemplate
from console.stacks.release import Release, read_releases
from console.stacks.release import next_id as after
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
    left_out: tuple[str, ...] = ()
    """Hosts of the environment that take no part, because somebody left them out by name."""
    moved: tuple[str, ...] = ()
    """Names of smoke steps that are asked from the first host, since theirs is left out."""

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
    def next_id(self) -> str:
        """The id of the next release: above all that any host has a copy of."""
        return after(release for ground in self.grounds for release in ground.releases)

    @property
    def behind(self) -> tuple[Behind, ...]:
        """Hosts that do not have the live release, because they were left out of it; also those left out now."""
        records = {ground.host: ground.releases for ground in self.grounds}
        live = {ground.host: ground.live.release for ground in self.grounds}
        return behind((*self.hosts, *self.left_out), records, live)

    @property
    def not_taken_back(self) -> dict[str, str]:
        """Host to a sentence, where a release is live that was taken back on the others without it."""
        records = {ground.host: ground.releases for ground in self.grounds}
        return not_taken_back(records, {ground.host: ground.live.release for ground in self.grounds})

    @property
    def behind_here(self) -> tuple[Behind, ...]:
        """Those of them that take part."""
        return tuple(one for one in self.behind if one.host in self.hosts)

    @property
    def in_front(self) -> tuple[Ground, ...]:
        """The grounds that are not behind: what runs there is what is meant to. All of them where every one is."""
        late = {one.host for one in self.behind}
        return tuple(ground for ground in self.grounds if ground.host not in late) or self.grounds

    @property
    def live(self) -> set[str | None]:
        """The releases that are live, None for none of ours; hosts that are behind are not asked."""
        return {ground.live.release for ground in self.in_front}

    def ground(self, host: str) -> Ground:
        """The ground of a host that takes part."""
        return next(ground for ground in self.grounds if ground.host == host)

    def has(self, ground: Ground, release: Release) -> bool:
        """Whether a host has ever had a release, as its own records say."""
        return any(one.id == release.id for one in counted(ground.host, ground.releases))

    @property
    def claim(self) -> str:
        return f"environment:{self.environment}"

    def release(self, name: str | None) -> Release | None:
        """The release called so, or None."""
        return next((one for one in self.releases if one.id == name), None)

    def env_files(self, ground: Ground) -> tuple[FileTemplate, ...]:
        """The environment files that the console writes on a host, as the profile has them today."""
        return tuple(file for file in self.spec.env_files if file.on(ground.host))

    def own_env(self, ground: Ground) -> FileTemplate | None:
        """The stack's own environment file (`env_file`), if the console writes it."""
        if not isinstance(self.spec, ComposeSpec) or self.spec.env_file is None:
            return None
        path = on_host(self.spec, self.spec.env_file)
        return next((one for one in self.env_files(ground) if one.path == path), None)

    def env(self, ground: Ground) -> tuple[tuple[str, ...], str]:
        """Names in the stack's own environment file and its fingerprint, as a new release records them.

        Of one that the console writes the names are those of its template, and it has no fingerprint: its values are
        those of the day.
        """
        ours = self.own_env(ground)
        return (ours.keys, "") if ours is not None else (ground.env_keys or (), ground.env_fingerprint)

    def step(self, base: str, ground: Ground) -> str:
        """The id of a step: with the host's name where there are several hosts."""
        return base if len(self.grounds) == 1 else f"{base}.{ground.host}"

    def title(self, text: str, ground: Ground) -> str:
        """The title of a step, with the host's name where there are several hosts."""
        return text if len(self.grounds) == 1 else f"{text} on {ground.host}"

    @property
    def login(self) -> tuple[str, ...]:
        """The credential of the registry that images are fetched from, if it has one."""
        registry = self.spec.registry if isinstance(self.spec, ComposeSpec) else None
        return (registry.credential,) if registry is not None and registry.credential else ()

    def credentials(self) -> tuple[str, ...]:
        """Names of the credentials that the smoke steps use."""
        return tuple(dict.fromkeys(name.secret for step in self.smoke for name in secret_names(step)))


@dataclass(frozen=True, slots=True)
class Question:
    """What a reading program is asked beside a running service."""

    service: str
    argv: tuple[str, ...]
    drawn: str = ""
    """The key under which the first answer is carried into the second planning: for one that a plan only shows."""


def read_site(ctx: FactsContext) -> Site:
    """Read all hosts of the environment, side by side. Raises RefusalError with what to do."""
    return read_site_and_ask(ctx, None)[0]


def read_site_and_ask(ctx: FactsContext, question: Question | None) -> tuple[Site, str | None]:
    """All hosts of the environment, side by side, and what the program of `question` prints meanwhile.

    It is asked on the first host where its service runs. None: nothing was asked, none runs, or the program failed and
    so said nothing that may be relied on. Raises RefusalError with what to do, HostError.
    """
    environment = ctx.environment
    stack = environment.stack
    names = tuple(environment.hosts)
    try:
        with ThreadPoolExecutor(max_workers=min(16, 2 * len(names)) + 1, thread_name_prefix="ground") as pool:
            # In this order: what runs is looked at first, and the others wait for it.
            lives = {name: pool.submit(stack.live, ctx.host(name)) for name in names}
            asked = pool.submit(_answered, ctx, question, lives) if question is not None else None
            seen = list(pool.map(lambda name: stack.ground(ctx.host(name), lives[name].result), names))
            said_by = agreed({ground.host: ground.releases for ground in seen})
            grounds = tuple(ground.model_copy(update={"releases": said_by[ground.host]}) for ground in seen)
            said = asked.result() if asked is not None else None
    except StackError as error:
        raise RefusalError(Refusal(reason=str(error), ways_out=error.ways_out)) from error
    smoke = tuple(step.model_dump(mode="json") for step in environment.config.smoke)
    site = Site(
        environment=environment.name,
        spec=stack.spec,
        grounds=grounds,
        smoke=asked_from(smoke, environment.left_out, names[0]),
        variables=dict(environment.config.urls),
        left_out=environment.left_out,
        moved=tuple(step["name"] for step in smoke if step["via"] in environment.left_out),
    )
    return site, said


def read_behind(ctx: FactsContext) -> tuple[str, ...]:
    """Sentences about hosts that take part and are behind, for an action that reads no site of its own.

    One round trip a host, side by side. Raises HostError, StackError.
    """
    environment = ctx.environment
    names = tuple(environment.hosts)
    with ThreadPoolExecutor(min(8, len(names)), thread_name_prefix="records") as pool:
        read = pool.map(lambda name: read_releases(ctx.host(name), environment.config.state_directory), names)
        records = dict(zip(names, read, strict=True))
    return tuple(
        f"{one.host} was left out of {one.release.shown()}, which is live on the others, and does not have it."
        for one in behind(names, records, {})
    )


def asked_from(smoke: Sequence[JsonValue], hosts: Collection[str], instead: str) -> tuple[JsonValue, ...]:
    """Smoke steps, those that are asked from one of `hosts` from `instead`: every host runs the same services."""
    return tuple(
        {**step, "via": instead} if isinstance(step, dict) and step.get("via") in hosts else step for step in smoke
    )


def _answered(ctx: FactsContext, question: Question, lives: Mapping[str, Future[Live]]) -> str | None:
    if not question.drawn:
        return _answer(ctx, question, lives)
    drawn = ctx.draw(question.drawn, lambda: _answer(ctx, question, lives))
    return None if drawn is None else str(drawn)


def _answer(ctx: FactsContext, question: Question, lives: Mapping[str, Future[Live]]) -> str | None:
    for name, looked in lives.items():
        try:
            ground = Ground(host=name, live=looked.result())
            command = ctx.environment.stack.ask(ground, question.service, question.argv)
            result = ctx.host(name).run(command) if command is not None else None
        except HostUnreachable:
            raise
        except (HostError, StackError):
            continue
        if result is not None and result.rc == 0:
            return result.text()
    return None


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
