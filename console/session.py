"""What the screens may ask: the one door between what is drawn and everything below.

Screens hold no logic: they draw plain values (`console.watch.views`, plan blocks, `RunShown`) and ask here. The real
session is `console.live.session.LiveSession`; snapshots are taken with a fixed one. Methods marked *blocking* are
called from worker threads only; the others answer at once from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from console.answers import ARMED_S as ARMED_S
from console.answers import AskFailed as AskFailed
from console.answers import Happening as Happening
from console.answers import KeyringShown as KeyringShown
from console.answers import Locked as Locked
from console.answers import NoProfile as NoProfile
from console.answers import NotTrusted as NotTrusted
from console.answers import SessionBound as SessionBound
from console.watch.views import NOTHING

if TYPE_CHECKING:
    from console.feeds.lines import LogLine
    from console.watch.views import ChecklistView, EnvironmentView, MetricsView, RunLine, SystemView


class ActionShown(NamedTuple):
    """An action as a menu shows it, without importing its module."""

    name: str
    title: str
    help: str
    danger: str


class FieldShown(NamedTuple):
    """One parameter of an action as a form shows it."""

    name: str
    title: str
    help: str
    kind: Literal["text", "choice", "flag", "number"]
    required: bool
    default: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    """(value, what it is): to choose from, or for `text` only suggestions."""


Choice = Literal["undo", "leave", "resume", "now"]
"""What may be decided about a run. `now`: the rest of its wait is skipped."""


def way(word: str, run: str) -> str:
    """The command by which a person says a word of `RunShown.can`."""
    if word == "now":
        return f"quarterdeck runs resume {run} --now --reason TEXT"
    return f"quarterdeck runs {word} {run}"


WITHOUT = "--without"
"""The field of a form, and the value given to `plan`, that names hosts to leave out, with commas between them.

No parameter of an action can be called so.
"""


class StepShown(NamedTuple):
    """One step of a plan or run."""

    id: str
    title: str
    host: str
    command: str
    """What is executed, as a person would type it; for an Op its name and arguments."""
    undo: str = ""
    no_undo: str = ""
    check: str = ""
    undo_check: str = ""
    certainty: str = "certain"
    note: str = ""
    gates: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    state: str = "waiting"
    """waiting, running, done, failed, unknown, undoing, undone, left, skipped; `cut off`: a runner died at it, and it
    changed nothing."""
    started: float = 0.0
    took_s: float = 0.0
    attempt: int = 0
    evidence: str = ""
    said: str = ""
    """The evidence in one line."""


class BlockShown(NamedTuple):
    """A block of a plan: `text`, `table` (columns, rows) or `diff` (before, after)."""

    kind: Literal["text", "table", "diff"]
    title: str
    text: str = ""
    tone: str = "plain"
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    before: str = ""
    after: str = ""


class PlanShown(NamedTuple):
    """A plan, ready to be confirmed; or why there is none (`refusal`)."""

    action: str
    environment: str
    title: str
    digest: str
    danger: str
    steps: tuple[StepShown, ...] = ()
    blocks: tuple[BlockShown, ...] = ()
    as_before: str = ""
    asks: bool = False
    """A step that fails is not undone by itself: it stops, and a person is asked."""
    refusal: str = ""
    ways_out: tuple[str, ...] = ()
    unreachable: bool = False
    """The refusal is a host or service that does not answer."""
    made_at: float = 0.0
    params: Mapping[str, Any] = NOTHING
    token: Any = None
    """Given back to `start`; means nothing to a screen."""
    session_bound: str = ""
    """The SSH agent it would use goes away with this login, in a sentence; then a person says that he knows it."""
    foreign: str = ""
    """Where it came from, in a sentence, if it is of a run that was not made here; then nothing of it is shortened."""
    without: tuple[str, ...] = ()
    """Hosts that were left out by name."""
    undoing: bool = False
    """It is that of a run which is being taken back: to go on with that is to finish the undo."""


class RunShown(NamedTuple):
    """A run as its screen shows it."""

    line: RunLine
    steps: tuple[StepShown, ...]
    ending: str = ""
    """The ending in words once it is closed, with what to do if a human is needed."""
    question: str = ""
    """What it waits for from a person, if anything."""
    parked: str = ""
    """While it is parked and nothing happens with it: until when; or since when it is due, and what it waits for."""
    can: tuple[Literal["cancel", "undo", "resume", "leave", "now"], ...] = ()
    exit_code: int | None = None
    reason: str = ""
    where: str = ""
    digest: str = ""
    foreign: bool = False
    """It was not made here: `answer` wants the digest of its plan, which a person has seen and confirmed."""
    take_over: str = ""
    """Whose dead lock is taken over by who answers for it; then `answer` wants a reason."""
    without: tuple[str, ...] = ()
    """Hosts that were left out of it by name."""
    undoing: bool = False
    """It is being taken back: to go on with it is to finish that."""
    as_before: str = ""
    """What is so once it was taken back, in its plan's words: 'r1 (1.0.0) is live'; empty where that tells nothing."""


class OutputShown(NamedTuple):
    """A piece of a run's output, sanitised and redacted."""

    step: str
    text: str
    offset: int
    """Where to go on reading."""


class ReleaseShown(NamedTuple):
    """One release in the list."""

    id: str
    candidate: str
    when: str
    who: str
    verified: str
    """When it was verified, or empty."""
    live: bool
    undone: bool
    action: str
    schema: str
    images: tuple[tuple[str, str], ...]
    run: str
    can_go_back: str = ""
    """Empty if one can roll back to it, else why not."""
    doubt: str = ""
    """What that hangs on, where only its plan finds out."""
    without: tuple[str, ...] = ()
    """Hosts that were left out of it and do not have it: behind, while it is live."""


class CredentialShown(NamedTuple):
    """What may be shown of a credential; never its value."""

    name: str
    title: str = ""
    kind: str = "other"
    state: Literal["fine", "due", "overdue", "no rule", "not set", "unknown"] = "not set"
    set_at: str = ""
    age_days: int | None = None
    due: str = ""
    """The day on which it is due to be renewed, or empty."""
    overdue: str = ""
    """The day on which it is in breach of its rule, or empty."""
    verified_at: str = ""
    """When it was last proved to work, or empty."""
    fingerprint: str = ""
    labels: tuple[str, ...] = ()
    """Which values of it are there: current, pending, previous, retired."""
    where: str = ""
    used: tuple[str, ...] = ()
    """What uses it, in words."""
    fields: tuple[str, ...] = ()
    """Names of its fields, if its value is not one text."""


class Listener(Protocol):
    """What a session calls, from any thread, when something new is known."""

    def system(self, view: SystemView) -> None:
        """The profile was read (or read again): environments, their order and titles."""

    def environment(self, view: EnvironmentView) -> None: ...

    def metrics(self, environment: str, view: MetricsView) -> None: ...

    def checklist(self, environment: str, view: ChecklistView) -> None: ...

    def logs(self, environment: str, lines: list[LogLine]) -> None: ...

    def runs(self, lines: tuple[RunLine, ...]) -> None: ...

    def happened(self, what: Happening) -> None: ...


class Session(Protocol):
    """One console on one profile."""

    def last_known(self) -> SystemView | None:
        """What the last session saw, marked stale; None the first time. Fast: read before the first paint."""
        ...

    def open(self, listener: Listener) -> None:
        """*Blocking.* Read the profile and begin to look. Raises AskFailed (bad profile, not trusted)."""
        ...

    def close(self) -> None:
        """Stop looking and remember what was seen. Runs go on."""
        ...

    def watch(self, environment: str) -> None:
        """Look closely at this environment (metrics, logs, checklist) and only from afar at the others."""
        ...

    def refresh(self) -> None:
        """Look at everything again now."""
        ...

    def armed_until(self, environment: str) -> float | None:
        """Until when changes are allowed (unix seconds), or None: read-only."""
        ...

    def arm(self, environment: str, on: bool) -> None:
        """Allow changes for ARMED_S, or take that back."""
        ...

    def keyring(self) -> KeyringShown:
        """How it was found last; never waits for it."""
        ...

    def settle_keyring(self) -> None:
        """*Blocking.* Find out what `keyring` tells; a system's own may not answer for long. Nobody is asked."""
        ...

    def redacted(self, text: str) -> str:
        """A text without the secrets that this session knows: for words that did not come through its door."""
        ...

    def unlock(self, passphrase: str) -> None:
        """*Blocking.* Open it, or make it where it is `unmade`. Raises AskFailed for a wrong passphrase."""
        ...

    def credentials(self) -> tuple[CredentialShown, ...]:
        """*Blocking.* Every credential, by name. Raises AskFailed, Locked."""
        ...

    def set_credential(self, name: str, value: str, field: str = "") -> None:
        """*Blocking.* Store a value that was typed, or one field of it. Raises AskFailed, Locked."""
        ...

    def check_credential(self, name: str) -> tuple[str, str]:
        """*Blocking.* Prove that it works against what it is for: (yes, no or unknown; evidence). Raises AskFailed."""
        ...

    def remove_credential(self, name: str) -> None:
        """*Blocking.* Take it out of the keyring. Raises AskFailed, Locked."""
        ...

    def trust_profile(self) -> None:
        """Remember this profile's digest as trusted, after a person said so."""
        ...

    def actions(self, environment: str) -> tuple[ActionShown, ...]:
        """*Blocking.* Every action there is."""
        ...

    def form(self, action: str, environment: str) -> tuple[FieldShown, ...]:
        """*Blocking.* The action's parameters, with what can be suggested; where there are several hosts, WITHOUT too.

        Raises AskFailed, Locked.
        """
        ...

    def plan(self, action: str, environment: str, values: Mapping[str, str]) -> PlanShown:
        """*Blocking.* Read the facts and plan; `values` may name hosts to leave out (WITHOUT).

        Raises AskFailed, Locked.
        """
        ...

    def confirmation(self, environment: str) -> str:
        """The word that must be typed before a run in this environment, or empty for a plain yes."""
        ...

    def start(self, plan: PlanShown, reason: str, *, session_bound: bool = False) -> str:
        """*Blocking.* Create the run and its detached runner; its id. Raises AskFailed, Locked.

        `session_bound`: the operator knows that his SSH agent goes away with this login. Without it SessionBound.
        """
        ...

    def runs(self) -> tuple[RunLine, ...]:
        """*Blocking.* Every run known here or on the hosts, newest first."""
        ...

    def run(self, id: str) -> RunShown:  # noqa: A002
        """*Blocking.* One run as its records say now. Raises AskFailed."""
        ...

    def output(self, id: str, offset: int, step: str | None) -> Iterator[OutputShown]:  # noqa: A002
        """*Blocking.* What its spool holds from `offset` on, of one step or of all."""
        ...

    def plan_of(self, id: str) -> PlanShown:  # noqa: A002
        """*Blocking.* The plan that a run executes."""
        ...

    def cancel(self, id: str, then: Literal["undo", "leave"] | None = None) -> None:  # noqa: A002
        """*Blocking.* Ask the run to stop as its step allows; `then` is done with it without asking again."""
        ...

    def answer(
        self,
        id: str,  # noqa: A002
        choice: Choice,
        digest: str = "",
        reason: str = "",
        *,
        session_bound: bool = False,
    ) -> None:
        """*Blocking.* What the operator chose for a run that waits, is parked, was interrupted or has ended.

        `digest`: of the plan that was shown and confirmed, for a run that was not made here. `session_bound`: as in
        `start`. Raises AskFailed, SessionBound.
        """
        ...

    def releases(self, environment: str) -> tuple[ReleaseShown, ...]:
        """*Blocking.* Newest first. Raises AskFailed."""
        ...

    def lock(self, environment: str, reason: str | None) -> None:
        """*Blocking.* Lock for a person with a reason; None: unlock. Raises AskFailed."""
        ...

    def checklist(self, environment: str) -> ChecklistView:
        """*Blocking.* Read the document again and give it with ticks and evidence."""
        ...

    def tick(self, environment: str, item: str, done: bool) -> None:
        """*Blocking.* Tick or untick under the person's name."""
        ...

    def verify(self, environment: str, item: str) -> None:
        """*Blocking.* Ask the item's probe now. Raises AskFailed where it has none."""
        ...

    def shell(self, environment: str, service: str | None, host: str | None) -> tuple[str, ...]:
        """*Blocking.* The words that open a shell on the host or in the service; written to the audit first."""
        ...

    def explain(self, environment: str, kind: str, name: str) -> str:
        """*Blocking.* What explains a line of a pane: health output, inspect, query, evidence; sanitised text."""
        ...

    def demo(self) -> Callable[[], None] | None:
        """What stops the demo system, if this session runs on it."""
        ...
