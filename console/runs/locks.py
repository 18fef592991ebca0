"""The lock of an environment on its hosts: taken, beaten, proved, taken over, given back.

Each is one fixed script and one round trip a host; on a host every change is made under its mutex, so that two takers
cannot both win. The lock's content (who, from where, which run, why, since) is there from the moment it is. Age is by
the host's own clock. See DESIGN section 4, Locks and Fencing.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any, Literal

from console.hosts.base import CAPTURE_BYTES, FenceRefused, GroundMissing, Host, HostError
from console.hosts.scripts import bare
from console.runs.lease import Process
from console.runs.model import LATEST
from console.store.records import ChainBroken
from console.text.sanitise import clean
from console.timing import Timing

UNREADABLE = "somebody (the lock's owner file cannot be read)"
SHOWN = 300
"""Characters of a word from an owner file that are shown."""
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_AGE = re.compile(r"-?[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds an environment."""

    run: str
    who: str
    """`name@machine`, as the system knows them."""
    pid: int
    reason: str
    since: float
    """Unix seconds by the taker's clock; ages are by the host's."""
    kind: Literal["run", "person"] = "run"
    title: str = ""
    start: str = ""
    boot: str = ""
    machine: str = ""
    """With the pid: which process it is, so that a taker on the same machine can see that it is gone."""
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    """Names this very lock: only it is taken away from an owner that is known to be gone."""

    @property
    def gone(self) -> bool:
        """Whether its process was of this machine and boot, and does not live any more, or is this one, begun anew.

        Of another machine, or of an earlier boot of one that is called the same, nothing is known.
        """
        if self.kind == "person" or not self.start:
            return False
        process = Process(self.pid, self.start, self.boot, self.machine)
        return process.here and (not process.alive or process == Process.me())

    def of_process(self, process: Process | None) -> bool:
        """Whether it is that very process."""
        return process == Process(self.pid, self.start, self.boot, self.machine)

    def line(self) -> str:
        """The content of owner.json: one line, no spaces, so that a script can look for `"run":"…"`."""
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=True)

    @staticmethod
    def of(text: str) -> Owner:
        """The owner of its line; an unreadable one gives a person that nobody is, so that a person can take it away.

        The line is from a host: what is in it is sanitised, since it goes into sentences; a run in it that is no plain
        word is none, since sentences name it in commands to be typed.
        """
        try:
            raw: Mapping[str, Any] = json.loads(text)
            kind: Literal["run", "person"] = "person" if raw.get("kind") == "person" else "run"
            since = float(raw["since"])
            return Owner(
                run=run_named(str(raw["run"]), kind),
                who=clean(str(raw["who"]), SHOWN),
                pid=int(raw["pid"]),
                reason=clean(str(raw["reason"]), SHOWN),
                since=since if 0 <= since < LATEST else 0.0,
                kind=kind,
                title=clean(str(raw.get("title", "")), SHOWN),
                start=str(raw.get("start", "")),
                boot=str(raw.get("boot", "")),
                machine=str(raw.get("machine", "")),
                token=_token(str(raw.get("token", ""))),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return Owner("", UNREADABLE, 0, "", 0.0, kind="person", token="")


def run_named(text: str, kind: Literal["run", "person"]) -> str:
    """A run as an owner line names it, empty for what is no word; a person's lock is named for the person."""
    if kind == "person":
        return clean(text, SHOWN)
    return text if _WORD.fullmatch(text) else ""


def _token(text: str) -> str:
    return text if text.isascii() and text.isalnum() and len(text) <= 64 else ""


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that somebody has, and how long ago it was last beaten, by the host's clock."""

    host: str
    owner: Owner
    age_s: float
    dead: bool


class LockHeld(Exception):
    """Somebody else has the environment. The text says who, from where, since when, why and which run."""

    exit_code = 4

    def __init__(self, environment: str, held: Held) -> None:
        owner = held.owner
        since = time.strftime("%H:%M:%S on %Y-%m-%d", time.localtime(owner.since)) if owner.since else "some time ago"
        alive = (
            f", nothing was heard of it for {held.age_s:.0f} s: it is dead"
            if held.dead
            else f", last heard of {held.age_s:.0f} s ago"
        )
        what = f"run {owner.run}{alive}" if owner.kind == "run" else "a person's lock"
        super().__init__(
            f"{environment} is held by {owner.who} since {since}: {owner.reason or owner.title or 'no reason given'} "
            f"({what}, on {held.host})."
        )
        self.held = held
        if owner.kind == "person":
            self.ways_out: tuple[str, ...] = (
                f"ask them, or take it away: quarterdeck unlock {environment} --reason …",
            )
        elif held.dead:
            self.ways_out = (
                f"go on with it: quarterdeck runs resume {owner.run}",
                f"or take it back: quarterdeck runs undo {owner.run}",
                f"or, if it has ended: quarterdeck unlock {environment} --reason …",
            )
        else:
            self.ways_out = (f"watch it: quarterdeck runs follow {owner.run}",)


class LockLost(HostError):
    """The lock is not ours any more: nothing more may be done."""


@cache
def script(name: str) -> str:
    """One of this package's fixed scripts."""
    return bare((resources.files("console.runs") / "scripts" / f"{name}.sh").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Taken:
    """A lock that was got."""

    fence: str
    """The new fence: what every changing command on this host must hold from now on."""
    mine: bool
    """It was this run's before: a resumed run, whose attempts are found again."""
    clear: bool
    """Nothing of an earlier owner was under the gate."""


def take(
    host: Host, directory: str, owner: Owner, timing: Timing, *, environment: str, over: str | None = None
) -> Taken:
    """Take the lock on one host. One round trip, two where a lock is taken whose owner is known to be gone.

    `over`: the run whose dead lock may be taken away. Raises LockHeld, GroundMissing, HostError.
    """
    got = _taken(host, directory, owner, over or "-", "-", timing)
    if isinstance(got, Held) and got.owner.token and got.owner.gone and got.owner.run in (owner.run, over):
        got = _taken(host, directory, owner, over or "-", f'"token":"{got.owner.token}"', timing)
    if isinstance(got, Held):
        raise LockHeld(environment, got)
    return got


def seize(host: Host, directory: str, owner: Owner, held: Held, timing: Timing, *, environment: str) -> Taken:
    """Take exactly the lock `held`, a person's or a dead one, whatever its age. Raises LockHeld, HostError.

    One whose owner file cannot be read (empty after a power cut, for instance) is taken once it is dead.
    """
    known = f'"token":"{held.owner.token}"' if held.owner.token else "-"
    if held.owner.who == UNREADABLE:
        known = "unreadable"
    got = _taken(host, directory, owner, held.owner.run or "-", known, timing)
    if isinstance(got, Held):
        raise LockHeld(environment, got)
    return replace(got, mine=False)


def _taken(host: Host, directory: str, owner: Owner, over: str, known: str, timing: Timing) -> Taken | Held:
    """One try to take a lock: what was got, or who has it. Raises GroundMissing, HostError."""
    result = host.script(
        script("take"),
        directory,
        owner.run,
        str(max(1, round(timing.lock_dead_s))),
        over,
        known,
        stdin=owner.line().encode(),
        deadline_s=30.0,
    )
    first, _, rest = result.text().partition("\n")
    word, *more = first.split(" ", 3)
    if word == "taken" and len(more) == 3:
        return Taken(fence=more[2], mine=more[0] == "1", clear=more[1] == "clear")
    if word in ("held", "dead") and more and (age := _age(more[0])) is not None:
        return held_by(host, rest, age, dead=word == "dead")
    raise _trouble(host, directory, word, result.err)


def _age(text: str) -> float | None:
    """Seconds as a script says them: a whole number, which a clock that was set back makes negative."""
    return float(text) if _AGE.fullmatch(text) else None


def held_by(host: Host, owner_line: str, age_s: float, *, dead: bool) -> Held:
    """A lock as a script described it. A person's lock does not die of age."""
    owner = Owner.of(owner_line)
    return Held(host.name, owner, age_s, dead and owner.kind == "run")


def beat(host: Host, directory: str, run: str, fence: str) -> None:
    """Renew the heartbeat; returning is proof that the lock is ours. Raises LockLost, GroundMissing, HostError."""
    result = host.script(script("beat"), directory, run, fence, deadline_s=10.0)
    first, _, rest = result.text().partition("\n")
    if first == "ours":
        return
    if first == "lost":
        now = Owner.of(rest).who if rest else "nobody"
        raise LockLost(host.name, f"The lock on {host.name} is not this runner's any more; it belongs to {now}.")
    raise _trouble(host, directory, first, result.err)


def release(host: Host, directory: str, run: str, fence: str = "-", records: Sequence[str] = ()) -> bool:
    """Remove the lock if it is this run's, under this fence; whether there was one. Raises FenceRefused, HostError.

    `records` are added to the run's journal there first; where they cannot be, the lock goes all the same.
    """
    text = "".join(f"{line}\n" for line in records)
    what = "records" if records else "-"
    result = host.script(script("release"), directory, run, fence, what, stdin=text.encode(), deadline_s=20.0)
    first = result.text().partition("\n")[0]
    if first in ("released", "none"):
        return first == "released"
    if first == "other":
        raise _trouble(host, directory, "fence", result.err)
    raise _trouble(host, directory, first, result.err)


def look(host: Host, directory: str, timing: Timing) -> Held | None:
    """Who has the lock, or None. Raises HostError."""
    result = host.script(script("look"), directory, deadline_s=timing.read_s)
    first, _, rest = result.text().partition("\n")
    if first in ("free", "none"):
        return None
    word, _, said = first.partition(" ")
    age = _age(said)
    if word != "held" or age is None:
        raise _trouble(host, directory, "", result.err)
    return held_by(host, rest, age, dead=age > timing.lock_dead_s)


def append_records(host: Host, directory: str, run: str, fence: str, lines: Sequence[str]) -> None:
    """Add records to the host's copy. Raises FenceRefused, GroundMissing, HostError."""
    text = "".join(f"{line}\n" for line in lines)
    result = host.script(script("append"), directory, run, fence, stdin=text.encode(), deadline_s=20.0)
    if result.text() != "added":
        raise _trouble(host, directory, result.text(), result.err)


def write_plan(host: Host, directory: str, run: str, fence: str, plan: str) -> None:
    """Write the plan beside the records. Raises FenceRefused, GroundMissing, HostError."""
    result = host.script(script("plan"), directory, run, fence, stdin=plan.encode(), deadline_s=20.0)
    if result.text() != "written":
        raise _trouble(host, directory, result.text(), result.err)


def write_left_out(host: Host, directory: str, run: str, fence: str, names: Sequence[str]) -> None:
    """Write beside the plan which hosts were left out since. Raises FenceRefused, GroundMissing, HostError."""
    text = "".join(f"{name}\n" for name in names)
    result = host.script(script("plan"), directory, run, fence, "without", stdin=text.encode(), deadline_s=20.0)
    if result.text() != "written":
        raise _trouble(host, directory, result.text(), result.err)


def append_audit(host: Host, directory: str, lines: Sequence[str]) -> None:
    """Add lines to the host's audit.log. Raises GroundMissing, HostError."""
    text = "".join(f"{line}\n" for line in lines)
    result = host.script(script("audit"), directory, stdin=text.encode(), deadline_s=20.0)
    if result.text() != "added":
        raise _trouble(host, directory, result.text(), result.err)


def prune(host: Host, directory: str, run: str, fence: str, keeping: Sequence[int]) -> int:
    """Let go of old runs that have ended; how many went. `keeping`: see `prune_there`.

    Raises FenceRefused, GroundMissing, HostError.
    """
    result = host.script(script("prune"), directory, run, fence, *map(str, keeping), deadline_s=60.0)
    word, _, count = result.text().partition(" ")
    if word != "pruned" or not count.isdecimal():
        raise _trouble(host, directory, word, result.err)
    return int(count)


def read_records(host: Host, directory: str, run: str) -> str:
    """The host's copy of a run's journal, as it stands there; empty where it has none.

    Raises HostError, ChainBroken for one that is longer than a journal can be: a part of one would lead astray.
    """
    result = host.script(script("records"), directory, run, str(CAPTURE_BYTES), deadline_s=30.0)
    if result.rc == 45 or result.truncated:
        raise ChainBroken(
            f"The copy of the run {run} on {host.name} is longer than {CAPTURE_BYTES // 2**20} MB, which no journal of "
            f"ours is: nothing of it was read. Look at {directory}/.quarterdeck/runs/{run}/records.jsonl there, and at "
            "who may write it."
        )
    return result.out.decode("ascii", "replace") if result.rc == 0 else ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt on a host: which run, the label of what was executed, the attempt's number."""

    run: str
    label: str
    number: int
    ended: bool


def attempts(host: Host, directory: str, run: str | None = None, *, ended: bool = False) -> list[Attempt]:
    """The attempts of a run, or of all runs, that this host knows and that have not ended; `ended`: those too.

    Raises HostError.
    """
    result = host.script(script("attempts"), directory, run or "*", "all" if ended else "unfinished", deadline_s=20.0)
    found = []
    for line in result.text().splitlines():
        name, _, rest = line.partition(" ")
        attempt, _, rc = rest.partition(" ")
        label, _, number = attempt.rpartition(".")
        if label and number.isdigit():
            found.append(Attempt(name, label, int(number), rc != "-"))
    return found


def _trouble(host: Host, directory: str, word: str, err: bytes) -> HostError:
    where = f"{directory} on {host.name}"
    match word:
        case "fence":
            return FenceRefused(
                host.name, f"{host.name} holds another fence than this runner: somebody took {directory} over."
            )
        case "nodir":
            return GroundMissing(
                host.name, f"There is no directory {where}. Make it, owned by the account that deploys there."
            )
        case "readonly":
            return GroundMissing(host.name, f"{where} cannot be written to by {host.address.split('@')[0]}.")
        case "ground":
            return GroundMissing(
                host.name,
                f"{directory}/.quarterdeck on {host.name} is not whole any more: its gate, fence or mutex is gone. "
                "Something cleaned it away (git clean, rsync --delete?). Nothing more was done; a person must look.",
            )
        case "disk":
            return HostError(host.name, f"{where} cannot be written: the disk is full, most likely. Nothing was begun.")
        case "mutex":
            return HostError(host.name, f"Another console has held the mutex of {where} for 10 s; try again.")
    said = clean(err.decode("utf-8", "replace").strip() or word or "nothing", SHOWN)
    return HostError(host.name, f"{host.name} did not answer as expected about {directory}: {said}.")
