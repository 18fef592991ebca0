"""The fixed shell scripts that run on hosts, and the words that start them.

Each is package data under `scripts/`, POSIX sh, clean under shellcheck and run by dash, bash and busybox ash. They
are handed over as `sh -c TEXT NAME ARGUMENTS…`: nothing is ever glued into the text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib import resources

from console.hosts.base import Guard
from console.hosts.command import Command
from console.timing import Timing

_WITH_LIB = frozenset({"guard", "follow", "step", "end", "end_group"})


@cache
def text(name: str) -> str:
    """The script's text without comments and indentation, since it goes over with every command.

    Those that need it begin with `lib.sh`.
    """
    folder = resources.files("console.hosts") / "scripts"
    parts = [(folder / "lib.sh").read_text("utf-8")] if name in _WITH_LIB else []
    parts.append((folder / f"{name}.sh").read_text("utf-8"))
    return bare("\n".join(parts))


def bare(script: str) -> str:
    """A script without its comments and indentation."""
    lines = (line.strip() for line in script.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def words_of(command: Command) -> tuple[str, ...]:
    """The command's words with its settings and `sudo -n` before them, as `Command.shown` shows them.

    Raises ValueError for a setting whose name is no identifier, which `env` would take for something else.
    """
    words: tuple[str, ...] = command.argv
    if command.become == "sudo":
        words = ("sudo", "-n", "--", *words)
    if command.env:
        for name, value in command.env:
            if not name.isidentifier() or not name.isascii() or "\0" in value:
                raise ValueError(f"{name!r} cannot be the name of a setting in the environment of a command")
        if command.become == "none" and "=" in command.argv[0]:
            raise ValueError("the name of a program with settings before it cannot hold '='")
        words = ("env", "--", *(f"{name}={value}" for name, value in command.env), *words)
    return words


def run_words(nonce: str, words: Sequence[str], cwd: str | None = None) -> tuple[str, ...]:
    """A reading command in a process group of its own."""
    return ("sh", "-c", text("run"), "qd-run", nonce, cwd or "", *words)


def guard_words(
    nonce: str, command: Command, guard: Guard, timing: Timing, stdin: bytes | None, *, follower: str = ""
) -> tuple[str, ...]:
    """A changing command under the guard. Raises ValueError for input that a detached command cannot be given.

    `follower`: the nonce of whoever follows a detached command, from its beginning; without one it is attached.
    """
    detached = bool(follower)
    if stdin is None:
        given = "none"
    elif b"\0" not in stdin:
        given = str(len(stdin))
    elif detached:
        raise ValueError("a detached command takes text as standard input; this has NUL bytes in it")
    else:
        given = "stream"
    carry = len(guard.before.encode())
    beat = timing.heartbeat_s
    arguments = (
        nonce,
        "detached" if detached else "attached",
        guard.directory,
        guard.run,
        guard.step,
        str(guard.attempt),
        guard.fence.rstrip("\n"),
        (guard.record or "").rstrip("\n"),
        _number(timing.gate_wait_s),
        _number(beat),
        # The caller ends it at its deadline; the guard does where there is no caller any more.
        str(math.ceil((command.deadline_s + (0.0 if detached else 2 * timing.term_s)) / beat)),
        str(max(1, math.ceil(timing.term_s / beat))),
        given,
        command.become,
        command.cwd or "",
        str(carry),
        *words_of(command),
    )
    if detached:
        follow = (text("guard"), text("follow"), follower, _number(timing.follow_s))
        whole = str(carry + len(stdin or b"")) if carry or stdin is not None else "none"
        return ("sh", "-c", text("start"), "qd-start", *follow, whole, *arguments)
    return ("sh", "-c", text("guard"), "qd-guard", *arguments)


def follow_words(nonce: str, guard: Guard, offset: int, timing: Timing) -> tuple[str, ...]:
    return ("sh", "-c", text("follow"), "qd-follow", nonce, *_attempt(guard), str(offset), _number(timing.follow_s))


def step_words(guard: Guard) -> tuple[str, ...]:
    return ("sh", "-c", text("step"), "qd-step-state", *_attempt(guard))


def end_words(command: Command, guard: Guard, timing: Timing) -> tuple[str, ...]:
    """Ends an attempt. The engine's program is the command's own where it is one."""
    program = command.argv[0]
    engine = program if program.rpartition("/")[2] in ("docker", "podman") else "docker"
    words: tuple[str, ...] = (
        "sh",
        "-c",
        text("end"),
        "qd-end",
        *_attempt(guard),
        _tenths(timing.term_s),
        command.become,
    )
    words = (*words, command.container or "", engine, guard.fence)
    if command.env:
        words = ("env", "--", *(f"{name}={value}" for name, value in command.env), *words)
    return words


def end_group_words(group: int, become: str, timing: Timing) -> tuple[str, ...]:
    return ("sh", "-c", text("end_group"), "qd-end-group", str(group), _tenths(timing.term_s), become)


def _attempt(guard: Guard) -> tuple[str, str, str, str]:
    return guard.directory, guard.run, guard.step, str(guard.attempt)


def _number(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _tenths(seconds: float) -> str:
    return str(max(1, math.ceil(seconds * 10)))
