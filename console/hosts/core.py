"""What every host does alike: commands, the guard, following, ending, reading. How bytes get there is `_start`'s.

`SshHost` and `LocalHost` give this one primitive: start words there, with bytes flowing both ways.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from console.hosts import scripts
from console.hosts.base import (
    Guard,
    HostBusy,
    HostError,
    HostFacts,
    HostUnreachable,
    NoSuchAttempt,
    OutputSink,
    Result,
    StepOnHost,
    Stream,
)
from console.hosts.command import Command
from console.hosts.markers import Head, words_in
from console.hosts.refusals import attempt_of, check_guard, refusal, said
from console.hosts.running import Capture, Ended, Follower, Running
from console.text.sanitise import clean_lines
from console.timing import DEFAULT, Timing

_LOOK_S = 0.05
"""How often a waiting caller looks at its cancel and its clock; output wakes it at once."""


class HostCore(ABC):
    """The part of a Host that does not depend on how it is reached."""

    def __init__(self, name: str, timing: Timing = DEFAULT) -> None:
        self._name = name
        self._timing = timing

    @property
    def name(self) -> str:
        return self._name

    @property
    @abstractmethod
    def address(self) -> str: ...

    def _begin(
        self,
        words: Sequence[str],
        stdin: bytes | None,
        feed: Callable[[Stream, bytes], None],
        until: float,
        cancel: threading.Event | None,
    ) -> Running | None:
        """`_start` for a caller who may cancel while waiting for a free channel: then nothing was started."""
        try:
            return self._start(words, stdin, feed, until=until, cancel=cancel, urgent=False)
        except HostBusy:
            if cancel is not None and cancel.is_set():
                return None
            raise

    @abstractmethod
    def _start(
        self,
        words: Sequence[str],
        stdin: bytes | None,
        feed: Callable[[Stream, bytes], None],
        *,
        until: float,
        cancel: threading.Event | None,
        urgent: bool,
    ) -> Running:
        """Start words on the host. `until` is on the monotonic clock; `urgent` has a slot of its own, for ending."""

    def line(self) -> object | None:
        """See `base.Host.line`. Nothing is between us and this machine."""
        return self

    def agents(self) -> frozenset[str]:
        """None, unless it is reached by SSH. See `base.Host.agents`."""
        return frozenset()

    # -- reading -----------------------------------------------------------------------------------------------

    def connect(self) -> HostFacts:
        """Reach the host now. Raises HostUnreachable or HostRefused."""
        began = time.monotonic()
        result = self.script(scripts.text("facts"), deadline_s=self._timing.auth_s)
        took = time.monotonic() - began
        if result.ended != "exited":
            raise HostUnreachable(
                self.name,
                f"{self.name} did not answer a first script within {self._timing.auth_s:g} s; is it overloaded?",
            )
        if result.rc != 0:
            raise HostError(self.name, f"{self.name} does not run a plain script: {said(result.err)}")
        found: dict[str, str] = {}
        missing: list[str] = []
        for line in clean_lines(result.text()):
            key, _, value = line.partition("=")
            if key == "missing":
                missing.append(value)
            else:
                found[key] = value
        if missing:
            found["missing"] = " ".join(missing)
        # A date without %N prints the letter.
        seconds = re.match(r"[0-9]{1,12}(\.[0-9]+)?", found.pop("utc_s", ""))
        return HostFacts(
            kernel=found.pop("kernel", ""),
            user=found.pop("user", ""),
            boot_id=found.pop("boot_id", ""),
            utc_s=float(seconds[0]) if seconds else 0.0,
            exec_s=took,
            extra=found,
        )

    def run(
        self,
        command: Command,
        *,
        stdin: bytes | None = None,
        on_output: OutputSink | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        """Run a command that only reads. See `base.Host.run`."""
        if command.writes:
            raise ValueError(f"'{command.argv[0]}' can change {self.name}: it needs the guard")
        return self._run(
            scripts.words_of(command), command.cwd, command.become, command.deadline_s, stdin, on_output, cancel
        )

    def script(self, text: str, *args: str, stdin: bytes = b"", deadline_s: float = 20.0) -> Result:
        """Run one of the console's own fixed scripts. See `base.Host.script`."""
        return self._run(("sh", "-c", text, "qd-script", *args), None, "none", deadline_s, stdin, None, None)

    def read_file(self, path: str, *, limit: int = 4 * 1024 * 1024) -> bytes | None:
        """A file's content, or None if there is none. Raises ValueError above `limit` bytes or for no plain file."""
        capture = bytearray()

        def keep(stream: Stream, data: bytes) -> None:
            if stream == "out":
                capture.extend(data)

        words = ("sh", "-c", scripts.text("read"), "qd-read", path, str(limit))
        result = self._run(words, None, "none", self._timing.read_s, None, keep, None)
        if result.rc == 0:
            return bytes(capture)
        if result.rc == 44:
            return None
        if result.rc == 45:
            raise ValueError(f"{path} on {self.name} is longer than {limit} bytes")
        if result.rc == 46:
            raise ValueError(f"{path} on {self.name} is not a plain file")
        if result.ended != "exited":
            raise HostUnreachable(
                self.name, f"{path} on {self.name} could not be read within {self._timing.read_s:g} s"
            )
        raise HostError(self.name, f"{path} on {self.name} cannot be read: {said(result.err)}")

    def _run(
        self,
        words: Sequence[str],
        cwd: str | None,
        become: str,
        deadline_s: float,
        stdin: bytes | None,
        sink: OutputSink | None,
        cancel: threading.Event | None,
    ) -> Result:
        nonce = secrets.token_hex(8)
        capture = Capture(sink)
        heads: dict[Stream, Head] = {s: Head(nonce, capture.feed(s)) for s in ("out", "err")}
        began = time.monotonic()
        until = began + deadline_s
        running = self._begin(
            scripts.run_words(nonce, words, cwd),
            stdin,
            lambda stream, data: heads[stream].take(data),
            until,
            cancel,
        )
        if running is None:
            return capture.result(None, "cancelled", time.monotonic() - began)
        try:
            why = self._pump(running, until, cancel)
            if why == "exited":
                self._expect_word(heads, running.rc)
                return capture.result(
                    running.rc, "exited" if running.rc is not None else "lost", time.monotonic() - began
                )
            # A cancel may be quicker than the first word, which says what there is to end.
            word = self._first_word(running, heads)
            if word is None and not running.done:
                why = "lost"
            if word is not None and word.startswith("group "):
                ending = scripts.end_group_words(int(word[6:]), become, self._timing)
                self._urgently(ending, running)
            self._pump(running, time.monotonic() + self._timing.term_s, None)
            return capture.result(None, why, time.monotonic() - began)
        finally:
            running.close()

    # -- changing ----------------------------------------------------------------------------------------------

    def guarded(
        self,
        command: Command,
        guard: Guard,
        *,
        stdin: bytes | None = None,
        on_output: OutputSink | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        """Run a command that changes the host, under the guard there. See `base.Host.guarded`.

        Also raises AttemptExists when the attempt's directory is already there, and GateHeld when somebody held the
        gate alone for longer than `Timing.gate_wait_s`; nothing was executed in either case.
        """
        if not command.writes:
            raise ValueError(f"'{command.argv[0]}' only reads: it takes no guard")
        check_guard(guard)
        nonce = secrets.token_hex(8)
        follower = Follower(on_output) if command.detach else None
        words = scripts.guard_words(
            nonce, command, guard, self._timing, stdin, follower=follower.nonce if follower is not None else ""
        )
        # Of a detached command the guard's words come first, on standard output, then what its follower says.
        capture = Capture(on_output) if follower is None else Capture(None)
        heads: dict[Stream, Head] = {
            s: Head(nonce, follower.feed(s) if follower is not None else capture.feed(s)) for s in ("out", "err")
        }
        began = time.monotonic()
        # The gate's own deadline is kept there; the command's begins when it is let through.
        opened = began + self._timing.gate_wait_s + self._timing.channel_s

        def take(stream: Stream, data: bytes) -> None:
            if follower is not None and stream == "err":
                follower.told.extend(data)
            else:
                heads[stream].take(data)

        given = guard.before.encode() + (stdin or b"")
        running = self._begin(words, given if given or stdin is not None else None, take, opened, cancel)
        if running is None:
            return capture.result(None, "cancelled", time.monotonic() - began)
        why: Ended
        try:
            why = self._pump(running, opened, cancel, lambda: heads["err"].word is None and heads["out"].word is None)
            word = heads["err"].word or heads["out"].word
            if word is not None and word.startswith("refused "):
                raise refusal(self.name, self.address, self._timing.gate_wait_s, word[8:], guard)
            if word is None and why == "exited":
                self._expect_word(heads, running.rc)
            if word is not None and follower is not None:
                until = time.monotonic() + command.deadline_s
                return self._followed(running, follower, command, guard, began, until, cancel)
            if word is not None:
                why = self._pump(running, time.monotonic() + command.deadline_s, cancel)
            if word is None or why != "exited":
                # Not let through in time, cancelled or over its deadline: ended there, by its own records.
                self._end(command, guard, running)
                if word is None:
                    # It may have been on its way to its records just then: what it says now decides.
                    word = self._first_word(running, heads)
                    if word is None and not running.done:
                        why = "lost"
                    elif word is not None and word.startswith("started"):
                        self._end(command, guard, running)
                self._pump(running, time.monotonic() + self._timing.term_s, None)
                return capture.result(None, why, time.monotonic() - began)
            return capture.result(running.rc, "exited" if running.rc is not None else "lost", time.monotonic() - began)
        finally:
            running.close()

    def attach(
        self,
        command: Command,
        guard: Guard,
        *,
        offset: int = 0,
        on_output: OutputSink | None = None,
        cancel: threading.Event | None = None,
    ) -> Result:
        """Follow an attempt that was started before. See `base.Host.attach`.

        `ended` is "lost" and `rc` None when its guard is gone without having written how it ended. Raises
        NoSuchAttempt when the host knows nothing of it.
        """
        check_guard(guard)
        began = time.monotonic()
        # When it began is not known here: its deadline is left to the guard, which counts in beats.
        until = began + command.deadline_s + 2 * self._timing.heartbeat_s + 2 * self._timing.term_s
        return self._follow(command, guard, offset, on_output, cancel, began, until)

    def _follow(
        self,
        command: Command,
        guard: Guard,
        offset: int,
        sink: OutputSink | None,
        cancel: threading.Event | None,
        began: float,
        until: float,
    ) -> Result:
        follower = Follower(sink)
        words = scripts.follow_words(follower.nonce, guard, offset, self._timing)
        running = self._start(words, None, follower.take, until=until, cancel=cancel, urgent=False)
        try:
            return self._followed(running, follower, command, guard, began, until, cancel)
        finally:
            running.close()

    def _followed(
        self,
        running: Running,
        follower: Follower,
        command: Command,
        guard: Guard,
        began: float,
        until: float,
        cancel: threading.Event | None,
    ) -> Result:
        """Wait for what the follower says of how the attempt ended; end it there at its deadline or on cancel."""
        capture = follower.capture
        why = self._pump(running, until, cancel)
        told = words_in(follower.nonce, bytes(follower.told))
        if why == "exited":
            last = told[-1].split() if told else []
            if last[:1] == ["rc"] and len(last) == 3:
                ended: Ended = "deadline" if last[2] == "deadline" else "exited"
                rc = int(last[1]) if ended == "exited" else None
                return capture.result(rc, ended, time.monotonic() - began)
            if last == ["gone"]:
                return capture.result(None, "lost", time.monotonic() - began)
            if last == ["missing"]:
                raise NoSuchAttempt(
                    self.name, f"{self.name} knows nothing of attempt {attempt_of(guard)}: it was never begun there"
                )
            if running.rc is None:
                raise self._silenced()
            raise HostError(self.name, f"attempt {attempt_of(guard)} cannot be followed: {said(bytes(follower.told))}")
        group = next((int(word[6:]) for word in told if word.startswith("group ")), None)
        self._end(command, guard, running)
        # The follower sees the end by itself and tells the rest of the output.
        if self._pump(running, time.monotonic() + self._timing.term_s, None) != "exited" and group is not None:
            self._urgently(scripts.end_group_words(group, "none", self._timing), running)
        return capture.result(None, why, time.monotonic() - began)

    def step_on_host(self, guard: Guard) -> StepOnHost:
        """What the host knows of this attempt. Reads only."""
        check_guard(guard)
        result = self._run(scripts.step_words(guard), None, "none", self._timing.read_s, None, None, None)
        fields = result.text().split()
        if result.rc == 0 and fields == ["missing"]:
            return StepOnHost(False)
        if result.rc == 0 and len(fields) == 6 and fields[0] == "found":
            return StepOnHost(
                exists=True,
                rc=None if fields[1] == "none" else int(fields[1]),
                alive=fields[2] == "1",
                pid=None if fields[3] == "none" else int(fields[3]),
                out_bytes=int(fields[4]),
                begun=fields[5] == "1",
            )
        raise HostError(
            self.name, f"{self.name} did not say how attempt {attempt_of(guard)} stands: {said(result.err)}"
        )

    def end_step(self, command: Command, guard: Guard) -> bool:
        """End an attempt: its process group and its one-off container. True once both are gone. Raises FenceRefused."""
        check_guard(guard)
        return self._end(command, guard, None)

    def _end(self, command: Command, guard: Guard, beside: Running | None) -> bool:
        named = command.for_attempt(guard.run, guard.step, guard.attempt)
        rc, out, _ = self._urgently(scripts.end_words(named, guard, self._timing), beside)
        if out.split() == [b"fence"]:
            raise refusal(self.name, self.address, self._timing.gate_wait_s, "fence", guard)
        return rc == 0 and out.split() == [b"gone", b"1"]

    # -- the engine of all of it -------------------------------------------------------------------------------

    def _pump(
        self,
        running: Running,
        until: float,
        cancel: threading.Event | None,
        more: Callable[[], bool] = lambda: True,
    ) -> Ended:
        """Move bytes until it is done, or `more` says no ("exited"), or the deadline or the cancel comes."""
        while not running.done and more():
            if cancel is not None and cancel.is_set():
                return "cancelled"
            left = until - time.monotonic()
            if left <= 0:
                return "deadline"
            running.step(left if cancel is None else min(left, _LOOK_S))
        return "exited"

    def _first_word(self, running: Running, heads: dict[Stream, Head]) -> str | None:
        """What the script said, waited for as long as a channel may take; None if it says nothing."""
        until = time.monotonic() + self._timing.channel_s
        self._pump(running, until, None, lambda: heads["err"].word is None and heads["out"].word is None)
        return heads["err"].word or heads["out"].word

    def _urgently(self, words: Sequence[str], beside: Running | None) -> tuple[int | None, bytes, bytes]:
        """Run words of our own that end something, while what is ended can still write."""
        nonce = secrets.token_hex(8)
        capture = Capture(None)
        heads: dict[Stream, Head] = {s: Head(nonce, capture.feed(s)) for s in ("out", "err")}
        until = time.monotonic() + 6 * self._timing.term_s + self._timing.channel_s
        ending = self._start(
            scripts.run_words(nonce, words),
            None,
            lambda stream, data: heads[stream].take(data),
            until=until,
            cancel=None,
            urgent=True,
        )
        try:
            while not ending.done and time.monotonic() < until:
                ending.step(_LOOK_S / 2)
                if beside is not None and not beside.done:
                    beside.step(0.0)
            return (ending.rc if ending.done else None), bytes(capture.out), bytes(capture.err)
        finally:
            ending.close()

    def _silenced(self) -> HostUnreachable:
        """What we started there was ended by a signal: as with a loss, what it began may go on, and is looked for."""
        return HostUnreachable(self.name, f"{self.name}: what was started there was ended by a signal before its time.")

    def _expect_word(self, heads: dict[Stream, Head], rc: int | None) -> None:
        """Raise if the script never spoke: the login shell refused it, or there is no sh, or something ended it."""
        if heads["err"].word is not None or heads["out"].word is not None:
            return
        if rc is None:
            raise self._silenced()
        words = said(heads["err"].noise or heads["out"].noise)
        raise HostError(
            self.name,
            f"{self.name} did not start a plain 'sh -c' (exit code {rc}): {words}. The account's login shell must be "
            "a POSIX shell, and sh must be there.",
        )
