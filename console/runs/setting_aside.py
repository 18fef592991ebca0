"""Hosts that are left out of a run by name after it was begun: one that burnt down must not keep the others.

Which may be, whether a change can go on without them, and what the runner does once somebody has decided so. What they
have of the run stays as it is; they are fenced and cleaned at their next contact, like every host that was lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from console.hosts.base import FenceRefused, GroundMissing, HostError
from console.hosts.command import Command, InputOutput
from console.runs import locks
from console.runs.api import Plan, Step
from console.runs.left_out import ANSWERS, TRAFFIC, NotToBeLeftOut
from console.runs.model import SET_ASIDE, RunView
from profiles.base import nearest

if TYPE_CHECKING:
    from console.runs.engine import Engine

OVER = ("done", "left", "undone")
"""States of a step that is not done any more, or is done."""


def may_be_left_out(view: RunView, names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once. Raises NotToBeLeftOut for one that takes no part in the run, and for all that do."""
    for name in names:
        if name in view.without:
            raise NotToBeLeftOut(f"{name} is left out of the run {view.id} already.")
        if name not in view.hosts:
            near = nearest(name, view.hosts)
            meant = f"Did you mean {near}?" if near else f"Its hosts are {', '.join(view.hosts)}."
            raise NotToBeLeftOut(f"{name[:100]!r} takes no part in the run {view.id}. {meant}")
    if names and set(names) >= set(view.hosts):
        raise NotToBeLeftOut(f"All hosts of the run {view.id} would be left out: nothing could be done anywhere.")
    return tuple(dict.fromkeys(names))


def own_share(step: Step) -> bool:
    """Whether what a step does concerns its host alone: then it is called for it (`up.web1`), and so is every host's.

    Any other step on a host (`migrate`) is done there once, for all of them.
    """
    return step.host is not None and step.id.endswith(f".{step.host}")


def cannot_go_on(plan: Plan, view: RunView, names: Sequence[str]) -> str:
    """Why the change cannot go on without these hosts, in a sentence; empty if it can."""
    gone = {*view.left_out, *names}
    still = [step for step in plan.steps if view.steps[step.id].state not in OVER]
    lost = {step.id for step in still if step.host in gone}
    for step in still:
        if step.host in gone and not own_share(step):
            return f"'{step.title}' is done on {step.host}, for all hosts, and is not known to have happened."
        if step.host not in gone and (giver := _gives(step, lost)):
            title = next(one.title for one in plan.steps if one.id == giver)
            return f"'{step.title}' needs what '{title}' gives, which has not happened."
    return ""


def _gives(step: Step, lost: set[str]) -> str:
    """Which of the steps `lost` gives a step something that it reads; empty if none does."""
    for effect in (step.run, step.check, step.undo, step.undo_check):
        stdin = effect.stdin if isinstance(effect, Command) else None
        if isinstance(stdin, InputOutput) and stdin.step in lost:
            return stdin.step
    return ""


def meaning(plan: Plan, view: RunView, answers: Mapping[str, str], choice: str) -> str:
    """What leaving hosts out of a run means, for who decides it. `answers`: what each of them said, or ANSWERS."""
    lines = []
    for name, said in answers.items():
        if said == ANSWERS:
            lines.append(f"{name} is left out although it answers: nothing more is done there.")
        else:
            lines.append(f"{name} is left out: nothing more is done there, also if it comes back. {said}".rstrip())
        states = {step.id: view.steps[step.id].state for step in plan.steps if step.host == name}
        titles = {step.id: step.title for step in plan.steps}
        for word, wanted in (
            ("stays as it is there", ("done",)),
            ("is in doubt there", ("running", "unknown", "failed", "undoing", "undo failed")),
            ("is not done there", ("waiting",) if choice == "resume" else ()),
        ):
            what = [titles[id_] for id_, state in states.items() if state in wanted]
            if what:
                lines.append(f"  {word}: {'; '.join(what)}")
    lines.append(TRAFFIC)
    lines.append("Whoever takes the environment next fences it, and ends what is left running there, once it answers.")
    return "\n".join(lines)


def set_aside(engine: Engine) -> None:
    """Act on what somebody has decided: do without the hosts that are left out since this runner looked last.

    The others are told which ones, for whoever reads later what they have. Raises FenceRefused, GroundMissing.
    """
    view, plan = engine.journal.view, engine.plan
    gone = [name for name in engine.hosts if name in view.left_out]
    if gone:
        engine.wait_for_copies()
        for name in gone:
            engine.owned.leave_out(name)
        engine.hosts = view.hosts
        engine.executor.environment = engine.tools.environment.without(view.without)
    steps = [step for step in plan.steps if step.host in view.left_out and view.steps[step.id].state not in OVER]
    if steps:
        bodies = ({"step": step.id, "evidence": f"{step.host} is left out"} for step in steps)
        engine.journal.append_all([(SET_ASIDE, body) for body in bodies])
    if not view.left_out or engine.aside == view.left_out:
        return
    engine.aside = view.left_out
    names = " and ".join(view.left_out)
    engine.say(f"without {names} from now on: nothing more is done there")
    for name, fence in engine.owned.fences.items():
        host, directory = engine.tools.environment.hosts[name], engine.tools.environment.directory
        try:
            locks.write_left_out(host, directory, engine.run_id, fence, view.left_out)
        except (FenceRefused, GroundMissing):
            raise
        except HostError as error:
            engine.say(f"{name} was not told that {names} is left out: {error}")
    engine.copy()
    engine.audited("run.without", {"without": list(view.left_out)})
