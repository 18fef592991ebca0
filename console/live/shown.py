"""From plans, runs and releases to the plain values that screens and command line show. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from console.live.waits import gives_way, joined, lines_of, parked_text, silent, until, waits_for
from console.runs.api import Block, DiffBlock, Doing, Plan, Step, TableBlock
from console.runs.model import RunView
from console.runs.said import in_short
from console.runs.seen import DUE
from console.runs.shown import effect_text, effect_whole
from console.session import BlockShown, FieldShown, PlanShown, ReleaseShown, RunShown, StepShown
from console.text.sanitise import clean
from console.text.times import clock
from console.watch.views import RunLine, State
from profiles.inline import masked

if TYPE_CHECKING:
    from console.runs.api import Action
    from console.runs.client import Seen
    from console.runs.planning import Planned
    from console.stacks.release import Release

TONES: Mapping[str, State] = {
    "succeeded": "ok",
    "undone": "ok",
    "failed-undone": "warn",
    "failed-code-undone": "warn",
    "cancelled-undone": "warn",
    "cancelled-left": "warn",
    "refused": "warn",
    "unreachable": "unknown",
    "needs-human": "bad",
}


BEGUN_BEFORE = "an attempt of it was begun and not done; the one that was cut off changed nothing more"
CUT_OFF = "it had changed nothing when it was cut off"
"""Of a step that was begun, and of which its host knows nothing, or that only looks."""
NOT_KEPT = (
    "Its plan and what its steps said are not kept here any more (quarterdeck runs prune --dry-run says what is, and "
    "why); its hosts may still have both, in .quarterdeck/runs."
)


def step_shown(step: Step, whole: Callable[[Doing | None], str] | None = None) -> StepShown:
    """A step of a plan. `whole`: what gives its effects with nothing left out."""
    effect = whole or (lambda one: clean(effect_text(one)))
    gates = (f"{clean(gate.title)}: {whole(gate.check)}" if whole else clean(gate.title) for gate in step.gates)
    return StepShown(
        id=step.id,
        title=clean(step.title),
        host=step.host or "",
        command=effect(step.run),
        undo=effect(step.undo),
        no_undo=clean(step.no_undo or ""),
        check=effect(step.check),
        undo_check=effect(step.undo_check) if whole else "",
        certainty=step.certainty,
        note=clean(step.shown),
        gates=tuple(gates),
        needs=step.needs,
    )


def _whole() -> Callable[[Doing | None], str]:
    from console.stacks.known import fixed_scripts

    scripts = fixed_scripts()
    return lambda effect: lines_of(effect_whole(effect, scripts))


def block_shown(block: Block) -> BlockShown:
    """A block of a plan."""
    if isinstance(block, TableBlock):
        return BlockShown(
            "table",
            clean(block.title),
            columns=tuple(clean(cell) for cell in block.columns),
            rows=tuple(tuple(clean(cell) for cell in row) for row in block.rows),
        )
    if isinstance(block, DiffBlock):
        before, after = lines_of(masked(block.before)), lines_of(masked(block.after))
        return BlockShown("diff", clean(block.title), before=before, after=after)
    return BlockShown("text", clean(block.title), text=lines_of(masked(block.text)), tone=block.tone)


def plan_shown(
    plan: Plan, danger: str, *, at: float, params: Mapping[str, Any], token: Any = None, foreign: str = ""
) -> PlanShown:
    """A plan, ready to be confirmed. `foreign`: whence it came, if it was not made here; then it is shown whole."""
    whole = _whole() if foreign else None
    return PlanShown(
        action=plan.action,
        environment=plan.environment,
        title=clean(plan.title),
        digest=plan.digest,
        danger=danger,
        steps=tuple(step_shown(step, whole) for step in plan.steps),
        blocks=tuple(block_shown(block) for block in plan.blocks),
        as_before=clean(plan.as_before),
        asks=plan.on_failure == "ask",
        made_at=at,
        params=params,
        token=token,
        foreign=clean(foreign),
        without=tuple(clean(name) for name in plan.without),
    )


def planned_shown(planned: Planned, action: Action[Any, Any], environment: str, params: Mapping[str, Any]) -> PlanShown:
    """What a planning gave: a plan or the refusal."""
    if planned.plan is not None:
        return plan_shown(planned.plan, action.danger, at=planned.at, params=params, token=planned)
    refusal = planned.refusal
    return PlanShown(
        action=action.name,
        environment=environment,
        title=f"{action.title} on {environment}",
        digest="",
        danger=action.danger,
        refusal=lines_of(refusal.reason) if refusal is not None else "No plan.",
        ways_out=tuple(clean(way) for way in refusal.ways_out) if refusal is not None else (),
        unreachable=refusal.unreachable if refusal is not None else False,
        made_at=planned.at,
        params=params,
    )


def fields_shown(
    action: Action[Any, Any], suggestions: Mapping[str, Sequence[tuple[str, str]]]
) -> tuple[FieldShown, ...]:
    """The action's parameters as a form shows them."""
    from typing import Literal, get_args, get_origin

    from pydantic_core import PydanticUndefined

    shown = []
    for name, field in action.params_type.model_fields.items():
        offered = tuple((clean(value), clean(what)) for value, what in suggestions.get(name, ()))
        kind: Any = "text"
        if field.annotation is bool:
            kind = "flag"
        elif field.annotation in (int, float):
            kind = "number"
        elif get_origin(field.annotation) is Literal:
            kind = "choice"
            offered = offered or tuple((str(value), "") for value in get_args(field.annotation))
        default = field.default
        shown.append(
            FieldShown(
                name=name,
                title=field.title or name.replace("_", " ").capitalize(),
                help=field.description or "",
                kind=kind,
                required=field.is_required(),
                default="" if default is None or default is PydanticUndefined else _text(default),
                choices=offered,
            )
        )
    return tuple(shown)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ",".join(str(one) for one in value)
    return str(value)


def run_line(seen: Seen) -> RunLine:
    """A run in a list."""
    view = seen.view
    state = seen.state
    tone: State = TONES.get(view.ending or "", "unknown") if view.state == "closed" else "ok"
    if state in ("interrupted", "waiting for unlock", "waiting for you", "created, not begun", DUE):
        tone = "warn"
    active = next((step for step in view.steps.values() if step.state in ("running", "undoing")), None)
    failed = next((step for step in view.steps.values() if step.state in ("failed", "unknown", "undo failed")), None)
    pointed = active or (failed if view.ending != "succeeded" else None)
    return RunLine(
        id=view.id,
        action=view.action,
        environment=view.environment,
        title=clean(view.title),
        state=state,
        tone=tone,
        who=clean(str(view.body.get("who", ""))),
        started=view.created,
        took_s=max(
            0.0, (view.closed_at or (time.time() if seen.holder or seen.elsewhere else view.last_at)) - view.created
        ),
        step=clean(pointed.title) if pointed is not None else "",
        local=not seen.elsewhere,
        heard=seen.heard if seen.idle else view.last_at,  # of a living one it would change all the time
        looked=seen.looked,
        until=seen.until,
    )


def broken_line(run: str, problem: str) -> RunLine:
    """A run in a list whose records do not hold together: it is named, and nothing of it is believed."""
    return RunLine(
        id=run, action="", environment="", title=run, state="records damaged", tone="bad", who="", started=0.0,
        took_s=0.0, step=clean(problem),
    )  # fmt: skip


def _as_it_stands(step: Step, seen: Seen) -> StepShown:
    """A step of a run, as far as it is known: what was under way when its runner died is not said to go on."""
    now, view = seen.view.steps[step.id], seen.view
    state, took, evidence = now.state, now.took_s, lines_of(now.evidence)
    said = in_short(evidence)
    if now.state in ("running", "undoing"):
        took = max(0.0, time.time() - now.started)
        if seen.idle or view.state == "closed":
            under_way = "its undo was under way" if now.state == "undoing" else "it was under way"
            since = f"when its runner was last heard of, at {clock(seen.heard)}" if seen.idle else "and was left so"
            state, took, said = "unknown", 0.0, f"{under_way} {since}"
            evidence = joined(said, lines_of(now.failure))
    elif now.state == "waiting" and now.attempt and (view.undo_wanted or view.state == "closed"):
        # Of its last attempt nothing began, or it only looked, and nobody goes on with it. One before may have.
        said = BEGUN_BEFORE if now.begun else CUT_OFF
        return step_shown(step)._replace(
            state="cut off", started=now.started, attempt=now.attempt, evidence=said, said=said
        )
    elif now.state == "waiting" and view.state == "closed":
        return step_shown(step)._replace(state="skipped")
    elif now.state == "parked":
        said = until(seen)
    elif now.state == "undone" and evidence:
        evidence, said = f"undo: {evidence}", f"undo: {said}"  # of what was put back, and not of the step's title
    return step_shown(step)._replace(
        state=state, started=now.started, took_s=took, attempt=now.attempt, evidence=evidence, said=said
    )


def run_shown(seen: Seen) -> RunShown:
    """A run as its screen shows it."""
    view = seen.view
    plan = Plan.model_validate(view.body["plan"]) if view.body else None
    steps = [_as_it_stands(step, seen) for step in plan.steps] if plan is not None else []
    owner = view.owner or {}
    if seen.holder is not None:  # while it is parked, the journal does not tell
        owner = {"pid": seen.holder.pid, "machine": seen.holder.machine}
    where = f"process {owner.get('pid', '?')} on {owner.get('machine', '?')}" if owner else ""
    can: Any = seen.can
    waits = "resume" in seen.can or bool(view.question)
    return RunShown(
        line=run_line(seen),
        steps=tuple(steps),
        ending=joined(lines_of(ending_text(view, seen.state)), gives_way(seen) if view.state == "closed" else ""),
        question=joined(
            lines_of(view.question) or waits_for(seen), *((gives_way(seen), silent(seen)) if waits else ())
        ),
        parked=lines_of(parked_text(seen)),
        can=can,
        exit_code=view.exit_code if view.state == "closed" else None,
        reason=clean(str(view.body.get("reason", ""))),
        where=where,
        digest=str(view.body.get("digest", "")),
        foreign=seen.foreign,
        take_over=clean(seen.take_over),
        without=tuple(clean(name) for name in view.without),
        undoing=view.taken_back,
        as_before=clean(plan.as_before) if plan is not None else "",
    )


def ending_text(view: RunView, state: str) -> str:
    """The ending in words, or nothing while there is none."""
    said = f"{state}: {view.text}" if view.state == "closed" and view.text else ""
    return f"{said}\n{NOT_KEPT}" if view.pruned else said


def release_shown(
    release: Release, live: str | None, why_not: str, without: Sequence[str] = (), doubt: str = ""
) -> ReleaseShown:
    """One release in the list. `without`: hosts that were left out of it and do not have it."""
    database = release.database
    schema = ", ".join(database.after or database.before or ()) if database else ""
    return ReleaseShown(
        id=release.id,
        candidate=clean(release.candidate),
        when=clean(release.when),
        who=clean(release.who),
        verified=clean(release.verified or ""),
        live=release.id == live,
        undone=release.undone is not None,
        action=release.action,
        schema=clean(schema),
        images=tuple((clean(name), clean(image)) for name, image in sorted(release.images.items())),
        run=clean(release.run),
        can_go_back=why_not,
        doubt=doubt,
        without=tuple(clean(name) for name in without),
    )
