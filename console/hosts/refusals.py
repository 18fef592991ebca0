"""The sentences of what a guard refused, and which guards are not even sent."""

from __future__ import annotations

from console.hosts.base import AttemptExists, FenceRefused, GateHeld, GroundMissing, Guard, HostError


def refusal(host: str, address: str, gate_wait_s: float, word: str, guard: Guard) -> HostError:
    """The error for what the guard said when it let nothing through."""
    kind, _, detail = word.partition(" ")
    where = f"{guard.directory}/.quarterdeck"
    if kind == "fence":
        return FenceRefused(
            host,
            f"{host} holds another fence than run {guard.run}: somebody took the environment over. "
            "Nothing was executed.",
        )
    if kind == "ground":
        return GroundMissing(
            host,
            f"{where} on {host}, its gate or its fence is not there. Nothing was executed. If a 'git clean' "
            "or an 'rsync --delete' reached it, see what else it removed before going on.",
        )
    if kind == "exists":
        return AttemptExists(
            host,
            f"attempt {attempt_of(guard)} was already begun on {host}. Nothing was executed a second time.",
        )
    if kind == "gate":
        return GateHeld(
            host,
            f"the gate of {guard.directory} on {host} was held by somebody else for "
            f"{gate_wait_s:g} s: a take-over is under way there. Nothing was executed.",
        )
    if kind == "tool":
        return HostError(
            host,
            f"{host} has no usable '{detail}'. It comes with util-linux (Alpine: 'apk add util-linux-misc "
            "flock setsid'). Nothing was executed.",
        )
    if kind == "disk":
        return HostError(
            host,
            f"nothing can be written below {where} on {host}: the disk is full, read-only, or not "
            f"{address.partition('@')[0]}'s. Nothing was executed.",
        )
    if kind == "torn":
        return HostError(host, f"standard input reached {host} only in part ({detail} bytes). Nothing was executed.")
    return HostError(host, f"the guard on {host} let nothing through: {word}")


def check_guard(guard: Guard) -> None:
    """Raise ValueError for a guard whose names could reach outside its own directory, or that fences nothing."""
    if not guard.directory.startswith("/"):
        raise ValueError(f"the directory of a guard is an absolute path, not {guard.directory!r}")
    for name in (guard.run, guard.step):
        safe = name.replace("-", "").replace("_", "").replace(".", "")
        if not safe or not safe.isascii() or not safe.isalnum() or name[0] in ".-":
            raise ValueError(f"{name!r} cannot name a run or a step on a host")
    if guard.attempt < 1:
        raise ValueError("attempts count from 1")
    if not guard.fence.strip():
        raise ValueError("a guard without a fence lets everybody through")
    if guard.record is not None and "\n" in guard.record.rstrip("\n"):
        raise ValueError("a record is one line")
    if guard.before and (guard.record is None or not guard.before.endswith("\n") or "\0" in guard.before):
        raise ValueError("earlier records are whole lines before a record")


def attempt_of(guard: Guard) -> str:
    """An attempt's name in a sentence."""
    return f"{guard.step}.{guard.attempt} of run {guard.run}"


def said(data: bytes) -> str:
    """The last line somebody printed, for a sentence; control characters made visible."""
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return "it said nothing"
    return "".join(c if c.isprintable() else "?" for c in lines[-1])[:300]
