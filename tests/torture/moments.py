"""Moments at which the tests strike a runner, and its guards one by one switched off: patches for a process of a test.

Nothing of this can be switched on from outside: the product has no hook for it. A program of the tests (`dying.py`, or
the `sitecustomize` that a lab test puts before the runner) imports this module and patches its own process.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from console.runs import locks, ownership
from console.runs.effects import Executor
from console.runs.foreign import is_run_id
from console.runs.journal import Journal
from console.runs.model import DONE, FAILED, INTENT, UNDO_DONE, UNDO_FAILED, UNDO_INTENT, UNKNOWN
from console.store import records
from console.store.records import Record, Records

Strike = Callable[[], None]
_NUMBERS = count(1)
OUTCOMES = {DONE, FAILED, UNKNOWN, UNDO_DONE, UNDO_FAILED}


def struck(name: str = "KILL") -> Strike:
    """Sends this process a signal: KILL ends it, STOP freezes it."""
    number = getattr(signal, f"SIG{name}")
    return lambda: os.kill(os.getpid(), number)


def install(words: list[str], strike: Strike) -> None:
    """Strike once at a moment, which is one of

    before|after NUMBER            this record of a run is written, with those of the same transaction
    before|after KIND [STEP]       a record of that kind (`step.done`), of that step where one is named; as above
    within KIND [STEP]             such a record is being written: its transaction is open
    guard LABEL                    a command of that label (`s1`, `s1.UNDO`) is about to be handed to its host
    during LABEL SECONDS           so long after an effect was begun, at the latest before its outcome is recorded
    """
    when, what, *rest = words
    if when == "guard":
        _before_guard(what, strike)
    elif when == "during":
        _during(what, float(rest[0]), strike)
    elif when == "within":
        _within_record(what, rest[0] if rest else "", strike)
    else:
        _at_record(when, what, rest[0] if rest else "", strike)


def install_first_of(file: Path, then: str) -> None:
    """Strike at the first of the moments in a file (JSON, a list of lists of words); it is added to `FILE.landed`.

    `then`: `kill`, or `hold`: whoever comes to the moment waits there until there is `FILE.go`.
    """
    landed, go = (file.with_name(f"{file.name}.{end}") for end in ("landed", "go"))

    def named(words: list[str]) -> Strike:
        def strike() -> None:
            if then == "kill" or not landed.read_text():
                with landed.open("a") as out:
                    out.write(json.dumps(words) + "\n")
            if then == "kill":
                struck()()
            while not go.exists():
                time.sleep(0.01)

        return strike

    for words in json.loads(file.read_text()):
        install(words, named(words))


def _at_record(when: str, what: str, step: str, strike: Strike) -> None:
    append = Records.append_all

    def striking(self: Records, stream: str, items: Sequence[tuple[str, Any]], **more: Any) -> list[Record]:
        if not is_run_id(stream):
            return append(self, stream, items, **more)
        if what.isdigit():
            last = self.last(stream)
            fits = 0 < int(what) - (last.seq if last else 0) <= len(items)
        else:
            fits = any(kind in what.split("|") and (not step or body.get("step") == step) for kind, body in items)
        if fits and when == "before":
            strike()
        added = append(self, stream, items, **more)
        if fits and when == "after":
            strike()
        return added

    Records.append_all = striking  # type: ignore[method-assign]


def _within_record(kind: str, step: str, strike: Strike) -> None:
    append = records.append_in

    def striking(connection: Any, stream: str, named: str, body: Any, at: float) -> Record:
        record = append(connection, stream, named, body, at)
        if is_run_id(stream) and named == kind and (not step or body.get("step") == step):
            strike()
        return record

    records.append_in = striking


def _before_guard(label: str, strike: Strike) -> None:
    from console.hosts.core import HostCore

    guarded = HostCore.guarded

    def striking(self: Any, command: Any, guard: Any, **more: Any) -> Any:
        if guard.step in (label, f"{label}.PART1"):
            strike()
        return guarded(self, command, guard, **more)

    HostCore.guarded = striking  # type: ignore[method-assign]


def _during(label: str, seconds: float, strike: Strike) -> None:
    execute = Executor.execute

    def later() -> None:
        time.sleep(seconds)
        strike()

    def striking(self: Executor, effect: Any, **more: Any) -> Any:
        if more["label"] == label:
            threading.Thread(target=later, daemon=True).start()
        return execute(self, effect, **more)

    Executor.execute = striking  # type: ignore[method-assign]
    _at_record("before", "|".join(OUTCOMES), label.partition(".")[0], strike)


def acknowledge(file: Path) -> None:
    """Write down, past any end of this process, each record that was acknowledged: `STREAM SEQ HASH`, and `HOST NAME
    SEQ` once a host was known to have all up to it."""
    append, has = Records.append_all, Journal.has
    log = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def acknowledged(self: Records, stream: str, items: Sequence[tuple[str, Any]], **more: Any) -> list[Record]:
        added = append(self, stream, items, **more)
        for record in added:
            os.write(log, f"{record.stream} {record.seq} {record.hash}\n".encode())
        return added

    def had(self: Journal, host: str, until: int) -> None:
        has(self, host, until)
        os.write(log, f"HOST {host} {until}\n".encode())

    Records.append_all = acknowledged  # type: ignore[method-assign]
    Journal.has = had  # type: ignore[method-assign]


def note_losses(file: Path) -> None:
    """Write down when this process noticed that a host is lost: seconds since 1970, a line each."""
    from console.hosts.base import HostUnreachable

    made = HostUnreachable.__init__

    def noticed(self: HostUnreachable, *given: Any) -> None:
        with file.open("a") as out:
            out.write(f"{time.time()}\n")
        made(self, *given)

    HostUnreachable.__init__ = noticed  # type: ignore[method-assign]


# -- guards switched off, for the controls ------------------------------------------------------------------------


def off(name: str) -> None:
    """Switch one guard off in this process."""
    {
        "intent": _no_intent,
        "attempts": _no_attempts,
        "mutex": _no_mutex,
        "order": _no_order,
        "fence": _no_fence,
        "found": _not_found_again,
        "outcomes": _every_outcome_yes,
        "release": _no_release,
    }[name]()


def _not_found_again() -> None:
    """After a loss the attempt on the host is not looked for: the command is sent again, as another attempt."""
    from console.hosts.core import HostCore

    guarded = HostCore.guarded

    def anew(self: Any, command: Any, guard: Any, **more: Any) -> Any:
        return guarded(self, command, replace(guard, attempt=guard.attempt + 1000 * next(_NUMBERS)), **more)

    HostCore.guarded = anew  # type: ignore[method-assign]
    Executor._found_again = lambda self, *given: "not begun"  # type: ignore[method-assign]


def _every_outcome_yes() -> None:
    """Whatever came of a step, it is taken for done."""
    execute = Executor.execute

    def rosy(self: Executor, effect: Any, **more: Any) -> Any:
        return execute(self, effect, **more).model_copy(update={"verdict": "yes"})

    Executor.execute = rosy  # type: ignore[method-assign]


def _no_release() -> None:
    """Locks are not given back."""
    ownership.Ownership.give_back = lambda self, *given, **more: []  # type: ignore[method-assign]


def _no_intent() -> None:
    """No intent is written, here or on the host, before an effect."""
    append = Journal.append_all

    def without(self: Journal, items: Sequence[tuple[str, Any]]) -> list[Record]:
        written = [one for one in items if one[0] not in (INTENT, UNDO_INTENT)]
        added = iter(append(self, written) if written else ())
        return [next(added) if one in written else self._known[-1] for one in items]

    Journal.append_all = without  # type: ignore[method-assign]


def _no_attempts() -> None:
    """No directory on a host names an attempt twice: each process counts attempts anew."""
    guard = Executor.guard

    def anew(self: Executor, host: str, label: str, attempt: int, records: Any = ()) -> Any:
        return guard(self, host, label, attempt + 1000 * os.getpid(), records)

    Executor.guard = anew  # type: ignore[method-assign]


def _no_mutex() -> None:
    """A lock is looked at and taken without its mutex, with a pause between."""
    loose = locks.script("take")
    for strong, weak in (
        ('flock -x -w 10 9 || { echo "mutex"; exit 0; }', ""),
        ("read -r count", "sleep 0.3\nread -r count"),
    ):
        assert loose.count(strong) == 1
        loose = loose.replace(strong, weak)
    known = locks.script
    locks.script = lambda name: loose if name == "take" else known(name)  # type: ignore[assignment]


def _no_order() -> None:
    """Locks are taken in the order in which a profile names the hosts, with a pause between two of them."""

    def as_named(names: Any) -> list[str]:
        return list(names)

    ownership.sorted = as_named  # type: ignore[attr-defined]
    take = locks.take

    def slowly(*given: Any, **more: Any) -> Any:
        taken = take(*given, **more)
        time.sleep(0.5)
        return taken

    locks.take = slowly


def _no_fence() -> None:
    """The guard on a host does not compare the fence."""
    from console.hosts import scripts

    text = scripts.text
    compared = '[ "$found" = "$fence" ]'
    assert text("guard").count(compared) == 1 and text("guard").count("ours ||") == 2
    scripts.text = lambda name: text(name).replace(compared, "true") if name == "guard" else text(name)  # type: ignore[assignment]
