"""Starting, watching and ending processes of the lab, each by its own number and start time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


class LabError(Exception):
    """The lab could not do what was asked: what, where, and what its log says."""


def run(
    *argv: str,
    stdin: str | None = None,
    timeout_s: float = 120,
    check: bool = True,
    env: dict[str, str] | None = None,
    cwd: str | Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return it with its output as text.

    Raises LabError when it exits with something other than 0 (and `check` is true) or overruns `timeout_s`.
    """
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=env,
            cwd=cwd,
        )
    except subprocess.TimeoutExpired as overrun:
        raise LabError(f"{' '.join(argv)}: not finished after {timeout_s:g} s") from overrun
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def wait_until(what: str, ready: Callable[[], bool], seconds: float = 30, log: Path | None = None) -> None:
    """Poll `ready` until it is true; raise LabError, with the end of `log`, after `seconds`."""
    end = time.monotonic() + seconds
    pause = 0.01
    while not ready():
        if time.monotonic() > end:
            tail = log.read_text(errors="replace")[-2000:] if log and log.exists() else ""
            raise LabError(f"{what}: not so after {seconds:g} s\n{tail}".rstrip())
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


@contextlib.contextmanager
def locked(file: Path, wait_s: float, reason: str) -> Iterator[None]:
    """Hold a file's lock while inside. Raises LabError, with the reason, when another holds it for `wait_s` seconds."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as handle:
        wait_until(f"{reason}; waiting for {file}", lambda: _lock(handle.fileno()), wait_s)
        yield


def start_time(pid: int) -> str | None:
    """The kernel's start time of a live process (field 22 of its stat file), or None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def start(argv: Sequence[str], pidfile: Path, log: Path, env: dict[str, str] | None = None) -> int:
    """Start a server in a session of its own, write its number and start time to `pidfile`, return its number."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env=env, cwd="/"
        )
    process.returncode = 0  # it outlives this object; without this Python complains that it still runs
    pidfile.write_text(f"{process.pid} {start_time(process.pid)}\n")
    return process.pid


def alive(pidfile: Path) -> int | None:
    """The number of the process that `pidfile` names, if that very process still runs."""
    try:
        pid, born = pidfile.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == born else None


def stop(pidfile: Path, first: int = signal.SIGTERM, seconds: float = 10) -> None:
    """End the process that `pidfile` names and wait until it is gone, with SIGKILL after `seconds`."""
    pid = alive(pidfile)
    if pid is not None:
        for number in (first, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            with contextlib.suppress(LabError):
                wait_until(f"end of process {pid}", lambda: _gone(pid), seconds)
                break
    pidfile.unlink(missing_ok=True)


def _gone(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return start_time(pid) is None


def _lock(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
