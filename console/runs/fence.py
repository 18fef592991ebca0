"""After a lock has changed hands: proof that nothing of an earlier owner still runs on the host.

The fence is new already, so nothing old can begin. What had begun is ended by its own records: process groups and
one-off containers of every attempt that has not ended. Then the gate is taken alone, with a deadline. The recorded
groups are looked at once more while nobody else is under the gate, since a command records its group while it still
holds it. A taker who goes on with the same run ends nothing: it finds its own attempts again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from console.hosts.base import Guard, Host, HostError
from console.hosts.command import Command
from console.runs.locks import Attempt, attempts, script
from console.timing import Timing

NOTHING = Command(argv=("true",), writes=True)


class StillRunning(HostError):
    """Something of an earlier owner could not be ended within the deadline. Nothing new was begun."""


def clear(
    host: Host, directory: str, run: str, fence: str, timing: Timing, say: Callable[[str], None] = lambda _: None
) -> None:
    """End what other runs left running on the host, and prove that it is gone. Raises StillRunning, HostError."""
    ends = time.monotonic() + timing.gate_wait_s
    while True:
        alone = _gate_clear(host, directory, 1.0)
        ended = True
        for attempt in attempts(host, directory):
            if attempt.run != run:
                say(f"ending {attempt.label}.{attempt.number} of run {attempt.run} on {host.name}, left running there")
                guard = Guard(directory, fence, attempt.run, attempt.label, attempt.number)
                ended = host.end_step(_command(host, directory, attempt), guard) and ended
        if alone and ended:
            return
        if time.monotonic() > ends:
            raise StillRunning(
                host.name,
                f"Something that an earlier owner began in {directory} on {host.name} still runs and could not be "
                f"ended within {timing.gate_wait_s:g} s. Look there (ps -ef), end it, and begin again.",
            )


def _gate_clear(host: Host, directory: str, wait_s: float) -> bool:
    """Whether nothing runs under the gate, waited for at most `wait_s`."""
    result = host.script(script("gate"), directory, str(max(1, round(wait_s))), deadline_s=wait_s + 15.0)
    return result.text() == "clear"


def _command(host: Host, directory: str, attempt: Attempt) -> Command:
    """The command of an attempt, from the plan that its run left on the host: for its container's name."""
    from pydantic import ValidationError

    from console.runs.api import Plan
    from console.runs.effects import PART

    found = host.read_file(f"{directory}/.quarterdeck/runs/{attempt.run}/plan.json")
    if found is None:
        return NOTHING
    try:
        plan = Plan.model_validate_json(found)
    except ValidationError:
        return NOTHING
    id_ = PART.sub("", attempt.label)
    for step in plan.steps:
        if step.id == id_:
            effect = step.undo if attempt.label.endswith(".UNDO") else step.run
            return effect if isinstance(effect, Command) else NOTHING
    return NOTHING
