"""What handlers of a rotation are given in a run, without one: commands here, answers as a test wants them."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from console.hosts.base import Result
from console.runs.api import Command, Outcome
from console.stacks.base import Live, LiveService
from console.timing import DEFAULT


class Here:
    """A host that runs what it is told to here. `become` is only written down."""

    name = "one"

    def __init__(self) -> None:
        self.ran: list[Command] = []

    def run(self, command: Command, stdin: bytes | None = None) -> Result:
        self.ran.append(command)
        done = subprocess.run(list(command.argv), input=stdin or b"", capture_output=True, timeout=20, check=False)
        return Result(done.returncode, done.stdout, done.stderr, "exited", 0.0)


class Context:
    """See `console.runs.api.OpContext`; its clock goes on by what is slept, and by `each_s` for each look at it."""

    def __init__(self, secrets: Mapping[str, str], deadline_s: float = 60.0, made: str = "") -> None:
        self.one, self.secrets, self.left, self.slept = Here(), dict(secrets), deadline_s, 0
        self.done: list[Command] = []
        self.cancelled = threading.Event()
        service = LiveService(service="web", state="running", since="2038-01-01T00:00:00Z", made=made)
        self.environment: Any = SimpleNamespace(
            hosts={"one": self.one},
            timing=DEFAULT,
            stack=SimpleNamespace(live=lambda host: Live(host="one", services=(service,))),
        )

    @property
    def deadline_s(self) -> float:
        return max(0.0, self.left)

    def sleep(self, seconds: float) -> None:
        self.slept += 1
        assert self.slept < 1000, "it asks without a pause"
        self.left -= min(seconds, self.deadline_s)

    def host(self) -> Here:
        return self.one

    def secret(self, word: str) -> str:
        return self.secrets[word]

    def input(self, command: Command) -> bytes | None:
        return None

    def guarded(self, command: Command, *, stdin: bytes | None = None) -> Outcome:
        self.done.append(command)
        result = self.one.run(command, stdin)
        return Outcome(verdict="yes" if result.rc == 0 else "no", evidence=result.text())
