"""Facts and plan: read what is, decide what to do. When asked, and once more by the runner before the first change."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue, ValidationError

from console.hosts.base import HostError, HostUnreachable
from console.runs import left_out
from console.runs.api import Action, Frozen, Params, Plan, Refusal, RefusalError
from console.stacks.base import StackError
from console.stacks.registry import RegistryError

if TYPE_CHECKING:
    from console.environment import Environment
    from console.hosts.base import Host


class BadParameters(Exception):
    """The parameters given do not fit the action. Sentences, one a line."""

    exit_code = 2


class _Looking:
    """A host that only reads: what changes it raises PermissionError, whatever an action's author tries."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def __getattr__(self, name: str) -> Any:
        if name in ("guarded", "attach", "end_step", "script", "close"):
            raise PermissionError(f"facts may only read; they called {name} on {self._host.name}")
        return getattr(self._host, name)


class _LookingHosts(Mapping[str, "Host"]):
    """Hosts that only read."""

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        self._hosts = hosts

    def __getitem__(self, name: str) -> Host:
        looking: Any = _Looking(self._hosts[name])
        host: Host = looking
        return host

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)

    def close(self) -> None:
        close = getattr(self._hosts, "close", None)
        if close is not None:
            close()


def looking(environment: Environment) -> Environment:
    """The same environment, whose hosts only read; so are those of the others that are reached through it."""
    twin = copy.copy(environment)
    hosts: Any = _LookingHosts(environment.hosts)
    twin.hosts = hosts
    other = environment.other
    twin.other = lambda name: looking(other(name))  # type: ignore[method-assign]
    return twin


class Context:
    """What `facts` may use; draws are kept so that the second planning sees the same."""

    def __init__(
        self,
        environment: Environment,
        user: str,
        draws: dict[str, JsonValue],
        secret: Callable[[str], str],
        *,
        unseen: bool = False,
    ) -> None:
        self._environment = looking(environment)
        self._user = user
        self.draws = draws
        self._secret = secret
        self._unseen = unseen

    @property
    def environment(self) -> Environment:
        return self._environment

    @property
    def user(self) -> str:
        return self._user

    @property
    def unseen(self) -> bool:
        return self._unseen

    def host(self, name: str) -> Host:
        return self._environment.hosts[name]

    def secret(self, name: str) -> str:
        return self._secret(name)

    def now(self) -> datetime:
        drawn = self.draw("now", time.time)
        return datetime.fromtimestamp(float(str(drawn)), UTC)

    def draw(self, key: str, make: Callable[[], JsonValue]) -> JsonValue:
        if key not in self.draws:
            self.draws[key] = make()
        return self.draws[key]


@dataclass(frozen=True, slots=True)
class Planned:
    """What one planning gave."""

    facts: Frozen | None
    plan: Plan | None
    refusal: Refusal | None
    draws: Mapping[str, JsonValue]
    at: float


def parameters(action: Action[Any, Any], values: Mapping[str, object]) -> Params:
    """The action's parameters from texts or JSON values. Raises BadParameters, every mistake at once."""
    from profiles.base import nearest

    known = action.params_type.model_fields
    sentences = []
    for name in values:
        if name not in known:
            near = nearest(name, known)
            sentences.append(
                f"{action.name} has no parameter {name}."
                + (f" Did you mean {near}?" if near else f" It has: {', '.join(known) or 'none'}.")
            )
    if sentences:
        raise BadParameters("\n".join(sentences))
    try:
        return action.params_type.model_validate(dict(values))
    except ValidationError as error:
        for one in error.errors():
            name = ".".join(str(part) for part in one["loc"]) or action.name
            if one["type"] == "missing":
                sentences.append(f"{action.name} needs the parameter {name}: give it with --set {name}=….")
            else:
                sentences.append(f"The parameter {name}: {one['msg'].removeprefix('Value error, ').rstrip('.')}.")
        raise BadParameters("\n".join(sentences)) from error


def make_plan(
    action: Action[Any, Any],
    environment: Environment,
    params: Params,
    *,
    user: str,
    secret: Callable[[str], str],
    draws: Mapping[str, JsonValue] | None = None,
    unseen: bool = False,
) -> Planned:
    """Read the facts and plan. What cannot be read or planned is a refusal with its sentence, never a traceback.

    Hosts that the environment was bound without (`Environment.without`) are named in the plan, and nothing is planned
    for them. `unseen`: nobody will read the plan before it is carried out.
    """
    context = Context(environment, user, dict(draws or {}), secret, unseen=unseen)
    at = time.time()
    answers = left_out.asked(environment, context.draws)

    def refused(reason: str, ways_out: Sequence[str] = (), unreachable: bool = False) -> Planned:
        refusal = Refusal(reason=reason, ways_out=tuple(ways_out), unreachable=unreachable)
        return Planned(None, None, refusal, context.draws, at)

    try:
        facts = action.facts(context, params)
    except RefusalError as error:
        return Planned(None, None, error.refusal, context.draws, at)
    except HostUnreachable as error:
        return refused(str(error), left_out.way_out(environment, error.host), unreachable=True)
    except (HostError, StackError) as error:
        return refused(str(error), getattr(error, "ways_out", ()))
    except RegistryError as error:
        return refused(str(error), unreachable=error.unreachable)
    outcome = action.plan(facts, params)
    if isinstance(outcome, Refusal):
        return Planned(facts, None, outcome, context.draws, at)
    if not environment.left_out:
        return Planned(facts, outcome, None, context.draws, at)
    wrong = [step.host for step in outcome.steps if step.host in environment.left_out]
    wrong += [name for name in outcome.hosts if name in environment.left_out]
    if wrong:
        return refused(f"The action {action.name} cannot do without {wrong[0]}: it plans for it though it is left out.")
    blocks = (left_out.block(environment, answers()), *outcome.blocks)
    whole = outcome.model_copy(update={"without": environment.left_out, "blocks": blocks})
    return Planned(facts, whole, None, context.draws, at)
