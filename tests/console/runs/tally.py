"""A tiny action for the tests of the engine: every effect adds a line to a file on its host, which is what is counted.

Installed as a plug-in for the runner (see `world.World`): third parties register in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from console.hosts.base import HostError, HostUnreachable
from console.runs.api import (
    Action,
    Command,
    FactsContext,
    Frozen,
    Gate,
    Op,
    OpContext,
    Outcome,
    Params,
    Park,
    Plan,
    Step,
)  # fmt: skip

DO = 'printf "do %s\\n" "$2" >>"$1/effects"; : >"$1/made.$2"'
WAIT = 'printf "begin %s\\n" "$2" >>"$1/effects"; while [ ! -e "$1/go" ]; do sleep 0.02; done; ' + DO
COUNT = 'printf "begin %s\\n" "$2" >>"$1/effects"; n=0; while [ ! -e "$1/go" ]; do n=$((n + 1)); echo "line $n"; '
COUNT += "sleep 0.01; done; " + DO
BREAK = 'printf "do %s\\n" "$2" >>"$1/effects"; echo "it broke" >&2; exit 3'
FLAKY = 'printf "try %s\\n" "$2" >>"$1/effects"; [ "$(grep -cx "try $2" "$1/effects")" -ge 2 ] || exit 3; ' + DO
UNDO = 'if [ -e "$1/made.$2" ]; then printf "undo %s\\n" "$2" >>"$1/effects"; rm -- "$1/made.$2"; fi'
THRICE = '[ "$(grep -cx "try undo $2" "$1/effects")" -ge 3 ]'
UNDO_LATE = f'printf "try undo %s\\n" "$2" >>"$1/effects"; {THRICE} || exit 9; {UNDO}'
LOOK_LATE = (
    f'printf "try undo %s\\n" "$2" >>"$1/effects"; {THRICE} && echo "at 7" && exit 1; echo "no engine" >&2; exit 2'
)
"""What a step that nothing undoes left behind: told at the third look."""
UNDO_WAIT = (
    'if [ -e "$1/made.$2" ]; then printf "begin undo %s\\n" "$2" >>"$1/effects"; '
    'while [ ! -e "$1/go" ]; do sleep 0.02; done; rm -- "$1/made.$2"; printf "undo %s\\n" "$2" >>"$1/effects"; fi'
)


class TallyParams(Params):
    """What the steps do."""

    kinds: tuple[
        Literal[
            "do",
            "wait",
            "detach",
            "count",
            "count-detach",
            "break",
            "flaky",
            "stay",
            "op",
            "gate",
            "look",
            "see",
            "doubt",
            "park",
        ],
        ...,
    ]
    side_by_side: bool = False
    cancel: Literal["now", "boundary", "ask"] = "boundary"
    undo: Literal["yes", "fails", "waits", "late"] = "yes"
    on_failure: Literal["undo", "ask"] = "undo"
    secret: str = ""
    park_s: float = 3600.0
    """How long a step of the kind `park` waits."""
    still: bool = False
    """Whether what was made before has to be there after it."""
    credential: str = ""
    """What is claimed beside the environment."""
    own: bool = False
    """Steps are called for their host: each is its own share of what all of them do."""


class TallyFacts(Frozen):
    """What was read."""

    directory: str
    hosts: tuple[str, ...]
    basis: str
    drawn: str


class Tally(Action[TallyParams, TallyFacts]):
    """Adds lines to a file."""

    name = "tally"
    title = "Tally"
    help = "Adds lines to a file on each host."
    params_type = TallyParams
    facts_type = TallyFacts

    def facts(self, ctx: FactsContext, params: TallyParams) -> TallyFacts:
        directory = ctx.environment.directory
        first = ctx.host(next(iter(ctx.environment.hosts)))
        basis = first.read_file(f"{directory}/basis") or b""
        drawn = str(ctx.draw("id", lambda: f"{ctx.now().timestamp()}"))
        return TallyFacts(directory=directory, hosts=tuple(ctx.environment.hosts), basis=basis.decode(), drawn=drawn)

    def plan(self, facts: TallyFacts, params: TallyParams) -> Plan:
        steps: list[Step] = []
        for number, kind in enumerate(params.kinds, 1):
            host = facts.hosts[(number - 1) % len(facts.hosts)]
            needs = (steps[-1].id,) if steps and not params.side_by_side else ()
            id_ = f"s{number}.{host}" if params.own else f"s{number}"
            if kind == "park":
                still = tuple(step.id for step in steps if step.check is not None) if params.still else ()
                steps.append(Step(id=id_, title="Overlap", run=Park(seconds=params.park_s, still=still)))
            else:
                steps.append(_step(id_, kind, host, facts, params, needs))
        return Plan(
            action=self.name,
            environment="here",
            title=f"Tally {' '.join(params.kinds)}",
            claims=("environment:here", *((f"credential:{params.credential}",) if params.credential else ())),
            hosts=facts.hosts,
            steps=tuple(steps),
            credentials=(params.secret,) if params.secret else (),
            as_before="the tally is as it was",
            on_failure=params.on_failure,
        )


def _sh(text: str, facts: TallyFacts, name: str, **more: Any) -> Command:
    return Command(argv=("sh", "-c", text, "tally", facts.directory, name), **more)


def _step(id_: str, kind: str, host: str, facts: TallyFacts, params: TallyParams, needs: tuple[str, ...]) -> Step:
    text = {
        "do": DO,
        "wait": WAIT,
        "detach": WAIT,
        "count": COUNT,
        "count-detach": COUNT,
        "break": BREAK,
        "flaky": FLAKY,
    }.get(kind, DO)
    run: Command | Op = _sh(text, facts, id_, writes=True, detach=kind in ("detach", "count-detach"), deadline_s=20.0)
    if kind in ("look", "gate"):
        run = _sh(f": {facts.basis}", facts, id_)
        gates = (Gate(id="open", title="it is open", check=_sh('test ! -e "$1/closed"', facts, id_)),)
        return Step(id=id_, title=f"Look {id_}", host=host, run=run, needs=needs, gates=gates if kind == "gate" else ())
    if kind == "op":
        run = Op(name="tally.add@1", args={"directory": facts.directory, "name": id_}, writes=True, deadline_s=20.0)
    if kind == "see":
        run = Op(name="tally.see@1", args={"directory": facts.directory, "name": id_}, deadline_s=20.0)
        return Step(id=id_, title=f"See {id_}", host=host, run=run, needs=needs)
    if kind == "doubt":
        run = Op(name="tally.doubt@1", args={"directory": facts.directory, "name": id_}, writes=True, deadline_s=20.0)
    undo_text = {"yes": UNDO, "fails": "exit 9", "waits": UNDO_WAIT, "late": UNDO_LATE}[params.undo]
    stays = kind == "stay"
    look_back = _sh('test ! -e "$1/made.$2"', facts, id_)
    if stays:
        look_back = _sh(LOOK_LATE, facts, id_, no_answer=(2,))
    return Step(
        id=id_,
        title=f"Tally {id_}",
        host=host,
        run=run,
        check=_sh('test -e "$1/made.$2"', facts, id_) if kind != "doubt" else None,
        undo=None if stays else _sh(undo_text, facts, id_, writes=True),
        undo_check=look_back if not stays or params.undo == "late" else None,
        no_undo=f"the line of {id_} stays{' {now}' if params.undo == 'late' else ''}" if stays else None,
        needs=needs,
        attempts=2 if kind == "flaky" else 1,
        cancel=params.cancel,
    )


def add(ctx: OpContext, args: Mapping[str, JsonValue]) -> Outcome:
    """An Op that changes a host does so by a guarded command."""
    words = ("sh", "-c", DO, "tally", str(args["directory"]), str(args["name"]))
    return ctx.guarded(Command(argv=words, writes=True))


def doubt(ctx: OpContext, args: Mapping[str, JsonValue]) -> Outcome:
    """Does it, and does not know whether it did."""
    add(ctx, args)
    raise HostError("elsewhere", "the answer was lost")


def see(ctx: OpContext, args: Mapping[str, JsonValue]) -> Outcome:
    """Only looks, from its host, and takes nothing for a no; not known as long as there is a file `fog`."""
    ground = Path(str(args["directory"]))
    with (ground / "seen").open("a") as out:
        out.write(f"{args['name']}\n")
    try:
        ctx.host().read_file(f"{ground}/sign")
    except HostUnreachable:
        return Outcome(verdict="no", evidence="no answer")
    if (ground / "fog").exists():
        raise HostError("elsewhere", "nothing can be seen")
    return Outcome(verdict="yes", evidence="clear")


Tally.ops = {"tally.add@1": add, "tally.doubt@1": doubt, "tally.see@1": see}
ACTION = Tally()
