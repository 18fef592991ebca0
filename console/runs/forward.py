"""Forward: the steps of a plan, side by side where their needs allow, one effect a host at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Literal

from console.runs.api import Command, Op, Outcome, Park, Step
from console.runs.model import DONE, FAILED, INTENT, UNBEGUN, UNKNOWN

if TYPE_CHECKING:
    from console.runs.engine import Engine
    from console.store.records import Record

Way = Literal["done", "failed", "unknown", "cancelled", "stopped", "parked", "asks"]
"""How going forward ended. `stopped`: this process was asked to go, the run is not over. `parked`: it is to wait.
`asks`: the next step begins only once a person has agreed to it."""
_ORDER: dict[Way, int] = {"done": 0, "stopped": 1, "cancelled": 2, "failed": 3, "unknown": 4}
LOOK_S = 0.2
"""How often the engine looks for a cancel or a decision while it waits."""
EVIDENCE_LIMIT = 4000
CARRIED = 32 * 1024
"""Characters of earlier records that go to a host with a guard; more of them are copied first, if that can be."""


def forward(engine: Engine) -> Way:
    """Execute what is left; the worst way in which a step ended. What runs beside it is waited for.

    Raises OwnershipLost, FenceRefused, GroundMissing, StoreUnusable.
    """
    running: dict[Future[Way], Step] = {}
    worst: Way = "done"
    with ThreadPoolExecutor(max_workers=max(2, len(engine.plan.hosts) + 1), thread_name_prefix="step") as pool:
        while True:
            held_up = _cancel_seen(engine, running.values()) or engine.stopping.is_set()
            if worst == "done" and not held_up:
                for step in _ready(engine, running.values()):
                    if isinstance(step.run, Park):
                        return "parked"  # nothing is running beside it
                    running[pool.submit(_step, engine, step)] = step
            if not running:
                if worst == "done" and not held_up and asking(engine) is not None:
                    return "asks"
                break
            finished, _ = wait(running, timeout=LOOK_S, return_when=FIRST_COMPLETED)
            for future in finished:
                running.pop(future)
                worst = max(worst, future.result(), key=lambda one: _ORDER[one])
    if worst == "done" and any(engine.journal.view.steps[step.id].state != "done" for step in engine.plan.steps):
        return "cancelled" if engine.journal.view.cancel is not None else "stopped"
    return worst


def _ready(engine: Engine, running: Iterable[Step]) -> list[Step]:
    """What can begin now; a step that parks the run is alone, and nothing goes past it."""
    running = list(running)
    states = {id_: step.state for id_, step in engine.journal.view.steps.items()}
    busy = {step.host for step in running if step.host is not None}
    active = {step.id for step in running}
    chosen: list[Step] = []
    before = True
    for step in engine.plan.steps:
        if states[step.id] == "done":
            continue
        if isinstance(step.run, Park):
            return [step] if before else chosen
        before = False
        if states[step.id] == "running" or step.id in active:
            continue
        if step.asks and step.id not in engine.journal.view.agreed:
            continue
        if all(states[need] == "done" for need in step.needs) and step.host not in busy:
            chosen.append(step)
            if step.host is not None:
                busy.add(step.host)
    return chosen


def asking(engine: Engine) -> Step | None:
    """The step that could begin now if a person agreed to it."""
    view = engine.journal.view
    done = {id_ for id_, step in view.steps.items() if step.state == "done"}
    for step in engine.plan.steps:
        if step.id not in done and step.asks and step.id not in view.agreed and done.issuperset(step.needs):
            return step
    return None


def _cancel_seen(engine: Engine, running: Iterable[Step]) -> bool:
    """Whether the run is to stop. What runs is ended as its step allows: now, or asked for and confirmed."""
    cancel = engine.journal.sync().cancel
    if cancel is None:
        return False
    if any(step.cancel == "now" or (step.cancel == "ask" and cancel.get("force")) for step in running):
        engine.cancel_now.set()
    return True


def _step(engine: Engine, step: Step) -> Way:
    """One step: gates, then attempts until yes, or until nothing more may be tried."""
    for gate in step.gates:
        outcome = engine.executor.execute(gate.check, label=f"{step.id}.GATE", host=step.host, attempt=1)
        if outcome.verdict != "yes":
            word = "closed" if outcome.verdict == "no" else "closed, since nothing could be seen"
            return _not_begun(engine, step, f"the gate '{gate.title}' is {word}: {outcome.evidence}")
    first = engine.journal.view.steps[step.id].attempt + 1
    for attempt in range(first, first + step.attempts):
        engine.owned.prove()
        tried = _attempt(engine, step, attempt)
        if isinstance(tried, str):
            return tried
        way = settle(engine, step, attempt, tried, going_on=True)
        if way != "failed" or attempt == first + step.attempts - 1 or engine.journal.sync().cancel is not None:
            return way
        engine.say(f"attempt {attempt} of {step.title} failed; trying again", step.id, attempt)
    return "failed"


def _attempt(engine: Engine, step: Step, attempt: int) -> Outcome | Way:
    """Intent on the disk here and, in the guard's round trip, there; then the effect. A way if it may not begin."""
    assert not isinstance(step.run, Park)  # `forward` begins none
    intent = engine.journal.append(
        INTENT,
        {
            "step": step.id,
            "attempt": attempt,
            "host": step.host,
            "fence": engine.owned.fences.get(step.host or "", ""),
            "title": step.title,
        },
    )
    records: Sequence[str] = ()
    if step.run.writes:
        try:
            records = announced(engine, step.host, step.run, intent)
        except NotAnnounced as error:
            engine.journal.append(UNBEGUN, {"step": step.id, "attempt": attempt})
            if engine.stopping.is_set():
                return "stopped"
            return "cancelled" if engine.journal.sync().cancel is not None else _not_begun(engine, step, str(error))
    engine.say(f"── {step.title}", step.id, attempt)
    cancel = engine.cancel_now if step.cancel in ("now", "ask") else None
    return engine.executor.execute(
        step.run,
        label=step.id,
        host=step.host,
        attempt=attempt,
        records=records,
        cancel=cancel,
        recorded=partial(engine.journal.has, step.host or "", intent.seq),
    )


class NotAnnounced(Exception):
    """No host could be told that an effect is about to begin, so it was not begun. A sentence."""


def announced(
    engine: Engine, host: str | None, effect: Command | Op, intent: Record, *, undoing: bool = False
) -> Sequence[str]:
    """Let whoever goes on from the hosts alone know that this may have happened; records that go with its guard.

    A command's intent is written by its guard. What has no guard is not begun before a host has its intent: its own
    host where it has one, else any. A host that does not take it is asked again until it would be taken for dead, or
    until this process is to stop, or (not while `undoing`) the run.
    Raises NotAnnounced, OwnershipLost, FenceRefused, GroundMissing.
    """
    engine.copies.wait()
    if host is not None and isinstance(effect, Command):
        records = engine.journal.lacking(host, intent.seq)
        if sum(map(len, records)) > CARRIED:
            engine.copy()
            # What the host did not take goes with the guard after all: its copy must have no hole.
            records = engine.journal.lacking(host, intent.seq)
        return records
    names = [host] if host is not None else list(engine.owned.fences)
    began = time.monotonic()
    while True:
        engine.copy()
        if any(not engine.journal.lacking(name, intent.seq) for name in names):
            engine.owned.prove(lease=True)  # right before it: no fence guards what is not on a host
            return ()
        left = began + engine.timing.lock_dead_s - time.monotonic()
        to_stop = engine.stopping.is_set() or (not undoing and engine.journal.sync().cancel is not None)
        if left <= 0 or to_stop:
            raise NotAnnounced(
                f"It was not begun: {' and '.join(names)} did not take the record that it begins (asked for "
                f"{time.monotonic() - began:.0f} s), so whoever goes on from there would not know. Is a disk full?"
            )
        time.sleep(min(1.0, engine.timing.heartbeat_s, left))
        engine.owned.prove()


def settle(engine: Engine, step: Step, attempt: int, outcome: Outcome, *, going_on: bool = False) -> Way:
    """Check what an effect said, record it, and copy the records to the hosts.

    `going_on`: the next steps follow at once, so the copies are made beside them, or go with their guards.
    """
    if step.check is not None and outcome.verdict != "no":
        checked = engine.executor.execute(step.check, label=f"{step.id}.CHECK", host=step.host, attempt=None)
        if outcome.verdict == "yes" or checked.verdict != "unknown":
            evidence = "\n".join(part for part in (outcome.evidence, checked.evidence) if part)
            outputs = {**outcome.outputs, **{f"check_{name}": value for name, value in checked.outputs.items()}}
            outcome = Outcome(verdict=checked.verdict, evidence=evidence, outputs=outputs)
    body = {
        "step": step.id,
        "attempt": attempt,
        "evidence": outcome.evidence[:EVIDENCE_LIMIT],
        "outputs": dict(outcome.outputs),
    }
    cut_off = engine.cancel_now.is_set()
    if outcome.verdict == "yes":
        engine.executor.outputs[step.id] = dict(outcome.outputs)
        engine.journal.append(DONE, body)
        way: Way = "done"
    elif outcome.verdict == "no" or (cut_off and not step.run.writes):
        # What only looks and was cut off has done nothing: that is no doubt.
        engine.journal.append(FAILED, body)
        way = "cancelled" if cut_off else "failed"
    else:
        engine.journal.append(UNKNOWN, body)
        way = "cancelled" if cut_off else "unknown"
    if going_on and way == "done":
        engine.copies.soon(_guarded_next(engine))
    else:
        engine.copy()
    return way


def _guarded_next(engine: Engine) -> set[str]:
    """Hosts whose next step takes the records with it: a guarded command that nothing stands before."""
    if engine.stopping.is_set() or engine.journal.view.cancel is not None:
        return set()
    return {
        step.host
        for step in _ready(engine, ())
        if step.host is not None and isinstance(step.run, Command) and step.run.writes and not step.gates
    }


def _not_begun(engine: Engine, step: Step, evidence: str) -> Way:
    """A step that may not begin has failed, and left nothing to undo."""
    attempt = engine.journal.view.steps[step.id].attempt
    engine.journal.append(FAILED, {"step": step.id, "attempt": attempt, "evidence": evidence[:EVIDENCE_LIMIT]})
    engine.copy()
    return "failed"
