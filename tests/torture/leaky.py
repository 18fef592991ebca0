"""An action whose steps do with a secret all that a careless tool does: print, say, return and raise it."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping
from urllib.parse import quote

from pydantic import JsonValue

from console.runs.api import (
    Action,
    Command,
    FactsContext,
    Frozen,
    InputSecret,
    Op,
    OpContext,
    Outcome,
    Params,
    Plan,
    Step,
)

PRINT = r"""
s=$(cat)
echo "the password is $s"
printf 'colour: %s\n' "$(printf %s "$s" | sed 's/./&\x1b[0m/3')"
printf %s "$s" | base64
printf 'u%s' "$s" | base64
printf %s "$s" | od -An -tx1 | tr -d ' \n'; echo
echo "password=$s" >&2
printf '%s' "$s" | cut -c1-9 | tr -d '\n'; sleep 0.1; printf '%s\n' "$s" | cut -c10-
echo "END OF THE LEAKS"
"""


class LeakyParams(Params):
    """None."""


class LeakyFacts(Frozen):
    """What was read."""

    hosts: tuple[str, ...]


class Leaky(Action[LeakyParams, LeakyFacts]):
    """Prints a secret in every way."""

    name = "leaky"
    title = "Leaky"
    help = "Prints a secret."
    params_type = LeakyParams
    facts_type = LeakyFacts

    def facts(self, ctx: FactsContext, params: LeakyParams) -> LeakyFacts:
        return LeakyFacts(hosts=tuple(ctx.environment.hosts))

    def plan(self, facts: LeakyFacts, params: LeakyParams) -> Plan:
        def printing(detach: bool) -> Command:
            return Command(
                argv=("sh", "-c", PRINT), stdin=InputSecret(name="canary"), writes=True, detach=detach, deadline_s=30
            )

        host = facts.hosts[0]
        return Plan(
            action=self.name,
            environment="here",
            title="Leak",
            claims=("environment:here",),
            hosts=facts.hosts,
            credentials=("canary",),
            as_before="nothing was changed",
            steps=(
                Step(id="print", title="Print", host=host, run=printing(False), no_undo="it was printed"),
                Step(id="detached", title="Print", host=host, run=printing(True), no_undo="so", needs=("print",)),
                Step(id="say", title="Say", run=Op(name="leaky.say@1"), needs=("detached",)),
                Step(id="raise", title="Raise", run=Op(name="leaky.raise@1"), needs=("say",)),
            ),
        )


def say(ctx: OpContext, args: Mapping[str, JsonValue]) -> Outcome:
    """Says it, and gives it as evidence and output, in many forms."""
    value = ctx.secret("canary")
    forms = [value, quote(value, safe=""), json.dumps({"token": value}), shlex.quote(value), value.encode().hex()]
    forms.append(base64.b64encode(f"user:{value}".encode()).decode())
    for form in forms:
        ctx.say(f"see {form} here")
    return Outcome(verdict="yes", evidence="\n".join(forms), outputs={"out": forms, value: 1})


def fail(ctx: OpContext, args: Mapping[str, JsonValue]) -> Outcome:
    """A tool's own mistake, which quotes it; and a thread that dies of it, whose trace nobody catches."""
    import threading

    value = ctx.secret("canary")

    def dies() -> None:
        raise RuntimeError(f"could not log in with {value}")

    thread = threading.Thread(target=dies)
    thread.start()
    thread.join()
    raise RuntimeError(f"https://ci:{quote(value, safe='')}@r.example/ refused {value}")


Leaky.ops = {"leaky.say@1": say, "leaky.raise@1": fail}
ACTION = Leaky()
