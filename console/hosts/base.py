"""What a host can do, whichever way it is reached: the one transport interface.

Implemented by `ssh.SshHost`, `local.LocalHost` and `scripted.ScriptedHost` (faults for tests); used by stacks, feeds,
probes and the run engine. Every method is blocking and may be called from several threads; nothing waits without a
deadline.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from console.hosts.command import Command

if TYPE_CHECKING:
    from docker import APIClient

Stream = Literal["out", "err"]
OutputSink = Callable[[Stream, bytes], None]
"""Called from the reading thread with raw bytes as they come. Not yet sanitised, not yet redacted."""


class HostError(Exception):
    """Something about a host went wrong. The text is a whole sentence; `host` names it.

    Sentences quote what hosts and servers said, and end on screens by many ways, so they are sanitised here.
    """

    exit_code = 1
    """DESIGN section 5: what the command line ends with where this ends a command."""

    def __init__(self, host: str, sentence: str) -> None:
        from console.text.sanitise import clean_text

        super().__init__(clean_text(sentence))
        self.host = host


class HostUnreachable(HostError):
    """Not reached, or lost: what a command was doing when it was lost is unknown, not failed."""

    exit_code = 5


class HostRefused(HostError):
    """Reached, and refused: wrong or unknown host key, no login, forwarding forbidden. Trying again changes nothing."""

    exit_code = 4


class LoginRefused(HostRefused):
    """It is there, and this login does not get in any more: key, agent, host key or ssh configuration.

    Raised when a connection has to be made. What was going on there goes on.
    """


class NoSuchHost(HostRefused, KeyError):
    """The profile has no host of this name. A run that was planned with another profile may name one."""

    def __init__(self, host: str) -> None:
        super().__init__(
            host,
            f"The profile has no host {host!r}, so it cannot be reached. Put it back into the profile, as it was, and "
            "try again.",
        )

    def __str__(self) -> str:
        return str(self.args[0])


class HostBusy(HostError):
    """No free session channel within the deadline. The host is not down."""

    exit_code = 5


class FenceRefused(HostError):
    """The guard on the host found another fence: this run no longer owns the environment. Nothing was executed."""


class GroundMissing(HostError):
    """`.quarterdeck`, its gate or its fence is not where it was. Nothing was executed; a person must look."""


class AttemptExists(HostError):
    """The attempt's directory is already on the host. Nothing was executed a second time."""


class GateHeld(HostError):
    """Somebody held the gate alone for longer than the deadline: a take-over. Nothing was executed."""


class NoSuchAttempt(HostError):
    """The host knows nothing of the attempt that was to be followed."""


class ForwardFailed(HostError):
    """The host is there, and what was to be reached through it is not (nothing listens, no such name)."""

    exit_code = 5


class EngineError(HostError):
    """The host is there and its Docker engine cannot be used: not running, not installed, or no right to use it."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended. `rc` is None when that is not known (`ended` says why)."""

    rc: int | None
    out: bytes
    """Standard output, at most `CAPTURE_BYTES`; the rest went only to the sink. Raw."""
    err: bytes
    ended: Literal["exited", "deadline", "cancelled", "lost"]
    took_s: float
    truncated: bool = False

    def text(self) -> str:
        """Standard output as text, undecodable bytes replaced, without the last newline. Not sanitised."""
        return self.out.decode("utf-8", "replace").rstrip("\n")


CAPTURE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Guard:
    """What the guard on a host needs to let one changing command through.

    `directory` is the environment's deploy directory there; the guard works in `directory/.quarterdeck`. `fence` is
    the exact text that the fence file must hold. `record` is one JSON line, the intent, which the guard appends to
    `runs/<run>/records.jsonl` in the same round trip, after `before`: earlier records, one a line, that this host does
    not have yet. They go over as standard input: what steps said is not for whoever may list processes there.
    """

    directory: str
    fence: str
    run: str
    step: str
    attempt: int
    record: str | None = None
    before: str = ""


@dataclass(frozen=True, slots=True)
class StepOnHost:
    """What the directory `runs/<run>/steps/<step>.<attempt>` on a host says of an attempt."""

    exists: bool
    rc: int | None = None
    alive: bool = False
    """True if the recorded process still runs: pid, start time and boot id agree."""
    pid: int | None = None
    out_bytes: int = 0
    begun: bool = True
    """False: the guard is known not to have come as far as the command."""

    @property
    def nothing_happened(self) -> bool:
        """Whether the command was certainly not executed: its guard is not there, or ended before the first word."""
        return not self.exists or (self.rc is None and not self.alive and not self.begun)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a first contact learns in one round trip."""

    kernel: str = ""
    user: str = ""
    boot_id: str = ""
    utc_s: float = 0.0
    """The host's own clock, seconds since the epoch."""
    exec_s: float = 0.0
    """How long an empty command took: a slow shell start-up file shows here."""
    extra: Mapping[str, str] = field(default_factory=dict)


class Host(Protocol):
    """One machine, reached by SSH or local."""

    @property
    def name(self) -> str:
        """Its name in the profile."""
        ...

    @property
    def address(self) -> str:
        """What a person would call it: `deploy@10.0.0.5:22`, `this machine`."""
        ...

    def agents(self) -> frozenset[str]:
        """Sockets of the SSH agents without which this login could not be made again. Raises HostError."""
        ...

    def line(self) -> object | None:
        """What connects us now: the same object for as long as that holds, None where nothing does.

        Where the other end has been silent this waits until it is known whether it is still there.
        """
        ...

    def connect(self) -> HostFacts:
        """Reach the host now, if it is not reached yet. Raises HostUnreachable or HostRefused."""
        ...

    def run(
        self,
        command: Command,
        *,
        stdin: bytes | None = None,
        on_output: OutputSink | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        """Run a command that only reads. Raises ValueError if it `writes`.

        At its deadline or on cancel its whole process group on the host is ended (TERM, then KILL) before this
        returns. Raises HostUnreachable when the connection is lost.
        """
        ...

    def guarded(
        self,
        command: Command,
        guard: Guard,
        *,
        stdin: bytes | None = None,
        on_output: OutputSink | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        """Run a command that changes the host, under the guard there.

        A detached command is started there and followed here; when the connection breaks this raises
        HostUnreachable and the command goes on: `attach` finds it again. Raises FenceRefused or GroundMissing when
        the guard let nothing through. Output of every guarded command is also kept on the host, in the attempt's
        directory (`out`), standard output and error in one.
        """
        ...

    def attach(
        self,
        command: Command,
        guard: Guard,
        *,
        offset: int = 0,
        on_output: OutputSink | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        """Follow an attempt that was started before, from byte `offset` of its output, until it ends."""
        ...

    def step_on_host(self, guard: Guard) -> StepOnHost:
        """What the host knows of this attempt. Reads only."""
        ...

    def end_step(self, command: Command, guard: Guard) -> bool:
        """End an attempt: its process group and its one-off container. True once both are gone.

        Raises FenceRefused where somebody else owns the environment now: the attempt may be theirs to follow.
        """
        ...

    def script(self, text: str, *args: str, stdin: bytes = b"", deadline_s: float = 20.0) -> Result:
        """Run one of the console's own fixed POSIX sh scripts with positional arguments.

        For the protocol that the guard itself stands on (locks, fence, gate, reading records): the caller's script
        holds the host's mutex itself. Not for actions.
        """
        ...

    def read_file(self, path: str, *, limit: int = 4 * 1024 * 1024) -> bytes | None:
        """A file's content, or None if there is none. Raises ValueError above `limit` bytes."""
        ...

    def docker(self) -> APIClient:
        """The engine's API, read only: a request other than GET or HEAD raises PermissionError before it is sent."""
        ...

    def engine_socket(self) -> socket.socket:
        """A new raw connection to the engine, for long log and event streams. A real socket."""
        ...

    def connect_to(self, host: str, port: int) -> socket.socket:
        """A new connection to `host:port` as seen from there (`via: HOST`). A real socket, so TLS can run on it."""
        ...

    def close(self) -> None:
        """Close the connection and everything that runs on it. Detached commands on the host go on."""
        ...

    def give_up(self) -> None:
        """Close it for good: whoever waits for the host is told at once, and so is who asks it later. Any thread."""
        ...
