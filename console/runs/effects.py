"""Executes one effect of a run and gives its outcome: yes, no or unknown, never a guess.

Commands go to their host, changing ones under the guard; Ops go to their handlers. Output goes to the spool. A broken
connection is made again and the attempt on the host found again, until the effect's own deadline.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue

from console.credentials.errors import CredentialError
from console.environment import value_of
from console.hosts.base import (
    AttemptExists,
    FenceRefused,
    GateHeld,
    GroundMissing,
    Guard,
    HostBusy,
    HostError,
    HostRefused,
    HostUnreachable,
    LoginRefused,
    NoSuchAttempt,
    Result,
)
from console.hosts.command import Command, InputOutput, InputSecret, InputTemplate, InputText
from console.hosts.template import filled_in
from console.runs.api import Keyring, Op, OpHandler, Outcome
from console.runs.ownership import CutOff, OwnershipLost
from console.runs.said import telling
from console.stacks.base import StackError
from console.text.envfile import CannotBeWritten
from console.text.sanitise import clean

if TYPE_CHECKING:
    from console.environment import Environment
    from console.hosts.base import Host
    from console.runs.spool import Spool
    from console.text.redact import Redactor
    from console.timing import Timing

SHOWN_LINES = 6
PART = re.compile(r"(\.[A-Z]+[0-9]*)+$")
"""What stands after a step's id in the label of its check, gate, undo or parts: capitals, which no id has."""
LOST = "It left no exit code on the host: it was killed there, the host was restarted, or its disk is full."
OUTPUT_LIMIT = 16 * 1024
"""Characters of standard output that become the output `out` of a step."""


@dataclass
class Executor:
    """What effects of one run need. Used from several threads, one effect a host at a time."""

    environment: Environment
    run: str
    handlers: Mapping[str, OpHandler]
    spool: Spool
    redactor: Redactor
    secret: Callable[[str], str]
    fences: Mapping[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    keyring: Keyring | None = None
    hurried: threading.Event = field(default_factory=threading.Event)
    """Set while nobody wants to wait for a host that is away: what only looks is then not looked at again."""

    def guard(self, host: str, label: str, attempt: int, records: Sequence[str] = ()) -> Guard:
        """The guard of one attempt on a host; the last of `records` is its intent."""
        before = "".join(f"{line}\n" for line in records[:-1])
        intent = records[-1] if records else None
        return Guard(self.environment.directory, self.fences.get(host, ""), self.run, label, attempt, intent, before)

    def execute(
        self,
        effect: Command | Op,
        *,
        label: str,
        host: str | None,
        attempt: int | None,
        records: Sequence[str] = (),
        cancel: threading.Event | None = None,
        recorded: Callable[[], object] = lambda: None,
    ) -> Outcome:
        """Execute it. `label` and `attempt` name the attempt's directory on the host.

        `attempt` None: a check, which looks anew each time. `records`: lines that the host does not have, the last one
        the intent; `recorded` is called once the guard there is known to have them.
        Raises OwnershipLost, GroundMissing.
        """
        if attempt is None:
            attempt = 1 if not effect.writes else 1 + secrets.randbelow(1_000_000_000)
        try:
            if isinstance(effect, Command):
                if host is None:
                    raise ValueError(f"the command of {label} names no host")
                return self._command(effect, label, self.environment.hosts[host], attempt, records, cancel, recorded)
            return self._op(effect, label, host, attempt, cancel)
        except FenceRefused as error:
            raise OwnershipLost(str(error)) from error
        finally:
            self.spool.end(label, attempt)

    def attach(
        self, effect: Command, *, label: str, host: str, attempt: int, cancel: threading.Event | None
    ) -> Outcome:
        """Follow an attempt that was started before, to its end. Raises OwnershipLost."""
        target = self.environment.hosts[host]
        command = effect.for_attempt(self.run, label, attempt)
        began = time.monotonic()
        try:
            return self._follow(target, command, label, attempt, 0, began, cancel)
        finally:
            self.spool.end(label, attempt)

    # -- commands ----------------------------------------------------------------------------------------------

    def _command(
        self,
        effect: Command,
        label: str,
        host: Host,
        attempt: int,
        records: Sequence[str],
        cancel: threading.Event | None,
        recorded: Callable[[], object],
    ) -> Outcome:
        command = effect.for_attempt(self.run, label, attempt)
        sink = _Sink(self.spool, label, attempt)
        try:
            stdin = self._stdin(command)
        except KeyError as error:
            return Outcome(verdict="no", evidence=str(error.args[0]))
        except (CannotBeWritten, CredentialError) as error:
            return Outcome(verdict="no", evidence=clean(str(error)))
        if not command.writes:
            return self._read(command, host, stdin, sink, cancel)
        guard = self.guard(host.name, label, attempt, records)
        began, refused = time.monotonic(), _Refused(self.environment.timing)
        while True:
            try:
                result = host.guarded(command, guard, stdin=stdin, on_output=sink, cancel=cancel)
                if result.rc is not None:
                    recorded()
                return self._outcome(command, result)
            except AttemptExists:
                return self._follow(host, command, label, attempt, sink.count, began, cancel)
            except GateHeld as error:
                raise OwnershipLost(str(error)) from error
            except HostBusy as error:
                if time.monotonic() - began > command.deadline_s:
                    return Outcome(verdict="no", evidence=clean(str(error)))
                time.sleep(0.5)
            except HostUnreachable as error:
                self.spool.say(label, attempt, f"lost {host.name}: {error} Looking for the attempt there.")
                found = self._found_again(host, guard, command, began, cancel)
                if found == "unknown":
                    return Outcome(verdict="unknown", evidence=f"lost, and not reached again: {clean(str(error))}")
                if found == "there":
                    return self._follow(host, command, label, attempt, sink.count, began, cancel)
                time.sleep(min(1.0, self.environment.timing.heartbeat_s))
            except LoginRefused as error:
                refused.once_more(error)
            except HostRefused as error:
                return Outcome(verdict="no", evidence=clean(str(error)))
            except (FenceRefused, GroundMissing):
                raise
            except HostError as error:
                return Outcome(verdict="unknown", evidence=clean(str(error)))

    def _read(
        self, command: Command, host: Host, stdin: bytes | None, sink: _Sink, cancel: threading.Event | None
    ) -> Outcome:
        """What only looks is looked at again after a loss, within its own deadline."""
        began, refused = time.monotonic(), _Refused(self.environment.timing)
        while True:
            try:
                return self._outcome(command, host.run(command, stdin=stdin, on_output=sink, cancel=cancel))
            except LoginRefused as error:
                refused.once_more(error)
            except HostUnreachable as error:
                hurried = self.hurried.is_set() or (cancel is not None and cancel.is_set())
                if hurried or time.monotonic() - began > command.deadline_s:
                    return Outcome(verdict="unknown", evidence=clean(str(error)))
                time.sleep(min(1.0, self.environment.timing.heartbeat_s))
            except HostError as error:
                return Outcome(verdict="unknown", evidence=clean(str(error)))

    def _found_again(
        self, host: Host, guard: Guard, command: Command, began: float, cancel: threading.Event | None
    ) -> str:
        """`there`: the attempt began on the host; `not begun`: it did not; `unknown`: not reached in time."""
        timing = self.environment.timing
        ends, refused = began + command.deadline_s + timing.lock_dead_s, _Refused(timing)
        while time.monotonic() < ends and not (cancel is not None and cancel.is_set()):
            try:
                return "there" if host.step_on_host(guard).exists else "not begun"
            except LoginRefused as error:
                refused.once_more(error)
            except HostError:
                time.sleep(min(1.0, timing.heartbeat_s))
        return "unknown"

    def _follow(
        self,
        host: Host,
        command: Command,
        label: str,
        attempt: int,
        offset: int,
        began: float,
        cancel: threading.Event | None,
    ) -> Outcome:
        """What became of an attempt that is there: whatever goes wrong with looking, it is not known, and no more."""
        guard = self.guard(host.name, label, attempt)
        sink = _Sink(self.spool, label, attempt, offset)
        ends = began + command.deadline_s + self.environment.timing.lock_dead_s
        refused = _Refused(self.environment.timing)
        while True:
            try:
                result = host.attach(command, guard, offset=sink.count, on_output=sink, cancel=cancel)
                return self._outcome(command, result)
            except (HostUnreachable, HostBusy) as error:
                if time.monotonic() > ends or (cancel is not None and cancel.is_set()):
                    lost = Result(None, b"", str(error).encode(), "lost", time.monotonic() - began)
                    return self._outcome(command, lost)
                time.sleep(min(1.0, self.environment.timing.heartbeat_s))
            except LoginRefused as error:
                refused.once_more(error)
            except NoSuchAttempt:
                return Outcome(verdict="unknown", evidence=f"{host.name} knows nothing of this attempt")
            except HostError as error:
                return Outcome(verdict="unknown", evidence=clean(str(error)))

    def _stdin(self, command: Command) -> bytes | None:
        match command.stdin:
            case InputText(text=text):
                return text.encode()
            case InputSecret() as one:
                return value_of(self.secret, one).encode()
            case InputTemplate() as template:
                return filled_in(template, lambda one: value_of(self.secret, one)).encode()
            case InputOutput(step=step, name=name):
                if name not in self.outputs.get(step, {}):
                    raise KeyError(f"the step {step} gave no output {name}")
                return str(self.outputs[step][name]).encode()
            case _:
                return None

    def _outcome(self, command: Command, result: Result) -> Outcome:
        said = self._said(result)
        if result.ended == "deadline":
            return Outcome(
                verdict="unknown" if command.writes else "no",
                evidence=f"not done within {command.deadline_s:g} s, ended. {said}".strip(),
            )
        if result.ended in ("cancelled", "lost") or result.rc is None:
            why = "cancelled." if result.ended == "cancelled" else LOST
            return Outcome(verdict="unknown", evidence=f"{why} {said}".strip())
        text = self.redactor.text(result.text())[:OUTPUT_LIMIT]
        outputs: dict[str, JsonValue] = {"out": text, "rc": result.rc}
        if result.rc in command.ok:
            return Outcome(verdict="yes", evidence=said, outputs=outputs)
        verdict: Literal["unknown", "no"] = "unknown" if result.rc in command.no_answer else "no"
        return Outcome(verdict=verdict, evidence=f"exit code {result.rc}. {said}".strip(), outputs=outputs)

    def _said(self, result: Result) -> str:
        """The last lines that a command wrote and that say something, redacted and sanitised."""
        raw = self.redactor.bytes(result.err if result.err.strip() else result.out)  # first: a cut may go through one
        lines = telling(raw[-8192:].decode("utf-8", "replace"), SHOWN_LINES)
        return "\n".join(clean(line) for line in lines)

    # -- ops ---------------------------------------------------------------------------------------------------

    def _op(self, effect: Op, label: str, host: str | None, attempt: int, cancel: threading.Event | None) -> Outcome:
        handler = self.handlers.get(effect.name)
        if handler is None:
            return Outcome(
                verdict="no" if not effect.writes else "unknown",
                evidence=f"nothing here can do {effect.name}; was a plug-in removed since this was planned?",
            )
        context = OpRun(self, effect, label, host, attempt, cancel or threading.Event())
        while True:
            lines = {} if effect.writes else self._lines()
            outcome = self._handled(handler, effect, context, label, attempt)
            over = self.hurried.is_set() or context.cancelled.is_set() or context.deadline_s <= 0
            if effect.writes or outcome.verdict == "yes" or over or self._held(lines):
                return outcome
            self.spool.say(label, attempt, f"a connection broke meanwhile, looking again: {outcome.evidence}")
            context.sleep(min(1.0, self.environment.timing.heartbeat_s))

    def _lines(self) -> dict[str, object | None]:
        """What connects us to the hosts of the run: an Op may look through any of them, whichever its step is on."""
        return {name: self.environment.hosts[name].line() for name in self.fences}

    def _held(self, lines: Mapping[str, object | None]) -> bool:
        """Whether no connection has broken since: what was not seen over one that did says nothing of the system."""
        return None not in lines.values() and lines == self._lines()

    def _handled(self, handler: OpHandler, effect: Op, context: OpRun, label: str, attempt: int) -> Outcome:
        """What its handler says; what it raises is not known, and no more. Raises what a run stops for."""
        try:
            outcome = handler(context, effect.args)
        except (FenceRefused, GroundMissing, OwnershipLost):
            raise
        except LoginRefused as error:
            raise locked_out(error) from error
        except (HostError, StackError, OSError) as error:
            return Outcome(verdict="unknown", evidence=clean(str(error)))
        except Exception as error:  # noqa: BLE001 - a plug-in's mistake must not lose the run; the trace is in the spool
            self.spool.say(label, attempt, traceback.format_exc(limit=8))
            return Outcome(
                verdict="unknown", evidence=f"{effect.name} failed: {type(error).__name__}: {clean(str(error))}"
            )
        evidence = "\n".join(clean(line) for line in self.redactor.text(outcome.evidence).splitlines())
        return outcome.model_copy(update={"evidence": evidence})


def locked_out(error: LoginRefused) -> CutOff:
    """A runner that a host lets in no more has to stop: somebody with a login that works can go on."""
    return CutOff(
        f"{error} This runner does not get in there any more. What it was doing there goes on, and is found again by "
        "whoever goes on with the run; it takes a login that works.",
        error.host,
    )


class _Refused:
    """How long a host has refused our login: as long as a lock lives it is tried again, since that may be mended."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._since: float | None = None

    def once_more(self, error: LoginRefused) -> None:
        """Wait a little before the next try. Raises CutOff once it has lasted too long."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since > self._timing.lock_dead_s:
            raise locked_out(error) from error
        time.sleep(min(1.0, self._timing.heartbeat_s))


class _Sink:
    """Passes output on to the spool and counts it."""

    def __init__(self, spool: Spool, label: str, attempt: int, count: int = 0) -> None:
        self._spool, self._label, self._attempt = spool, label, attempt
        self.count = count

    def __call__(self, kind: str, data: bytes) -> None:
        self.count += len(data)
        self._spool.write(self._label, self._attempt, kind, data)


class OpRun:
    """What a handler may use (OpContext)."""

    def __init__(
        self,
        executor: Executor,
        effect: Op,
        label: str,
        host: str | None,
        attempt: int,
        cancelled: threading.Event,
    ) -> None:
        self._executor = executor
        self._label = label
        self._host = host
        self._attempt = attempt
        self._cancelled = cancelled
        self._ends = time.monotonic() + effect.deadline_s
        self._commands = 0

    @property
    def environment(self) -> Environment:
        return self._executor.environment

    @property
    def run(self) -> str:
        return self._executor.run

    @property
    def step(self) -> str:
        return PART.sub("", self._label)

    @property
    def attempt(self) -> int:
        return self._attempt

    @property
    def deadline_s(self) -> float:
        return max(0.0, self._ends - time.monotonic())

    @property
    def cancelled(self) -> threading.Event:
        return self._cancelled

    @property
    def outputs(self) -> Mapping[str, Mapping[str, JsonValue]]:
        return self._executor.outputs

    def host(self) -> Host:
        if self._host is None:
            raise ValueError(f"the step {self.step} runs here and has no host")
        return self.environment.hosts[self._host]

    def guarded(self, command: Command, *, stdin: bytes | None = None) -> Outcome:
        if stdin is not None:
            command = command.model_copy(update={"stdin": InputText(text=stdin.decode())})
        self._commands += 1
        return self._executor.execute(
            command,
            label=f"{self._label}.PART{self._commands}",
            host=self._host,
            attempt=self._attempt,
            cancel=self._cancelled,
        )

    def secret(self, name: str) -> str:
        return self._executor.secret(name)

    def input(self, command: Command) -> bytes | None:
        return self._executor._stdin(command)

    @property
    def keyring(self) -> Keyring:
        if self._executor.keyring is None:
            raise ValueError("this run was given no keyring to write to")
        return self._executor.keyring

    def say(self, text: str) -> None:
        self._executor.spool.say(self._label, self._attempt, text)

    def sleep(self, seconds: float) -> None:
        self._cancelled.wait(max(0.0, min(seconds, self.deadline_s)))
