"""Processes of the demo: started in sessions of their own, known by pid, start time and boot id, and ended exactly."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from console.stacks.layout import Identity, parse_pid, parse_stat, temporary
from console.text.sanitise import clean

_SPAWN = r"""
cd / || exit
umask 077
pid=$1 log=$2
shift 2
setsid "$@" </dev/null >>"$log" 2>&1 &
read -r boot </proc/sys/kernel/random/boot_id
read -r stat <"/proc/$!/stat" || exit
set -- ${stat##*) }
echo "$! ${20} $boot" >"$pid.new" && mv -f -- "$pid.new" "$pid"
"""
"""$1: the pid file, $2: a log file, then the command.

The shell writes the pid file, and is in a session of its own: a console that is killed in this moment leaves no
process that nobody knows. It ends at once, so the process is nobody's child. A background job of a shell without job
control leads no process group, so `setsid` need not fork and keeps its pid.
"""
_SPAWN_S = 10.0
_KEPT_SETTINGS = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""Of our environment only this goes on: what else stands in it may be secret, and is nobody's business there."""


class NotStarted(Exception):
    """A process could not be started, or ended at once; the text says why."""


def boot_id() -> str:
    """This boot's id, 36 characters. Raises OSError where there is no `/proc`."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def identify(pid: int) -> Identity | None:
    """The identity of a living process, or None if there is none (a zombie is none)."""
    try:
        found = parse_stat(Path(f"/proc/{pid}/stat").read_text("utf-8", "replace"))
    except OSError:
        return None
    if found is None or found[0] in "ZX":
        return None
    return Identity(pid, found[1], boot_id())


def alive(identity: Identity | None) -> bool:
    """Whether this very process still runs."""
    return identity is not None and identify(identity.pid) == identity


def recorded(pid_file: Path) -> Identity | None:
    """The identity in a pid file; None if there is no such file or nothing usable in it."""
    try:
        return parse_pid(pid_file.read_text("ascii", "replace"))
    except OSError:
        return None


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole: aside, then renamed. Raises OSError."""
    aside = Path(temporary(str(path), str(os.getpid())))
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(text)
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def spawn(argv: Sequence[str], pid_file: Path, log: Path) -> None:
    """Start a process in a session of its own and record it. Raises NotStarted, OSError."""
    settings = {name: os.environ[name] for name in _KEPT_SETTINGS if name in os.environ}
    try:
        done = subprocess.run(
            ("sh", "-c", _SPAWN, "quarterdeck-spawn", str(pid_file), str(log), *argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=settings,
            timeout=_SPAWN_S,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotStarted(f"starting a process took longer than {_SPAWN_S:g} s: {argv[0]}") from error
    identity = recorded(pid_file)
    if not alive(identity):
        said = clean(done.stderr.decode("utf-8", "replace").strip(), 300) or last_line(log)
        raise NotStarted(f"{argv[0]} ended at once: {said or 'it said nothing'}")


def last_line(log: Path) -> str:
    """The last line of a log file, safe to show, at most 300 characters; "" if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return clean(lines[-1], 300) if lines else ""


def end(identities: Iterable[Identity], term_s: float = 4.0, kill_s: float = 4.0) -> list[Identity]:
    """End these processes and no others: TERM, then KILL after `term_s`. Those that still live are returned.

    Each is held by a pid descriptor before its identity is compared, so that the number cannot come to mean another
    process between the look and the signal.
    """
    held: dict[int, Identity] = {}
    try:
        for identity in identities:
            try:
                descriptor = os.pidfd_open(identity.pid)
            except OSError:
                continue
            if alive(identity):
                held[descriptor] = identity
            else:
                os.close(descriptor)
        for number, wait_s in ((signal.SIGTERM, term_s), (signal.SIGKILL, kill_s)):
            for descriptor, identity in held.items():
                if alive(identity):
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(descriptor, number)
            until = time.monotonic() + wait_s
            while any(alive(identity) for identity in held.values()) and time.monotonic() < until:
                time.sleep(0.02)
        return [identity for identity in held.values() if alive(identity)]
    finally:
        for descriptor in held:
            os.close(descriptor)
