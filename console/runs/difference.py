"""What differs between a plan that was confirmed and the one that would run now, in lines that can be read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from console.runs.api import Plan, plan_digest
from console.runs.shown import effect_text

LINES = 40
WHOLE, BEFORE, AFTER = 200, 40, 160
"""Characters: so long a line is shown whole; of a longer one what is around the first place that differs."""
_RELEASE = re.compile(r"(?<![A-Za-z0-9])r([0-9]{1,9})(?![A-Za-z0-9])")


def difference(before: Plan, after: Plan) -> str:
    """Both lines of whatever differs, `-` as it was and `+` as it is now; what it comes to, where that can be told."""
    old, new = _lines(before), _lines(after)
    pairs = [(old.get(key, ""), new.get(key, "")) for key in {**old, **new} if old.get(key) != new.get(key)]
    taken = _taken(before, after, pairs)
    if taken is not None:
        was, now = taken
        said = f"Another run took {was} in between, so that this would be {now}; the rest is the same. Plan again."
        return "\n".join([said, *_shown(*pairs[0])] if pairs else [said])
    lines = [line for pair in pairs for line in _shown(*pair)]
    if len(lines) > LINES:
        lines = [*lines[:LINES], f"and {len(lines) - LINES} more lines"]
    if not lines and [step.id for step in before.steps] != [step.id for step in after.steps]:
        return "the same steps in another order"
    return "\n".join(lines) or "the same commands with other input (a file's content differs)"


def _lines(plan: Plan) -> dict[str, str]:
    """A plan as lines, each under what it is about."""
    found = {"claims": f"claims {', '.join(plan.claims)}", "hosts": f"hosts {', '.join(plan.hosts)}"}
    for step in plan.steps:
        found[step.id] = f"{step.id} on {step.host or 'here'}: {effect_text(step.run)}"
        for word, effect in (("check", step.check), ("undo", step.undo), ("check of the undo", step.undo_check)):
            if effect is not None:
                found[f"{step.id} {word}"] = f"{step.id} {word}: {effect_text(effect)}"
    return found


def _shown(old: str, new: str) -> Iterator[str]:
    """Both lines, or the one that there is; of long ones what differs first."""
    at = next((at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), 0)
    for sign, line in (("-", old), ("+", new)):
        if line:
            yield sign + (line if max(len(old), len(new)) <= WHOLE else _around(line, at))


def _around(line: str, at: int) -> str:
    """A line from a little before a place, with the words that say what it is about."""
    about = line[: line.index(": ") + 2] if ": " in line else ""
    begin = max(len(about), at - BEFORE)
    cut = line[begin : at + AFTER]
    return f"{about}{'…' * (begin > len(about))}{cut}{'…' * (at + AFTER < len(line))}"


def _taken(before: Plan, after: Plan, pairs: list[tuple[str, str]]) -> tuple[str, str] | None:
    """The number of a release that is another now, if nothing else differs: what was to be made was made elsewhere.

    Not where the titles differ: then it is something else that is called so, and that was asked for.
    """
    if before.title != after.title:
        return None
    for old, new in pairs:
        for was, now in zip(_RELEASE.finditer(old), _RELEASE.finditer(new), strict=False):
            if was[0] != now[0]:
                newer = int(now[1]) > int(was[1])
                renamed = _renamed(before.model_dump(mode="json"), was[0], now[0])
                return (was[0], now[0]) if newer and plan_digest(renamed) == after.digest else None
    return None


def _renamed(value: Any, was: str, now: str) -> Any:
    """The same with one release called otherwise, wherever it is named."""
    if isinstance(value, str):
        return _RELEASE.sub(lambda found: now if found[0] == was else found[0], value)
    if isinstance(value, Mapping):
        return {_renamed(key, was, now): _renamed(one, was, now) for key, one in value.items()}
    return [_renamed(one, was, now) for one in value] if isinstance(value, list | tuple) else value
