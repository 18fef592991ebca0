"""A person at the command line: one of the lab's operators with a profile, a keyring and `quarterdeck` as a process.

What is tested is the program that people start; of the product itself only the keyring is made here (`keyrings.py`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.keyrings import fill
from tests.lab.lab import LabError, Operator
from tests.lab.places import REGISTRY_PASSWORD
from tests.lab.system import SMOKE_PASSWORD

PROGRAM = Path(sys.prefix) / "bin" / "quarterdeck"
PASSPHRASE = "a passphrase of the lab"
SECRETS = {"smoke": SMOKE_PASSWORD, "registry": REGISTRY_PASSWORD}
QUICK = "0.1"
"""Scale of leases and locks in these tests: a lock is dead after 6 s of the host's time."""


@dataclass(frozen=True)
class Done:
    """What one command came to."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    took_s: float

    @property
    def said(self) -> str:
        """Everything it wrote."""
        return self.out + self.err

    @property
    def json(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"quarterdeck {' '.join(self.words)}\n{self.out}\n{self.err}\nexit code {self.code}, {self.took_s:.1f} s"


@dataclass
class Person:
    """Starts `quarterdeck` as one operator."""

    operator: Operator
    profile: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """Where this person's console keeps its own things."""
        return self.operator.home / ".local" / "state" / "quarterdeck"

    def write(self, profile: Mapping[str, Any] | str) -> None:
        """Put a profile where this person reads it."""
        text = profile if isinstance(profile, str) else json.dumps(profile, indent=1)
        self.profile.parent.mkdir(parents=True, exist_ok=True)
        self.profile.write_text(text)
        self.profile.chmod(0o644)

    def begin(self, *words: str, passphrase: str | None = PASSPHRASE) -> Begun:
        """Start a command with no terminal; the passphrase comes on a descriptor where it is wanted."""
        given: list[str] = []
        with contextlib.ExitStack() as held:
            descriptors: tuple[int, ...] = ()
            if passphrase is not None:
                reading, writing = os.pipe()
                held.callback(os.close, reading)
                os.write(writing, passphrase.encode() + b"\n")
                os.close(writing)
                descriptors, given = (reading,), ["--passphrase-fd", str(reading)]
            argv = self.operator.argv(str(PROGRAM), "-p", str(self.profile), *given, *words)
            out, err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by Begun
            process = subprocess.Popen(
                argv,
                env={**self.operator.env, "QUARTERDECK_TIMING_SCALE": QUICK, **self.env},
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                text=True,
                pass_fds=descriptors,
                start_new_session=True,
            )
        return Begun(words, process, out, err, time.monotonic())

    def on_terminal(self, *words: str) -> OnTerminal:
        """Start a command on a terminal; it asks there for what it needs."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            self.operator.argv(str(PROGRAM), "-p", str(self.profile), *words),
            env={**self.operator.env, "QUARTERDECK_TIMING_SCALE": QUICK, "TERM": "xterm", **self.env},
            cwd="/",
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        return OnTerminal(words, process, ours)

    def __call__(
        self, *words: str, stdin: str = "", timeout_s: float = 120, passphrase: str | None = PASSPHRASE
    ) -> Done:
        """Run a command to its end; its exit code is not judged. Raises LabError when it overruns."""
        return self.begin(*words, passphrase=passphrase).end(timeout_s, stdin)

    def run(self, action: str, *more: str, timeout_s: float = 120, **values: str) -> Done:
        """`quarterdeck run ACTION staging --set … --yes`."""
        pairs = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
        return self("run", action, "staging", *pairs, "--yes", *more, timeout_s=timeout_s)

    def keep_secrets(self, *names: str) -> None:
        """Put credentials into the keyring, each by standard input. Raises LabError."""
        for name in names:
            done = self("credentials", "set", name, "--stdin", stdin=SECRETS[name] + "\n")
            if done.code:
                raise LabError(str(done))

    def runs(self) -> list[dict[str, Any]]:
        """What `quarterdeck runs` lists, newest first."""
        found: list[dict[str, Any]] = self("runs", "--json").json
        return found

    def shown(self, run: str) -> dict[str, Any]:
        """What `quarterdeck runs show` says of one."""
        found: dict[str, Any] = self("runs", "show", run, "--json").json
        return found

    def records(self, run: str) -> list[tuple[str, dict[str, Any]]]:
        """Kind and body of each record of a run in this person's store.

        Read as it lies there, for waits: asking the program takes most of a second of a processor each time.
        """
        with contextlib.closing(sqlite3.connect(self.state / "store.sqlite3", timeout=10)) as store:
            rows = store.execute("SELECT kind, body FROM record WHERE stream = ? ORDER BY seq", (run,)).fetchall()
        return [(kind, json.loads(body or "{}")) for kind, body in rows]

    def runners(self) -> list[int]:
        """Numbers of the living runner processes of this person's store, on this machine."""
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError), open(f"/proc/{entry.name}/cmdline", "rb", buffering=0) as file:  # noqa: PTH123 - asked for often
                    words = file.readall().split(b"\0")
                    if b"console.runner" in words and str(self.state).encode() in words:
                        found.append(int(entry.name))
        return found

    def kill_runners(self) -> int:
        """End them with SIGKILL and wait until they are gone; how many there were."""
        found = self.runners()
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not self.runners(), 10, "the killed runner is still there")
        return len(found)


@dataclass
class Begun:
    """A command that runs."""

    words: tuple[str, ...]
    process: subprocess.Popen[str]
    out: Any
    err: Any
    began: float

    def end(self, timeout_s: float = 120, stdin: str = "") -> Done:
        """Wait for its end. Raises LabError when it overruns; it is killed then."""
        try:
            self.process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired as overrun:
            self.kill()
            raise LabError(f"not ended after {timeout_s:g} s: {self.words}\n{self.text()}") from overrun
        out, err = self._read(self.out), self._read(self.err)
        self.out.close()
        self.err.close()
        return Done(self.words, self.process.returncode, out, err, time.monotonic() - self.began)

    def text(self) -> str:
        """What it wrote so far, people's text."""
        return self._read(self.err)

    def kill(self) -> None:
        """SIGKILL to the command alone: what it has started goes on, as after a lost terminal."""
        self.process.kill()
        self.process.wait(10)

    def wait_for(self, text: str, timeout_s: float = 60) -> None:
        """Wait until it has written this. Raises LabError with what it wrote instead."""
        end = time.monotonic() + timeout_s
        while text not in self.text():
            if self.process.poll() is not None or time.monotonic() > end:
                raise LabError(f"never said {text!r}:\n{self.text()}")
            time.sleep(0.02)

    @staticmethod
    def _read(file: Any) -> str:
        here = file.tell()
        data = os.pread(file.fileno(), 1 << 24, 0)
        file.seek(here)
        return data.decode("utf-8", "replace")


@dataclass
class OnTerminal:
    """A command on a terminal of its own, where it may ask; what it writes and asks comes to one place."""

    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    fd: int
    seen: str = ""

    def wait_for(self, text: str, timeout_s: float = 60) -> None:
        """Read until it has written this. Raises LabError with what it wrote instead."""
        end = time.monotonic() + timeout_s
        while text not in self.seen:
            if not self._read(0.2) and (self.process.poll() is not None or time.monotonic() > end):
                raise LabError(f"never said {text!r}:\n{self.seen}")

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self.fd, text.encode() + b"\n")

    def end(self, timeout_s: float = 120) -> int:
        """Read to its end; its exit code."""
        end = time.monotonic() + timeout_s
        while self.process.poll() is None:
            self._read(0.2)
            if time.monotonic() > end:
                self.process.kill()
                raise LabError(f"not ended after {timeout_s:g} s:\n{self.seen}")
        while self._read(0.1):
            pass
        os.close(self.fd)
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return False
        self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)


def until(test: Any, seconds: float, what: str) -> Any:
    """Ask again until it says something; what it said. Raises LabError."""
    end = time.monotonic() + seconds
    while not (found := test()):
        if time.monotonic() > end:
            raise LabError(f"{what} (waited {seconds:g} s)")
        time.sleep(0.05)
    return found


def person(operator: Operator, profile: Mapping[str, Any], secrets: bool = True) -> Person:
    """An operator with this profile, and with the credentials that it names in a sealed keyring of their own."""
    made = Person(operator, operator.home / "quarterdeck.yaml")
    made.write(profile)
    if secrets and made.state.exists():
        made.keep_secrets(*profile["credentials"])
    elif secrets:
        fill(made.state, profile["system"], PASSPHRASE, {name: SECRETS[name] for name in profile["credentials"]})
    return made


@contextlib.contextmanager
def no_leftovers(*people: Person) -> Iterator[None]:
    """Runners that a failing test leaves behind are ended."""
    try:
        yield
    finally:
        for one in people:
            one.kill_runners()
