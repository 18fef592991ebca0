"""Part 4: the runner is killed once at each boundary of each step of each shipped action, on Compose over SSH.

Each action is executed once, by `quarterdeck` as a plain operator; its runner dies at the first boundary that it meets
and that was not had yet, the run is resumed, and so on to its end. What was done is counted by the target.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.counted import SLOW, services_started, starts
from tests.lab.lab import Lab, System
from tests.lab.person import Done, Person, person
from tests.lab.routing_ml import profile
from tests.torture.cells import ROOT, Cell, Result, Worker
from tests.torture.labs import running

NAME = "steps"
TITLE = "SIGKILL of the runner, each step of each shipped action, Compose over SSH"
ABOUT = (
    "One execution of each action by a plain operator. Its runner is ended at each boundary of each step in turn "
    "(before the intent, after it, within the effect, after it, after done; the same of each undo, and around the "
    "closing) and the run resumed each time. Starts of containers are told by the engine; entrypoints and a reviewed "
    "command add lines to a file, migrations insert rows."
)
COUNTS = {"repeated": "effects repeated", "left": "locks, one-off containers left"}
FIGURES = {"kills": "kills"}
LAB = True
HOST = "lab3"
COMMAND = 'printf "%s\\n" done >>/opt/app/commands.log'
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
}
"""In this order: each goes on from what the one before left. Levels: 0 started by hand, 1 deployed, 2 again."""


def cells(count: int | None) -> list[Cell]:
    return [Cell(NAME, group, 0) for group in ACTIONS]


@dataclass
class Stage:
    """The system on its host, and who acts on it."""

    lab: Lab
    held: ExitStack
    system: System | None = None
    one: Person | None = None
    level: int = 99

    def reach(self, level: int) -> tuple[System, Person]:
        """The system as an action wants it."""
        if self.system is None or self.one is None or self.level > level or self.level == 0:
            self.lab.clean_system(HOST)
            database = self.held.enter_context(self.lab.database())
            self.system = self.lab.install_system(HOST, database, "1.0.0")
            made = profile(self.lab, hosts=(HOST,), promised=True)
            made["environments"]["staging"]["commands"] = {
                "note": {"title": "Add a line", "argv": ["sh", "-c", COMMAND]}
            }
            operator = self.lab.operators["op1"]
            shutil.rmtree(operator.home / ".local" / "state" / "quarterdeck", ignore_errors=True)
            self.one = person(operator, made)
            self.level = 0
        for number, release in ((1, "1.0.0"), (2, "1.1.0")):
            if self.level < number <= level:
                done = self.one.run("deploy", candidate=release, timeout_s=600)
                assert done.code == 0, done
                self.level = number
        return self.system, self.one


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    with ExitStack() as held:
        lab = held.enter_context(running())
        stage = Stage(lab, held)
        held.callback(lab.clean_system, HOST)
        folder.chmod(0o755)
        yield [lambda cell, seed: _action(cell, seed, stage, folder)]


def _action(cell: Cell, seed: int, stage: Stage, folder: Path) -> Result:
    action = ACTIONS[cell.group]
    system, one = stage.reach(action.level)
    if action.also:
        done = _run(one, action.also)
        assert done.code == 0, done
    shown = one("plan", action.words[0], "staging", *_sets(action.words), "--json").json
    chance = cell.drawn(seed)
    moments = [
        words
        for step in shown["steps"]
        for words in _moments(step["id"], "undo" if action.back else "step", chance.uniform)
    ]
    with system.host.container_starts() as told:
        run, landed, last = kill_and_resume(one, action.words, [*moments, *map(list, CLOSING)], folder / "moments")
    stage.level = 99 if action.live != "1.1.0" or cell.group == "deploy that fails, undone" else max(stage.level, 2)
    if cell.group == "deploy":
        stage.level = 2
    return _judged(action, system, one, run, landed, last, told, stage.lab)


def _moments(step: str, kind: str, uniform: Callable[[float, float], float]) -> list[list[str]]:
    label = f"{step}.UNDO" if kind == "undo" else step
    return [
        ["before", f"{kind}.intent", step],
        ["after", f"{kind}.intent", step],
        ["during", label, f"{uniform(0, SLOW.get(step, 0.3)):.3f}"],
        ["before", f"{kind}.done", step],
        ["after", f"{kind}.done", step],
    ]


def _sets(words: Sequence[str]) -> list[str]:
    return [word for pair in words[1:] for word in ("--set", pair)]


def _run(one: Person, words: Sequence[str]) -> Done:
    return one("run", words[0], "staging", *_sets(words), "--yes", timeout_s=600)


def struck(one: Person, file: Path, then: str = "kill") -> Person:
    """The same person, whose runners are struck at the moments in a file; `then`: killed there, or held."""
    path = os.pathsep.join((str(Path(__file__).with_name("before_runner")), str(ROOT)))
    return dataclasses.replace(
        one, env={**one.env, "PYTHONPATH": path, "QUARTERDECK_TORTURE_MOMENTS": f"{then} {file}"}
    )


def kill_and_resume(
    one: Person, words: Sequence[str], moments: list[list[str]], file: Path
) -> tuple[str, list[list[str]], Done]:
    """Run it, its runner killed at each of the moments in turn; the run, the moments that came, how it ended."""
    log = file.with_name(f"{file.name}.landed")
    log.write_text("")
    log.chmod(0o666)
    victim = struck(one, file)
    landed: list[list[str]] = []
    left = list(moments)
    file.write_text(json.dumps(left))
    file.chmod(0o644)
    done = _run(victim, words)
    run = str(one.runs()[0]["id"])
    while True:
        now = [json.loads(line) for line in log.read_text().splitlines()]
        if len(now) == len(landed):
            return run, landed, done
        landed = now
        left = [words for words in moments if words not in landed]
        file.write_text(json.dumps(left))
        if one.shown(run)["exit_code"] is not None:
            return run, landed, one("runs", "follow", run)
        done = victim("runs", "resume", run, "--yes", timeout_s=600)


def _judged(
    action: Action,
    system: System,
    one: Person,
    run: str,
    landed: list[list[str]],
    last: Done,
    told: list[dict[str, str]],
    lab: Lab,
) -> Result:
    own = services_started(told)
    too_often = {name: count for name, count in own.items() if count > action.started.get(name, 0)}
    effects = system.database.migration_effects()
    repeated = sum(count - action.started.get(name, 0) for name, count in too_often.items())
    repeated += len(effects) - len(set(effects))
    repeated += max(0, starts(system, "1.1.0")["backend: alembic upgrade head"] - 1)
    if action.words[0] == "command":
        lines = system.host.path("/opt/app/commands.log").read_text().splitlines()
        repeated += len(lines) - 1
    left = [row["name"] for row in system.containers() if row["oneoff"] == "True"]
    left += ["lock"] if system.host.path("/opt/app/.quarterdeck/lock").exists() else []
    wrong = [] if last.out.startswith(action.ending) else [f"ended otherwise: {last}"]
    if own != Counter(action.started) and not too_often:
        wrong.append(f"started {dict(own)}, not {dict(action.started)}")
    if action.live and system.live_digests() != lab.digests(action.live):
        wrong.append(f"live is {system.live()}")
    if action.live and not system.healthy():
        wrong.append("it is not healthy")
    if not action.live and "frontend-training" in system.live():
        wrong.append("it was not stopped")
    kinds = Counter(" ".join(words[:2] if words[0] != "during" else words[:1]) for words in landed)
    note = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    return Result(
        counts={"repeated": repeated, "left": len(left)},
        figures={"kills": len(landed)},
        wrong="; ".join(wrong),
        note=f"{note} {too_often or ''} {left or ''}".strip(),
    )
