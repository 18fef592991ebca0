"""From plans, runs and releases to the plain values that screens and command line show. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from console.runs.api import Block, DiffBlock, Doing, Plan, Step, TableBlock
from console.runs.left_out import later_way_out
from console.runs.model import RunView
from console.runs.said import in_short
from console.runs.seen import DUE
from console.runs.shown import effect_text, effect_whole
from console.session import BlockShown, FieldShown, PlanShown, ReleaseShown, RunShown, StepShown
from console.text.sanitise import clean, clean_lines
from console.text.times import clock
from console.timing import DEFAULT
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


NOT_KEPT = (
    "Its plan and what its steps said are not kept here any more (quarterdeck runs prune --dry-run says what is, and "
    "why); its hosts may still have both, in .quarterdeck/runs."
)


def lines_of(text: str) -> str:
    """Several lines from outside, each sanitised."""
    return "\n".join(clean_lines(text))


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


def run_shown(seen: Seen) -> RunShown:
    """A run as its screen shows it."""
    view = seen.view
    plan = Plan.model_validate(view.body["plan"]) if view.body else None
    steps = []
    for step in plan.steps if plan is not None else ():
        base, now = step_shown(step), view.steps[step.id]
        took = now.took_s if now.state not in ("running", "undoing") else max(0.0, time.time() - now.started)
        steps.append(
            base._replace(
                state="skipped" if now.state == "waiting" and view.state == "closed" else now.state,
                started=now.started,
                took_s=took,
                attempt=now.attempt,
                evidence=lines_of(now.evidence),
                said=_until(seen) if now.state == "parked" else in_short(lines_of(now.evidence)),
            )
        )
    owner = view.owner or {}
    if seen.holder is not None:  # while it is parked, the journal does not tell
        owner = {"pid": seen.holder.pid, "machine": seen.holder.machine}
    where = f"process {owner.get('pid', '?')} on {owner.get('machine', '?')}" if owner else ""
    can: Any = seen.can
    waits = "resume" in seen.can or bool(view.question)
    return RunShown(
        line=run_line(seen),
        steps=tuple(steps),
        ending=_lines(lines_of(ending_text(view, seen.state)), _gives_way(seen) if view.state == "closed" else ""),
        question=_lines(lines_of(view.question) or _waits(seen), *((_gives_way(seen), _silent(seen)) if waits else ())),
        parked=lines_of(parked_text(seen)),
        can=can,
        exit_code=view.exit_code if view.state == "closed" else None,
        reason=clean(str(view.body.get("reason", ""))),
        where=where,
        digest=str(view.body.get("digest", "")),
        foreign=seen.foreign,
        take_over=clean(seen.take_over),
        without=tuple(clean(name) for name in view.without),
    )


def ending_text(view: RunView, state: str) -> str:
    """The ending in words, or nothing while there is none."""
    said = f"{state}: {view.text}" if view.state == "closed" and view.text else ""
    return f"{said}\n{NOT_KEPT}" if view.pruned else said


def _until(seen: Seen) -> str:
    return f"until {clock(seen.until)}" if seen.parked is not None else ""


def parked_text(seen: Seen) -> str:
    """Until when a run is parked and who goes on then, or why nothing happens though it is due; empty otherwise."""
    if not seen.rests:
        return ""
    where = seen.view.environment
    if seen.left_s > 0:
        kept = ", ".join(name for name in seen.view.body["plan"]["claims"] if name != f"environment:{where}")
        if seen.holder is not None:
            then = "Its runner waits, and then goes on by itself."
        elif seen.foreign:
            then = "Whether a runner elsewhere waits for that cannot be seen from here."
        else:
            then = "No runner waits for that: `quarterdeck wake` goes on then, or `runs resume` lets one wait now."
        free = f"{where} is free meanwhile" + (f"; it keeps {kept}" if kept else "")
        return f"Parked until {clock(seen.until)} (in {_span(seen.left_s)}). {free[:1].upper()}{free[1:]}.\n{then}"
    if seen.holder is not None:
        return f"Due since {clock(seen.until)}; {seen.waits}"
    heard = clock(max(seen.heard, seen.looked))
    looked = f"`quarterdeck wake` looked at {heard}" if seen.looked > seen.heard else f"not looked at since {heard}"
    before = f"\nIts last runner stopped: {seen.waits}" if seen.waits else ""
    return f"Due since {clock(seen.until)}; {looked}. Go on with it, take it back, or leave it as it is.{before}"


def _span(seconds: float) -> str:
    """`25 min`: one unit, rounded up, so that nothing is said to be over that is not."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds > 2 * size:
            return f"{-(-seconds // size):.0f} {unit}"
    return f"{-(-seconds // 1):.0f} s"


def _waits(seen: Seen) -> str:
    if seen.state in ("interrupted", "waiting for unlock"):
        known = seen.view.interrupted
        if seen.frozen is not None:
            why = (
                f"Its runner, the process {seen.frozen.pid}, does not move any more: it was stopped, most likely. "
                f"Whoever decides anything here ends it first, if it does not go on within {DEFAULT.lease_s:g} s."
            )
        elif known:
            why = lines_of(str(known.get("why", "")))
        elif seen.view.parked is not None:
            why = "Its runner died while it was parking, or taking its environment again."
        elif seen.rebooted:
            why = "This machine was started anew while it went on."
        else:
            why = "Its runner died before it had ended."
        heard = time.strftime("%H:%M:%S on %Y-%m-%d", time.localtime(max(seen.heard, seen.looked)))
        away = later_way_out(seen.view.id, seen.view.hosts, clean(str((known or {}).get("host", ""))))
        looked = f"`quarterdeck wake` looked at {heard}" if seen.looked > seen.heard else f"Not looked at since {heard}"
        return _lines(f"{why} Go on with it, take it back, or leave it as it is.", away, f"{looked}.")
    return ""


def _silent(seen: Seen) -> str:
    """Which of its hosts do not answer just now, and how it is decided without them."""
    names = [name for name in seen.silent if name in seen.view.hosts]
    told = (seen.view.interrupted or {}).get("host") if seen.state == "interrupted" else None
    if not names or set(names) >= set(seen.view.hosts) or names == [told]:
        return ""
    who, does = (names[0], "does") if len(names) == 1 else (" and ".join(names), "do")
    left = "".join(f" --without {name}" for name in names)
    return (
        f"{clean(who)} {does} not answer. To do without: quarterdeck runs resume|undo|leave {seen.view.id}{clean(left)}"
    )


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)


def _gives_way(seen: Seen) -> str:
    """What happens to the store's own records, where the hosts have others; a person who decides must know."""
    if not seen.gives_way or seen.elsewhere:
        return ""
    return (
        f"Shown is what the hosts say: somebody went on with this run, and the last {seen.gives_way} records of this "
        "machine are not among theirs. If you decide anything here, those give way, and are kept in the audit."
    )


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
