"""A host that does what a test says: for faults that cannot be had for real at the wanted moment.

Ships with the product, so that tests of third-party actions can use it. It answers commands from a table, remembers
all that was asked of it, and can be lost just before or just after an effect. What no rule answers goes to `under` (a
`LocalHost` on a directory of the test: real guard, real processes); without one, the guard's own rules (ground, fence,
one attempt once) are kept in memory.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from console.hosts.base import (
    AttemptExists,
    FenceRefused,
    GroundMissing,
    Guard,
    Host,
    HostError,
    HostFacts,
    HostUnreachable,
    LoginRefused,
    NoSuchAttempt,
    OutputSink,
    Result,
    StepOnHost,
)
from console.hosts.command import Command
from console.hosts.refusals import check_guard

if TYPE_CHECKING:
    from docker import APIClient

Kind = Literal["run", "guarded", "script", "read_file", "connect_to", "end_step"]
Lose = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that was asked of the host, in order."""

    kind: Kind
    words: tuple[str, ...]
    command: Command | None = None
    guard: Guard | None = None
    stdin: bytes | None = None


@dataclass(slots=True)
class Rule:
    """What happens to calls whose words begin with `words`; the first rule that fits and is not used up counts."""

    words: tuple[str, ...]
    answer: Result | HostError | None = None
    """What comes back or is raised; None leaves it to `under`."""
    delay_s: float = 0.0
    """Before the answer; cut short by the command's deadline and by a cancel, as on a real host."""
    lose: Lose | None = None
    """The connection breaks before the effect (nothing happens) or after it (it happened and nobody heard)."""
    times: int | None = None
    kind: Kind | None = None


def said(out: str = "", rc: int = 0, err: str = "") -> Result:
    """A result as a command that has ended gives it."""
    return Result(rc, out.encode(), err.encode(), "exited", 0.0)


@dataclass
class ScriptedHost:
    """See the module. `fence` None: there is no `.quarterdeck`. Thread-safe as far as its records go."""

    name: str = "scripted"
    under: Host | None = None
    fence: str | None = "1"
    files: dict[str, bytes] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    down: bool = False
    """As if it had gone: every call raises HostUnreachable until this is False again."""
    locked_out: bool = False
    """As if our key were not taken any more, and the connection had to be made anew: every call raises LoginRefused."""
    by_agents: frozenset[str] = frozenset()
    losses: int = 0
    """How often the connection broke by a rule."""
    attempts: dict[tuple[str, str, int], StepOnHost] = field(default_factory=dict)
    outputs: dict[tuple[str, str, int], bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def address(self) -> str:
        return f"scripted@{self.name}"

    def on(
        self,
        *words: str,
        answer: Result | HostError | None = None,
        delay_s: float = 0.0,
        lose: Lose | None = None,
        times: int | None = None,
        kind: Kind | None = None,
    ) -> ScriptedHost:
        """Add a rule; earlier rules come first. Gives the host back, so that rules can be chained."""
        self.rules.append(Rule(words, answer, delay_s, lose, times, kind))
        return self

    def effects(self) -> list[Asked]:
        """What changed the host, or was let through to."""
        with self._lock:
            return [one for one in self.asked if one.kind == "guarded"]

    def line(self) -> object | None:
        return None if self.down or self.locked_out else self.losses

    def agents(self) -> frozenset[str]:
        self._up()
        return self.by_agents

    # -- what a Host does --------------------------------------------------------------------------------------

    def connect(self) -> HostFacts:
        self._up()
        return (
            self.under.connect() if self.under is not None else HostFacts("scripted", "scripted", "boot", time.time())
        )

    def run(
        self,
        command: Command,
        *,
        stdin: bytes | None = None,
        on_output: OutputSink | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        if command.writes:
            raise ValueError(f"'{command.argv[0]}' can change {self.name}: it needs the guard")

        def real() -> Result:
            if self.under is None:
                raise ValueError(f"{self.name} has no rule for {command.shown()}")
            return self.under.run(command, stdin=stdin, on_output=on_output, cancel=cancel)

        asked = Asked("run", command.argv, command, None, stdin)
        return self._answer(asked, real, command.deadline_s, on_output, cancel)

    def guarded(
        self,
        command: Command,
        guard: Guard,
        *,
        stdin: bytes | None = None,
        on_output: OutputSink | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        if not command.writes:
            raise ValueError(f"'{command.argv[0]}' only reads: it takes no guard")
        check_guard(guard)
        key = (guard.run, guard.step, guard.attempt)

        def real() -> Result:
            if self.under is not None:
                return self.under.guarded(command, guard, stdin=stdin, on_output=on_output, cancel=cancel)
            return said()

        asked = Asked("guarded", command.argv, command, guard, stdin)
        if self.under is None:
            self._up()
            rule = self._rule(asked, use=False)
            if rule is None or rule.lose != "before":
                self._let_through(guard)
        result = self._answer(asked, real, command.deadline_s, on_output, cancel, key)
        self._ended(key, result)
        return result

    def _let_through(self, guard: Guard) -> None:
        if self.fence is None:
            raise GroundMissing(self.name, f"{guard.directory}/.quarterdeck is not there. Nothing was executed.")
        if guard.fence.rstrip("\n") != self.fence.rstrip("\n"):
            raise FenceRefused(
                self.name, f"{self.name} holds another fence than run {guard.run}. Nothing was executed."
            )
        key = (guard.run, guard.step, guard.attempt)
        with self._lock:
            if key in self.attempts:
                raise AttemptExists(
                    self.name, f"attempt {guard.step}.{guard.attempt} was already begun on {self.name}."
                )
            self.attempts[key] = StepOnHost(True, None, True, 1)

    def _ended(self, key: tuple[str, str, int], result: Result) -> None:
        if self.under is None:
            out = result.out + result.err
            with self._lock:
                self.attempts[key] = StepOnHost(True, result.rc, False, 1, len(out))
                self.outputs[key] = out

    def attach(
        self,
        command: Command,
        guard: Guard,
        *,
        offset: int = 0,
        on_output: OutputSink | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        self._up()
        if self.under is not None:
            return self.under.attach(command, guard, offset=offset, on_output=on_output, cancel=cancel)
        key = (guard.run, guard.step, guard.attempt)
        state = self.attempts.get(key)
        if state is None:
            raise NoSuchAttempt(self.name, f"{self.name} knows nothing of {guard.step}.{guard.attempt}")
        out = self.outputs.get(key, b"")[offset:]
        if on_output is not None and out:
            on_output("out", out)
        return Result(state.rc, out, b"", "lost" if state.rc is None else "exited", 0.0)

    def step_on_host(self, guard: Guard) -> StepOnHost:
        self._up()
        if self.under is not None:
            return self.under.step_on_host(guard)
        return self.attempts.get((guard.run, guard.step, guard.attempt), StepOnHost(False))

    def end_step(self, command: Command, guard: Guard) -> bool:
        asked = Asked("end_step", command.argv, command, guard)

        def real() -> Result:
            if self.under is not None:
                return said(rc=0 if self.under.end_step(command, guard) else 1)
            key = (guard.run, guard.step, guard.attempt)
            if key in self.attempts and self.attempts[key].rc is None:
                self.attempts[key] = StepOnHost(True, None, False, 1)
            return said()

        return self._answer(asked, real, command.deadline_s, None, None).rc == 0

    def script(self, text: str, *args: str, stdin: bytes = b"", deadline_s: float = 20.0) -> Result:
        def real() -> Result:
            if self.under is None:
                raise ValueError(f"{self.name} has no rule for a script with {args}")
            return self.under.script(text, *args, stdin=stdin, deadline_s=deadline_s)

        return self._answer(Asked("script", args, None, None, stdin), real, deadline_s, None, None)

    def read_file(self, path: str, *, limit: int = 4 * 1024 * 1024) -> bytes | None:
        found: list[bytes | None] = []

        def real() -> Result:
            if self.under is not None and path not in self.files:
                found.append(self.under.read_file(path, limit=limit))
            else:
                found.append(self.files.get(path))
            return said()

        result = self._answer(Asked("read_file", (path,)), real, 20.0, None, None)
        content = found[0] if found else result.out if result.rc == 0 else None
        if content is not None and len(content) > limit:
            raise ValueError(f"{path} on {self.name} is longer than {limit} bytes")
        return content

    def docker(self) -> APIClient:
        self._up()
        if self.under is None:
            raise HostError(self.name, f"{self.name} has no Docker engine.")
        return self.under.docker()

    def engine_socket(self) -> socket.socket:
        self._up()
        if self.under is None:
            raise HostError(self.name, f"{self.name} has no Docker engine.")
        return self.under.engine_socket()

    def connect_to(self, host: str, port: int) -> socket.socket:
        opened: list[socket.socket] = []

        def real() -> Result:
            opened.append(
                self.under.connect_to(host, port)
                if self.under is not None
                else socket.create_connection((host, port), timeout=10)
            )
            return said()

        self._answer(Asked("connect_to", (host, str(port))), real, 20.0, None, None)
        if not opened:
            raise HostError(self.name, f"a rule answered for {host}:{port}; a connection cannot be made up")
        return opened[0]

    def close(self) -> None:
        if self.under is not None:
            self.under.close()

    def give_up(self) -> None:
        if self.under is not None:
            self.under.give_up()

    # -- the table ---------------------------------------------------------------------------------------------

    def _lost(self) -> HostUnreachable:
        return HostUnreachable(self.name, f"{self.name} was lost: so says the script.")

    def _up(self) -> None:
        if self.down:
            raise self._lost()
        if self.locked_out:
            raise LoginRefused(self.name, f"{self.name} refused the login: so says the script.")

    def _rule(self, asked: Asked, *, use: bool) -> Rule | None:
        with self._lock:
            for rule in self.rules:
                if rule.kind not in (None, asked.kind) or asked.words[: len(rule.words)] != rule.words:
                    continue
                if rule.times == 0:
                    continue
                if use and rule.times is not None:
                    rule.times -= 1
                return rule
        return None

    def _answer(
        self,
        asked: Asked,
        real: Callable[[], Result],
        deadline_s: float,
        sink: OutputSink | None,
        cancel: threading.Event | None,
        key: tuple[str, str, int] | None = None,
    ) -> Result:
        self._up()
        rule = self._rule(asked, use=True)
        if rule is not None and rule.lose is not None:
            self.losses += 1
        if rule is not None and rule.lose == "before":
            raise self._lost()
        with self._lock:
            self.asked.append(asked)
        if rule is None:
            return real()
        cut = _wait(rule.delay_s, deadline_s, cancel)
        if cut is not None:
            return Result(None, b"", b"", cut, min(rule.delay_s, deadline_s))
        if isinstance(rule.answer, HostError):
            raise rule.answer
        if rule.answer is None:
            result = real()
        else:
            result = rule.answer
            if sink is not None and rule.lose is None:
                for stream, data in (("out", result.out), ("err", result.err)):
                    if data:
                        sink("out" if stream == "out" else "err", data)
        if rule.lose == "after":
            if key is not None:
                self._ended(key, result)
            raise self._lost()
        return result


def _wait(delay_s: float, deadline_s: float, cancel: threading.Event | None) -> Literal["deadline", "cancelled"] | None:
    seconds = min(delay_s, deadline_s)
    if cancel is not None:
        if cancel.wait(seconds):
            return "cancelled"
    elif seconds > 0:
        time.sleep(seconds)
    return "deadline" if delay_s > deadline_s else None
