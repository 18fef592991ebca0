"""A plan as text, to be read by a person and compared as a whole.

A fixed script is shown by the name it runs under, since its text has tests of its own; every other word is shown.
Digests of one repeated letter are shortened.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from console.runs.api import Command, Effect, Park, Plan
from console.stacks.known import fixed_scripts

PLANS = Path(__file__).parent / "plans"
SCRIPTS = fixed_scripts()
WRITE = os.environ.get("WRITE_PLANS") == "1"


def _short(value: Any) -> Any:
    """Arguments of an Op, with fixed scripts left out of the commands in them."""
    if isinstance(value, Mapping):
        return {name: _short(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value]
    return "{script}" if value in SCRIPTS else value


def effect(what: Effect | Park) -> str:
    if isinstance(what, Park):
        return f"park {what.seconds:g} s; still {', '.join(what.still)}"
    if not isinstance(what, Command):
        args = json.dumps(_short(what.args), sort_keys=True, ensure_ascii=False)
        return f"{what.name} {args} within {what.deadline_s:g} s"
    words = list(what.argv)
    if words[:2] == ["sh", "-c"] and words[3].startswith("quarterdeck-"):
        words = [words[3], *("{script}" if word in SCRIPTS else word for word in words[4:])]
    marks = [mark for mark, on in (("writes", what.writes), ("detach", what.detach)) if on]
    if what.become != "none":
        marks.append(what.become)
    if what.container:
        marks.append(f"container {what.container}")
    if what.stdin is not None:
        marks.append(f"stdin {what.stdin.kind}" + (f" {what.stdin.name}" if what.stdin.kind == "secret" else ""))
    return f"{' '.join(words)} [{', '.join(marks)}] within {what.deadline_s:g} s"


def rendered(plan: Plan) -> str:
    lines = [
        plan.title,
        f"claims {', '.join(plan.claims)}; hosts {', '.join(plan.hosts)}; credentials {', '.join(plan.credentials)}",
        f"as before: {plan.as_before}",
    ]
    for step in plan.steps:
        lines += ["", f"{step.id} ({step.host or 'here'}) after {', '.join(step.needs) or 'nothing'}: {step.title}"]
        lines.append(f"  attempts {step.attempts}, cancel {step.cancel}, {step.certainty}")
        if step.asks:
            lines.append(f"  asks: {step.asks}")
        lines += [f"  gate {gate.id}: {effect(gate.check)}" for gate in step.gates]
        for name in ("run", "check", "undo", "undo_check"):
            what = getattr(step, name)
            if what is not None:
                lines.append(f"  {name}: {effect(what)}")
        if step.no_undo:
            lines.append(f"  no undo: {step.no_undo}")
        if step.shown:
            lines.append(f"  shown: {step.shown}")
    text = "\n".join(lines) + "\n"
    text = re.sub(r"sha256:([0-9a-f])\1{63}", r"sha256:\1…", text)
    return re.sub(r"\b([ef])\1{63}\b", r"\1…", text)


def matches(name: str, plan: Plan) -> None:
    """The plan is the one in `plans/<name>.txt`. With WRITE_PLANS=1 the file is written, to be reviewed."""
    path = PLANS / f"{name}.txt"
    text = rendered(plan)
    if WRITE:
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8"), (
        f"the plan is not {path.name}; if it should differ, write it anew and read it"
    )
