"""Part 4: the runner is killed once at each boundary of each step of each shipped action, on Compose over SSH.

Each action is executed once, by `quarterdeck` as a plain operator; its runner dies at the first boundary that it meets
and that was not had yet, the run is resumed, and so on to its end. What was done is counted by the target.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.counted import SLOW, services_started, starts
from tests.lab.lab import Lab, System
from tests.lab.person import Done, Person
from tests.torture.cells import Cell, NotSetUp, Result, Worker
from tests.torture.labs import running
from tests.torture.left_out import LEVEL, level
from tests.torture.stage import FRESH, NOTE, Stage, kill_and_resume, sets

NAME = "steps"
TITLE = "SIGKILL of the runner, each step of each shipped action, Compose over SSH"
ABOUT = (
    "One execution of each action by a plain operator. Its runner is ended at each boundary of each step in turn "
    "(before the intent, after it, within the effect, after it, after done; the same of each undo, and around the "
    "closing) and the run resumed each time. Starts of containers are told by the engine; entrypoints and a reviewed "
    "command add lines to a file, migrations insert rows. `level` brings one of three hosts level that was left out "
    "of a deploy before. `rotate` is killed at each of its boundaries in `tests/lab/test_rotate_*.py` with "
    "QUARTERDECK_ROTATE=long (figures in rotations.md). Kills beside the number of boundaries that the plan has; "
    "those that did not come are of steps that had nothing to do."
)
COUNTS = {"repeated": "effects repeated", "left": "locks, one-off containers left"}
FIGURES = {"kills": "kills", "boundaries": "boundaries"}
LAB = True
HOST, OPERATOR = "lab3", "op2"
NEW_SECRET = "a-new-jwt-secret-of-the-torture"
TEMPLATE = """\
REGISTRY={registry}
RELEASE=1.1.0
DATABASE_URL={{secret: database-url}}
JWT_SECRET={{secret: jwt}}
SMOKE_PASSWORD={{secret: smoke}}
"""
CLOSING = (["before", "run.closing"], ["after", "run.closing"], ["after", "locks.removed"])


@dataclass(frozen=True)
class Action:
    """One execution: its words, what must be there before, how it must end, and what it must have done."""

    words: tuple[str, ...]
    level: int
    ending: str
    live: str
    started: Mapping[str, int] = field(default_factory=dict)
    """Container to how often the engine starts it; those not named never."""
    back: bool = False
    also: tuple[str, ...] = ()
    """Words of a run that comes before, not killed."""


ALL = dict.fromkeys(("routing-ml-backend-1", "routing-ml-frontend-prediction-1", "routing-ml-frontend-training-1"), 1)
BACKEND = {"routing-ml-backend-1": 1}
ACTIONS = {
    "baseline": Action(("baseline",), 0, "succeeded", "1.0.0"),
    "deploy": Action(("deploy", "candidate=1.1.0"), 1, "succeeded", "1.1.0", ALL),
    "restart": Action(("restart", "service=backend"), 2, "succeeded", "1.1.0", BACKEND),
    "stop": Action(("stop", "service=frontend-training"), 2, "succeeded", ""),
    "start": Action(
        ("start", "service=frontend-training"),
        2,
        "succeeded",
        "1.1.0",
        {"routing-ml-frontend-training-1": 1},
        also=("stop", "service=frontend-training"),
    ),
    "command": Action(("command", "name=note"), 2, "succeeded", "1.1.0"),
    "deploy that fails, undone": Action(
        ("deploy", "candidate=1.5.0"), 2, "failed, undone", "1.1.0", dict.fromkeys(ALL, 2), back=True
    ),
    "rollback": Action(("rollback", "to=1.0.0"), 2, "succeeded", "1.0.0", ALL),
    "configure": Action(("configure",), 2, "succeeded", "1.1.0", BACKEND),
}
"""In this order: each goes on from what the one before left."""
CONTROLS = {("command", "release"): (), ("deploy", "intent attempts"): (["during", "migrate", "0.3"],)}
"""Guards off, and where the runner is killed (as everywhere else where nothing is said)."""
MUST_COUNT = ("intent attempts", "release")


def cells(count: int | None) -> list[Cell]:
    first = ("baseline", "deploy", "command")
    found = [Cell(NAME, group, 0) for group in first]
    found += [Cell(NAME, group, 0, off) for group, off in CONTROLS]
    return [*found, *(Cell(NAME, group, 0) for group in ACTIONS if group not in first), Cell(NAME, LEVEL, 0)]


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    with ExitStack() as held:
        lab = held.enter_context(running())
        stage = Stage(lab, held, HOST, OPERATOR)
        held.callback(lab.clean_system, HOST)
        folder.chmod(0o755)

        def worker(cell: Cell, seed: int) -> Result:
            if cell.group != LEVEL:
                return _action(cell, seed, stage, folder)
            stage.level = FRESH
            return level(lab, OPERATOR, folder / "moments", lambda step: _moments(step, cell.drawn(seed).uniform))

        yield [worker]


def _action(cell: Cell, seed: int, stage: Stage, folder: Path) -> Result:
    action = ACTIONS[cell.group]
    system, one = stage.reach(action.level)
    if action.also:
        done = one("run", action.also[0], "staging", *sets(action.also), "--yes")
        if done.code:
            raise NotSetUp(str(done))
    if action.words[0] == "configure":
        new_secret(stage.lab, system, one)
    (system.host.path(NOTE)).unlink(missing_ok=True)
    stage.level = FRESH
    shown = one("plan", action.words[0], "staging", *sets(action.words), "--json").json
    chance = cell.drawn(seed)
    moments = [words for step in shown["steps"] for words in _moments(step["id"], chance.uniform, back=action.back)] + [
        list(words) for words in CLOSING
    ]
    off = cell.control.split()
    if cell.control and CONTROLS[cell.group, cell.control]:
        moments = [list(words) for words in CONTROLS[cell.group, cell.control]]
    with system.host.container_starts() as told:
        landed, last = kill_and_resume(one, action.words, moments, folder / "moments", off)
    if action.live == "1.1.0" and not action.back and not cell.control and action.words[0] != "configure":
        stage.level = 2
    found = _judged(action, system, landed, last, told, stage.lab)
    found.figures["boundaries"] = len(moments)
    return found


def new_secret(lab: Lab, system: System, one: Person) -> None:
    """The environment file is made of a template from now on, and one of its secrets is another one."""
    made = json.loads(one.profile.read_text())
    made["credentials"] |= {"jwt": {"title": "JWT signing secret"}, "database-url": {"kind": "database"}}
    env = {"path": ".env", "template": "env.template", "services": ["backend"]}
    made["environments"]["staging"]["files"] = {"env": env}
    one.profile.with_name("env.template").write_text(TEMPLATE.format(registry=lab.registry))
    one.write(made)
    for name, value in {"jwt": NEW_SECRET, "database-url": system.database.url}.items():
        if one("credentials", "set", name, "--stdin", stdin=value + "\n").code:
            raise NotSetUp(f"{name} was not kept")


def _moments(step: str, uniform: Callable[[float, float], float], *, back: bool = False) -> list[list[str]]:
    kind, label = ("undo", f"{step}.UNDO") if back else ("step", step)
    return [
        ["before", f"{kind}.intent", step],
        ["after", f"{kind}.intent", step],
        ["during", label, f"{uniform(0, SLOW.get(step, 0.3)):.3f}"],
        ["before", f"{kind}.done", step],
        ["after", f"{kind}.done", step],
    ]


def _judged(
    action: Action, system: System, landed: list[list[str]], last: Done, told: list[dict[str, str]], lab: Lab
) -> Result:
    own = services_started(told)
    too_often = {name: count for name, count in own.items() if count > action.started.get(name, 0)}
    effects = system.database.migration_effects()
    repeated = sum(count - action.started.get(name, 0) for name, count in too_often.items())
    repeated += len(effects) - len(set(effects))
    repeated += max(0, starts(system, "1.1.0")["backend: alembic upgrade head"] - 1)
    if action.words[0] == "command":
        repeated += len(system.host.path(NOTE).read_text().splitlines()) - 1
    left = [row["name"] for row in system.containers() if row["oneoff"] == "True"]
    left += ["lock"] if system.host.path("/opt/app/.quarterdeck/lock").exists() else []
    wrong = [] if last.out.startswith(action.ending) else [f"ended otherwise: {last}"]
    if action.words[0] == "configure" and system.env()["JWT_SECRET"] != NEW_SECRET:
        wrong.append("the new secret is not there")
    if own != Counter(action.started) and not too_often:
        wrong.append(f"started {dict(own)}, not {dict(action.started)}")
    if action.live and system.live_digests() != lab.digests(action.live):
        wrong.append(f"live is {system.live()}")
    if action.live and not system.healthy():
        wrong.append("it is not healthy")
    if not action.live and "frontend-training" in system.live():
        wrong.append("it was not stopped")
    return Result(
        counts={"repeated": repeated, "left": len(left)},
        figures={"kills": len(landed)},
        wrong="; ".join(wrong),
        note=f"{in_words(landed)} {too_often or ''} {left or ''}".strip(),
    )


def in_words(landed: list[list[str]]) -> str:
    """How many kills of each kind."""
    kinds = Counter(" ".join(words[:2] if words[0] != "during" else words[:1]) for words in landed)
    return ", ".join(f"{kind} {count}" for kind, count in kinds.items())
