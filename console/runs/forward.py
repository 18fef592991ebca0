"""Forward: the steps of a plan, side by side where their needs allow, one effect a host at a time.

That a step is done and that the next one begins is one transaction of the store, since each costs five syncs of the
disk: whoever finds only the first step's intent looks at what its host has of it (see `recovery`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from console.runs.api import Command, Op, Outcome, Park, Step
from console.runs.model import DONE, FAILED, INTENT, UNBEGUN, UNKNOWN
from console.store.database import StoreFull, StoreUnusable

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
MET = ("done", "left")
"""States of a step that no other waits for. `left`: its host was left out since."""
CARRIED = 32 * 1024
"""Characters of earlier records that go to a host with a guard; more of them are copied first, if that can be."""


class Begun(NamedTuple):
    """An attempt that is about to begin, and the record that says so."""

    attempt: int
    intent: Record


class Settled(NamedTuple):
    """What became of a step, and the record that says so."""

    way: Way
    kind: str
    body: Mapping[str, Any]


def forward(engine: Engine) -> Way:
    """Execute what is left; the worst way in which a step ended. What runs beside it is waited for.

    Raises OwnershipLost, FenceRefused, GroundMissing, StoreUnusable.
    """
    running: dict[Future[Settled | Way], Step] = {}
    done: list[Settled] = []
    worst: Way = "done"
    with ThreadPoolExecutor(max_workers=max(2, len(engine.plan.hosts) + 1), thread_name_prefix="step") as pool:
        try:
            while True:
                held_up = _cancel_seen(engine, running.values()) or engine.stopping.is_set()
                going_on = worst == "done" and not held_up
                chosen = _ready(engine, running.values(), done) if going_on else []
                parked = any(isinstance(step.run, Park) for step in chosen)
                begun = _record(engine, done, () if parked else chosen)
                if parked:
                    return "parked"  # nothing is running beside it
                for step in chosen:
                    running[pool.submit(_step, engine, step, begun.get(step.id))] = step
                if not running:
                    if going_on and asking(engine) is not None:
                        return "asks"
                    break
                finished, _ = wait(running, timeout=LOOK_S, return_when=FIRST_COMPLETED)
                for future in finished:
                    settled = future.result()
                    del running[future]
                    if isinstance(settled, Settled):
                        done.append(settled)
                    else:
                        worst = max(worst, settled, key=lambda one: _ORDER[one])
        except BaseException:
            _record_rest(engine, done, running)
            raise
    if worst == "done" and any(engine.journal.view.steps[step.id].state not in MET for step in engine.plan.steps):
        return "cancelled" if engine.journal.view.cancel is not None else "stopped"
    return worst


def _ready(engine: Engine, running: Iterable[Step], done: Iterable[Settled]) -> list[Step]:
    """The steps that can begin now; one that parks the run is alone, and nothing goes past it.

    `done`: those that are, and are not recorded yet.
    """
    running = list(running)
    states: dict[str, str] = {id_: step.state for id_, step in engine.journal.view.steps.items()}
    states |= {str(one.body["step"]): "done" for one in done}
    busy = {step.host for step in running if step.host is not None}
    active = {step.id for step in running}
    chosen: list[Step] = []
    before = True
    for step in engine.plan.steps:
        if states[step.id] in MET:
            continue
        if isinstance(step.run, Park):
            return [step] if before else chosen
        before = False
        if states[step.id] == "running" or step.id in active:
            continue
        if step.asks and step.id not in engine.journal.view.agreed:
            continue
        if all(states[need] in MET for need in step.needs) and step.host not in busy:
            chosen.append(step)
            if step.host is not None:
                busy.add(step.host)
    return chosen


def asking(engine: Engine) -> Step | None:
    """The step that could begin now if a person agreed to it."""
    view = engine.journal.view
    met = {id_ for id_, step in view.steps.items() if step.state in MET}
    for step in engine.plan.steps:
        if step.id not in met and step.asks and step.id not in view.agreed and met.issuperset(step.needs):
            return step
    return None


def _record(engine: Engine, done: list[Settled], chosen: Sequence[Step]) -> Mapping[str, Begun]:
    """Record what is done, which empties `done`, with the intents of the steps that begin at once; those, by step.

    A step with gates, or one for which ownership has to be proved anew, writes its intent after that. Raises
    StoreUnusable.
    """
    at_once = [step for step in chosen if not step.gates] if engine.owned.proved else []
    outcomes = [(one.kind, one.body) for one in done]
    attempts = [_next_attempt(engine, step) for step in at_once]
    intents = [(INTENT, _intent(engine, step, attempt)) for step, attempt in zip(at_once, attempts, strict=True)]
    records: Sequence[Record] = ()
    try:
        if outcomes or intents:
            records = engine.journal.append_all([*outcomes, *intents])
    except StoreFull:  # said by the step, which asks for the room once more
        intents = []
        if outcomes:
            engine.journal.append_all(outcomes)
    done.clear()
    if outcomes:
        engine.copies.soon(_taken_along(engine, chosen))
    if not intents:
        return {}
    begun = map(Begun, attempts, records[len(outcomes) :])
    return {step.id: one for step, one in zip(at_once, begun, strict=True)}


def _record_rest(engine: Engine, done: list[Settled], running: Iterable[Future[Settled | Way]]) -> None:
    """Whatever ends this: what was done is recorded, also what still runs, which is waited for."""
    for future in running:
        with suppress(BaseException):  # the first one is raised
            if isinstance(settled := future.result(), Settled):
                done.append(settled)
    with suppress(StoreUnusable):
        if done:
            engine.journal.append_all([(one.kind, one.body) for one in done])


def _taken_along(engine: Engine, chosen: Iterable[Step]) -> set[str]:
    """Hosts whose next round trip takes the records with it: that of a guarded command that nothing stands before.

    After the last step it is that which gives the lock back.
    """
    if all(step.state in MET for step in engine.journal.view.steps.values()):
        return set(engine.owned.fences)
    return {
        step.host
        for step in chosen
        if step.host is not None and isinstance(step.run, Command) and step.run.writes and not step.gates
    }


def _cancel_seen(engine: Engine, running: Iterable[Step]) -> bool:
    """Whether the run is to stop. What runs is ended as its step allows: now, or asked for and confirmed."""
    cancel = engine.journal.sync().cancel
    if cancel is None:
        return False
    if any(step.cancel == "now" or (step.cancel == "ask" and cancel.get("force")) for step in running):
        engine.cancel_now.set()
    return True


def _step(engine: Engine, step: Step, begun: Begun | None) -> Settled | Way:
    """One step: gates, then attempts until yes, or until nothing more may be tried.

    `begun`: its first attempt, if that is recorded already. That it is done is left to be recorded.
    """
    for gate in step.gates:
        outcome = engine.executor.execute(gate.check, label=f"{step.id}.GATE", host=step.host, attempt=1)
        if outcome.verdict != "yes":
            word = "closed" if outcome.verdict == "no" else "closed, since nothing could be seen"
            return _not_begun(engine, step, f"the gate '{gate.title}' is {word}: {outcome.evidence}")
    first = begun.attempt if begun is not None else _next_attempt(engine, step)
    for attempt in range(first, first + step.attempts):
        if begun is None:
            engine.owned.prove()
            begun = begin(engine, step, attempt)
        tried = _attempt(engine, step, begun)
        begun = None
        if isinstance(tried, str):
            return tried
        settled = _checked(engine, step, attempt, tried)
        if settled.way == "done":
            return settled
        _settle(engine, settled)
        last = attempt == first + step.attempts - 1
        if settled.way != "failed" or last or engine.journal.sync().cancel is not None:
            return settled.way
        engine.say(f"attempt {attempt} of {step.title} failed; trying again", step.id, attempt)
    return "failed"


def begin(engine: Engine, step: Step, attempt: int) -> Begun:
    """Write the intent of an attempt, alone. Raises StoreUnusable, StoreFull."""
    return Begun(attempt, engine.journal.append(INTENT, _intent(engine, step, attempt)))


def _next_attempt(engine: Engine, step: Step) -> int:
    return engine.journal.view.steps[step.id].attempt + 1


def _intent(engine: Engine, step: Step, attempt: int) -> Mapping[str, Any]:
    return {
        "step": step.id,
        "attempt": attempt,
        "host": step.host,
        "fence": engine.owned.fences.get(step.host or "", ""),
        "title": step.title,
    }


def _attempt(engine: Engine, step: Step, begun: Begun) -> Outcome | Way:
    """The intent, which is on the disk here, goes to the host in the guard's round trip; then the effect.

    A way if it may not begin.
    """
    assert not isinstance(step.run, Park)  # `forward` begins none
    attempt, intent = begun
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


def settle(engine: Engine, step: Step, attempt: int, outcome: Outcome) -> Way:
    """Check what an effect said, record it, and copy the records to the hosts."""
    return _settle(engine, _checked(engine, step, attempt, outcome))


def _settle(engine: Engine, settled: Settled) -> Way:
    engine.journal.append(settled.kind, settled.body)
    engine.copy()
    return settled.way


def _checked(engine: Engine, step: Step, attempt: int, outcome: Outcome) -> Settled:
    """What an effect came to, once its check was asked."""
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
        return Settled("done", DONE, body)
    if outcome.verdict == "no" or (cut_off and not step.run.writes):
        # What only looks and was cut off has done nothing: that is no doubt.
        return Settled("cancelled" if cut_off else "failed", FAILED, body)
    return Settled("cancelled" if cut_off else "unknown", UNKNOWN, body)


def _not_begun(engine: Engine, step: Step, evidence: str) -> Way:
    """A step that may not begin has failed, and left nothing to undo."""
    attempt = engine.journal.view.steps[step.id].attempt
    engine.journal.append(FAILED, {"step": step.id, "attempt": attempt, "evidence": evidence[:EVIDENCE_LIMIT]})
    engine.copy()
    return "failed"
