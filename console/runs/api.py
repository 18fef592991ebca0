"""What an action is made of: everything that `actions/` and third parties import to write one.

    facts(ctx, params) -> Facts            reads only
    plan(facts, params) -> Plan | Refusal  pure: no clock, no randomness, no input or output

A plan is data. The engine stores it whole, shows it, and executes what was stored. Its digest covers all that decides
what will happen (effects, undo, hosts, order, gates, claims), and nothing that is only shown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from console.hosts.command import (
    Command,
    Frozen,
    Input,
    InputOutput,
    InputSecret,
    InputTemplate,
    InputText,
    TemplateSecret,
    TemplateValue,
    secrets_of,
)
from console.store.records import canonical_json, digest_of
from console.text.secret import Label

if TYPE_CHECKING:
    import threading
    from datetime import datetime

    from console.environment import Environment
    from console.hosts.base import Host

__all__ = [
    "Action",
    "Block",
    "Command",
    "DiffBlock",
    "Effect",
    "FactsContext",
    "Frozen",
    "Gate",
    "Input",
    "InputOutput",
    "InputSecret",
    "InputTemplate",
    "InputText",
    "Keyring",
    "Label",
    "Op",
    "OpContext",
    "OpHandler",
    "Outcome",
    "Params",
    "Park",
    "Plan",
    "Refusal",
    "RefusalError",
    "Step",
    "TableBlock",
    "TemplateSecret",
    "TemplateValue",
    "TextBlock",
    "canonical_json",
    "digest_of",
    "plan_digest",
]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class Op(Frozen):
    """An effect that is not one command: a named, versioned handler with JSON arguments (`http.smoke@1`).

    A handler is kept as long as a stored journal may name it; a change of meaning is a new version.
    """

    kind: Literal["op"] = "op"
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+@[1-9][0-9]*$")
    args: dict[str, JsonValue] = Field(default_factory=dict)
    writes: bool = False
    """Whether it can change anything, on a host or elsewhere."""
    deadline_s: float = Field(default=60.0, gt=0, le=86_400)


Effect = Annotated[Command | Op, Field(discriminator="kind")]


class Park(Frozen):
    """What a step does that only waits: the overlap of a rotation. It is not lost when the runner or its machine ends.

    When it begins, the run's end of the wait is recorded, its claims on environments and its locks are given back, and
    its other claims are kept. After it the locks are taken again, at once or as soon as nobody else has them.
    """

    kind: Literal["park"] = "park"
    seconds: float = Field(gt=0, le=366 * 86_400)
    """From the moment at which all steps before it in the plan are done."""
    still: tuple[Name, ...] = ()
    """Ids of earlier steps whose checks must say yes again when the run goes on; otherwise a person is asked.

    Other runs may have changed the environment meanwhile: name what the later steps stand on, and nothing else.
    """

    @property
    def writes(self) -> bool:
        """It changes nothing."""
        return False


Doing = Annotated[Command | Op | Park, Field(discriminator="kind")]
"""What a step may do."""


class Gate(Frozen):
    """A read-only check that a step needs. Evaluated when planning (shown) and again by the runner (enforced).

    `check` must answer yes; no and unknown both keep it closed, since a gate without data is closed.
    """

    id: Name
    title: str
    check: Effect

    @model_validator(mode="after")
    def _reads(self) -> Gate:
        if self.check.writes:
            raise ValueError(f"the gate {self.id} can change something; a gate only looks")
        return self


class Step(Frozen):
    """One thing to do, how to see whether it happened, and what undoes it."""

    id: Name
    """`NAME.HOST` says that it is that host's own share of what every host does: the others can go on without it."""
    title: str
    host: str | None = None
    """Name of the host in the profile, or None for a step that runs here."""
    run: Doing
    check: Effect | None = None
    """Did it happen? Runs after `run` and in recovery, never before a first attempt."""
    undo: Effect | None = None
    undo_check: Effect | None = None
    """After the undo: is the system as it was before the run? No or unknown calls a person, once the undo was tried
    again for a while.

    With `no_undo`: did the step leave nothing behind? No tells `no_undo`, where {now} is what this prints.
    """
    no_undo: str | None = None
    """Why nothing undoes it. A done step with this text leaves what it says behind when the run is undone."""
    gates: tuple[Gate, ...] = ()
    needs: tuple[Name, ...] = ()
    """Ids of the steps that must be done first. Steps whose needs are met run side by side, one effect a host.

    A step that parks the run needs all steps before it in the plan, and all after it need it, without a word.
    """
    attempts: int = Field(default=1, ge=1, le=10)
    """How often `run` may be tried; again only after its check (or exit code) said no. Unknown goes to a person."""
    cancel: Literal["now", "boundary", "ask"] = "boundary"
    asks: str = ""
    """A question that a person must answer before it begins, once the steps that it needs are done: the point of no
    return. Go on, undo or leave; nobody answers for them. Empty: it begins without asking."""
    certainty: Literal["certain", "conditional", "unknown"] = "certain"
    shown: str = ""
    """What a conditional or unknown step depends on, in words; extra help on the plan screen. Not in the digest."""

    @model_validator(mode="after")
    def _sound(self) -> Step:
        if isinstance(self.run, Park):
            others = (self.host, self.check, self.undo, self.undo_check, self.no_undo)
            if any(one is not None for one in others) or self.gates or self.asks or self.attempts != 1:
                raise ValueError(f"the step {self.id} only waits: it has no host, check, undo, gates, asks or attempts")
        if self.run.writes and self.undo is None and not self.no_undo:
            raise ValueError(f"the step {self.id} changes something: give it an `undo`, or `no_undo` with the reason")
        if self.undo is not None and self.no_undo:
            raise ValueError(f"the step {self.id} has both `undo` and `no_undo`")
        if self.check is not None and self.check.writes and not isinstance(self.check, Command):
            raise ValueError(f"the check of step {self.id} can change something")
        for effect in (self.run, self.check, self.undo, self.undo_check):
            if isinstance(effect, Command) and self.host is None:
                raise ValueError(f"the step {self.id} runs a command and names no host")
        return self


class TextBlock(Frozen):
    """A paragraph or a file on the plan screen."""

    kind: Literal["text"] = "text"
    title: str
    text: str
    tone: Literal["plain", "good", "warn", "bad"] = "plain"


class TableBlock(Frozen):
    """A table on the plan screen."""

    kind: Literal["table"] = "table"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class DiffBlock(Frozen):
    """What a file, or a list of settings, was and will be."""

    kind: Literal["diff"] = "diff"
    title: str
    before: str
    after: str


Block = Annotated[TextBlock | TableBlock | DiffBlock, Field(discriminator="kind")]


class Plan(Frozen):
    """What a run will do, whole and as data."""

    kind: Literal["plan"] = "plan"
    action: Name
    version: int = 1
    environment: str
    title: str
    claims: tuple[str, ...]
    """What the run holds exclusively: `environment:production`, `credential:jwt`."""
    hosts: tuple[str, ...]
    """Every host of the environment that takes part, in the order of the profile; the first one proves ownership."""
    without: tuple[str, ...] = ()
    """Hosts of the environment that were left out by name. Written by planning, never by an action."""
    steps: tuple[Step, ...]
    blocks: tuple[Block, ...] = ()
    credentials: tuple[str, ...] = ()
    """All credentials that steps and undo read: the runner reads them before the first change. A value with another
    label than `current` is named with it: `jwt#previous`."""
    makes: tuple[str, ...] = ()
    """Credentials that steps of this plan store before others read them (`jwt#pending`): not read beforehand.

    Their labels move on from step to step: once it has ended, the check of the last step says how it was left.
    """
    as_before: str = ""
    """What 'the system is as before' means here, shown when it was undone: 'release r1 (1.0.0) is live'."""
    on_failure: Literal["undo", "ask"] = "undo"
    """What follows a step that failed. `ask`: it stops there and a person chooses, since as before is no good place.

    Behind a wait (Park), and behind a step to which a person agreed (`Step.asks`), it is always a person who chooses.
    """

    @model_validator(mode="after")
    def _sound(self) -> Plan:
        for host in self.without:
            if host in self.hosts:
                raise ValueError(f"{host} takes part in the plan and is left out of it")
        seen: set[str] = set()
        checked: set[str] = set()
        for step in self.steps:
            if step.id in seen:
                raise ValueError(f"two steps of the plan are called {step.id}")
            for need in step.needs:
                if need not in seen:
                    raise ValueError(f"the step {step.id} needs {need}, which is not an earlier step")
            if step.host is not None and step.host not in self.hosts:
                raise ValueError(f"the step {step.id} runs on {step.host}, which is not one of the plan's hosts")
            for effect in (step.run, step.check, step.undo, step.undo_check, *(gate.check for gate in step.gates)):
                stdin = effect.stdin if isinstance(effect, Command) else None
                for one in secrets_of(stdin):
                    if isinstance(one, TemplateSecret) and one.missing == "empty":
                        continue
                    if one.credential not in (*self.credentials, *self.makes):
                        raise ValueError(
                            f"the step {step.id} reads {one.credential}, not one of the plan's credentials"
                        )
                if isinstance(stdin, InputOutput) and stdin.step not in seen:
                    raise ValueError(f"the step {step.id} reads an output of {stdin.step}, which is no earlier step")
            for name in step.run.still if isinstance(step.run, Park) else ():
                if name not in checked:
                    raise ValueError(f"the step {step.id} looks at {name} again, which is no earlier step with a check")
            seen.add(step.id)
            if step.check is not None and not step.check.writes:
                checked.add(step.id)
        return self

    @property
    def digest(self) -> str:
        """SHA-256 over what will happen; titles, blocks and explanations are left out."""
        return plan_digest(self.model_dump(mode="json"))


def plan_digest(plan: Mapping[str, Any]) -> str:
    """The digest of a plan in its stored form, which a plan of an older version keeps."""
    steps = []
    for step in plan["steps"]:
        gates = [{name: value for name, value in gate.items() if name != "title"} for gate in step.get("gates", ())]
        # A question only where there is one: a plan of before steps could ask keeps its digest.
        left = ("title", "shown") if step.get("asks") else ("title", "shown", "asks")
        steps.append({**{name: value for name, value in step.items() if name not in left}, "gates": gates})
    covered = ("action", "version", "environment", "claims", "hosts", "credentials")
    # Only where there are any: a plan that was stored before hosts could be left out, before one could ask when it
    # fails, or before it could store credentials itself, keeps its digest.
    left_out = {"without": plan["without"]} if plan.get("without") else {}
    asks = {"on_failure": "ask"} if plan.get("on_failure") == "ask" else {}
    makes = {"makes": plan["makes"]} if plan.get("makes") else {}
    return digest_of({**{name: plan.get(name) for name in covered}, **left_out, **asks, **makes, "steps": steps})


class Refusal(Frozen):
    """Why an action will not be planned, and what a person can do instead."""

    kind: Literal["refusal"] = "refusal"
    reason: str
    ways_out: tuple[str, ...] = ()
    unreachable: bool = False
    """True if the reason is a host or service that does not answer (exit code 5 instead of 4)."""


class RefusalError(Exception):
    """Raised by `facts` when reading already shows that there can be no plan."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal
        self.ways_out = refusal.ways_out
        self.exit_code = 5 if refusal.unreachable else 4


class Outcome(Frozen):
    """How an effect ended: yes, no or unknown; the evidence a person is shown; outputs for later steps."""

    verdict: Literal["yes", "no", "unknown"]
    evidence: str = ""
    outputs: dict[str, JsonValue] = Field(default_factory=dict)


class Params(BaseModel):
    """Base of an action's parameters. The form and `--set` are made from its fields.

    A field's `title` and `description` label it on the form, and `Action.suggest` may offer values for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class Keyring(Protocol):
    """The labelled values of the credentials that this environment rotates. Nothing of a value is ever returned."""

    def fingerprints(self, name: str) -> Mapping[Label, str]:
        """Label to fingerprint of every value there is. Raises KeyringLocked, KeyringRefused."""
        ...

    def store(self, name: str, label: Label, value: str) -> str:
        """Store a value, read it back; its fingerprint. The redactor knows it before. Raises KeyringLocked."""
        ...

    def copy(self, name: str, source: Label, target: Label) -> None:
        """Give the value of one label another one as well. Raises CredentialMissing, KeyringLocked."""
        ...

    def drop(self, name: str, label: Label) -> None:
        """Take a label and its value away; nothing if there is none. Raises KeyringLocked."""
        ...

    def verified(self, name: str) -> None:
        """Note that the current value was just proved to work. Raises CredentialMissing, KeyringLocked."""
        ...


class FactsContext(Protocol):
    """What `facts` may use: reading, and values that are drawn once for both plannings."""

    @property
    def environment(self) -> Environment:
        """The environment, bound to its hosts, stack and feeds. Its hosts refuse commands that write."""
        ...

    @property
    def user(self) -> str:
        """Who asks: `name@machine`."""
        ...

    @property
    def unseen(self) -> bool:
        """Whether the plan is carried out without anybody reading it (`run --yes`): what it only shows may stay out."""
        ...

    def host(self, name: str) -> Host:
        """A host of this environment, read only. Raises HostUnreachable or HostRefused."""
        ...

    def secret(self, name: str) -> str:
        """A credential's value, for a reading client (registry): `registry`, or with a label `jwt#previous`.

        Raises CredentialMissing or KeyringLocked.
        """
        ...

    def now(self) -> datetime:
        """The time of the first planning, UTC."""
        ...

    def draw(self, key: str, make: Callable[[], JsonValue]) -> JsonValue:
        """A value that is made once and carried into the second planning: new ids, measured figures."""
        ...


class OpContext(Protocol):
    """What the handler of an Op may use while a run executes it."""

    @property
    def environment(self) -> Environment: ...

    @property
    def run(self) -> str:
        """The run's id."""
        ...

    @property
    def step(self) -> str: ...

    @property
    def attempt(self) -> int: ...

    @property
    def deadline_s(self) -> float:
        """Seconds left for this effect."""
        ...

    @property
    def cancelled(self) -> threading.Event: ...

    @property
    def outputs(self) -> Mapping[str, Mapping[str, JsonValue]]:
        """Outputs of the steps done so far, by step id."""
        ...

    def host(self) -> Host:
        """The step's host. Raises ValueError for a step that runs here."""
        ...

    def guarded(self, command: Command, *, stdin: bytes | None = None) -> Outcome:
        """Run a changing command on the step's host under its guard; output goes to the spool."""
        ...

    def secret(self, name: str) -> str:
        """A credential's value: `registry`, or with a label `jwt#pending`. Already known to the redactor."""
        ...

    def input(self, command: Command) -> bytes | None:
        """The standard input that a command names, with its secrets: for a reading command that a handler runs itself.

        Raises KeyError, CannotBeWritten, CredentialError, each with a sentence.
        """
        ...

    @property
    def keyring(self) -> Keyring:
        """Labelled values of credentials, to store and to move. Raises ValueError where this run has none."""
        ...

    def say(self, text: str) -> None:
        """A line for the spool: what is waited for and since when, what was seen."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait, at most until the deadline or a cancel."""
        ...


OpHandler = Callable[[OpContext, Mapping[str, Any]], Outcome]

P = TypeVar("P", bound=Params)
F = TypeVar("F", bound=Frozen)


class Action(ABC, Generic[P, F]):
    """A kind of operation; a module offers one object of a subclass as entry point of `quarterdeck.actions`."""

    name: ClassVar[str]
    title: ClassVar[str]
    help: ClassVar[str]
    danger: ClassVar[Literal["reads", "changes", "destroys"]] = "changes"
    params_type: ClassVar[type[Params]]
    facts_type: ClassVar[type[Frozen]]
    ops: ClassVar[Mapping[str, OpHandler]] = {}
    """Handlers of this action's own Ops; those of `console.probes` are always there."""

    @abstractmethod
    def facts(self, ctx: FactsContext, params: P) -> F:
        """Read what planning needs. Raises RefusalError, HostError."""

    @abstractmethod
    def plan(self, facts: F, params: P) -> Plan | Refusal:
        """Decide what to do. Pure."""

    def suggest(self, ctx: FactsContext, field: str) -> Sequence[tuple[str, str]]:
        """Values that the form offers for a field: (value, what it is). None by default."""
        return ()
