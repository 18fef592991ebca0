"""Part 6: in each step the SSH agent that holds the only key ends and the connection is reset. A colleague goes on.

The person's runner cannot get in any more: its run must end interrupted, say which host lets it in no more, and be
finished by somebody else, with a login and a store of their own.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.lab.counted import SLOW
from tests.lab.lab import Lab, System
from tests.lab.operators import Operator
from tests.lab.person import Done, Person, no_leftovers, until
from tests.torture.cells import Cell, Result, Worker
from tests.torture.faults import FIRST, JOBS, STEPS, migrations, reset
from tests.torture.labs import running
from tests.torture.stage import FRESH, RUN_S, UNFINISHED, Moments, Stage, begun_run, struck

NAME = "agents"
TITLE = "Agent ended and connection reset in each step of a deploy and of a rollback, Compose over SSH"
ABOUT = (
    "The key that the hosts take is in an SSH agent alone. While the runner is held within the step (the last: before"
    " its effect), the agent ends and every session of sshd is reset. The run must end interrupted, its record must "
    "name the host that lets its runner in no more, and another OS user with a store of their own must resume it to "
    "its end, with nothing done twice. In the control the agent lives on: the run then needs nobody, so it is the "
    "agent's end that the others are about."
)
COUNTS = {
    "interrupted": "not interrupted",
    "named": "host not named",
    "resumed": "not resumed by a colleague to a right end",
    "repeated": "effects repeated",
    "left": "locks left",
}
FIGURES: dict[str, str] = {}
SPREADS = {"resume": "gone on with: median, most, s"}
LAB = True
HOST, OPERATOR, COLLEAGUE = "lab1", "op1", "tester"
CONTROLS = (Cell(NAME, "deploy", STEPS["deploy"].index("migrate"), "agent's end"),)
MUST_COUNT = ("agent's end",)


def cells(count: int | None) -> list[Cell]:
    """A cell for each step, by turns: a rollback goes on from what the deploy before it left."""
    found = []
    for step in FIRST[:count]:
        found += [Cell(NAME, action, STEPS[action].index(step)) for action in JOBS if step in STEPS[action]]
    return [*CONTROLS, *found]


class Agent:
    """An SSH agent of one OS user with their key, which is nowhere else while it lives."""

    def __init__(self, who: Operator) -> None:
        self.socket = who.home / "agent.sock"
        self.socket.unlink(missing_ok=True)
        self._child = subprocess.Popen(
            who.argv("/usr/bin/ssh-agent", "-D", "-a", str(self.socket)), env=who.env, stdout=subprocess.DEVNULL
        )
        until(self.socket.exists, 20, "the agent does not begin")
        added = who.run("/usr/bin/ssh-add", str(who.key), env={"SSH_AUTH_SOCK": str(self.socket)})
        assert added.returncode == 0, added

    def end(self) -> None:
        """It and its keys are gone."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait(10)
        self.socket.unlink(missing_ok=True)


@contextmanager
def only_in_an_agent(who: Operator) -> Iterator[None]:
    """While inside, the key file is not where OpenSSH's settings say, so that only an agent can have it."""
    config = who.ssh_config.read_text()
    there = f"IdentityFile {who.key}\n  IdentitiesOnly yes"
    assert there in config
    who.ssh_config.write_text(config.replace(there, f"IdentityFile {who.key}.elsewhere\n  IdentitiesOnly no"))
    try:
        yield
    finally:
        who.ssh_config.write_text(config)


@contextmanager
def bench(folder: Path) -> Iterator[Sequence[Worker]]:
    with ExitStack() as held:
        lab = held.enter_context(running())
        stage = Stage(lab, held, HOST, OPERATOR)
        held.callback(lab.clean_system, HOST)
        held.callback(lab.host(HOST).recover)
        folder.chmod(0o755)
        yield [lambda cell, seed: _gone(cell, seed, stage, folder / "moments")]


def _gone(cell: Cell, seed: int, stage: Stage, file: Path) -> Result:
    job, step = JOBS[cell.group], STEPS[cell.group][cell.number]
    system, one = stage.reach(job.level)
    stage.level = FRESH
    colleague, marks, migrated = _colleague(stage.lab, one), Moments(file), migrations(system)
    moment = ["during", step, f"{cell.drawn(seed).uniform(0, SLOW.get(step, 0.3)):.3f}"]
    if step == STEPS[cell.group][-1]:  # once its effect is done, all is: such a run has succeeded, but for its lock
        moment = ["after", "step.intent", step]
    marks.set([moment])
    with no_leftovers(one, colleague), only_in_an_agent(one.operator):
        agent = Agent(one.operator)
        try:
            env = {**one.env, "SSH_AUTH_SOCK": str(agent.socket)}
            victim = struck(dataclasses.replace(one, env=env), file, then="hold")
            begun = victim.begin("run", cell.group, "staging", "--set", job.value, "--yes")
            marks.wait(begun)
            if not cell.control:
                agent.end()
            reset(system.host)
            marks.go()
            first = begun.end(RUN_S)
        finally:
            agent.end()
        run = begun_run(first)
        shown = one("runs", "show", run)
    found = Result(
        counts={
            "interrupted": int(first.code != UNFINISHED or "interrupted" not in shown.out),
            "named": int(f"{HOST}: " not in shown.said or "refused the login" not in shown.said),
        },
        note=f"{step}: exit {first.code}",
    )
    with no_leftovers(one, colleague):
        last = colleague("runs", "resume", run, "--yes", "--reason", "its agent is gone", timeout_s=RUN_S)
        found.figures["resume"] = round(last.took_s, 1)
        _judged(found, system, last, stage.lab.digests(job.after), migrated)
    if found.bad:
        found.note += f"\n{first}\n{shown}\n{last}"
    elif not cell.control:
        stage.left(job.after)
    return found


def _judged(found: Result, system: System, last: Done, after: dict[str, str], migrated: int) -> None:
    right = last.code == 0 and system.live_digests() == after and system.healthy()
    effects = system.database.migration_effects()
    found.counts["resumed"] = int(not right)
    found.counts["repeated"] = len(effects) - len(set(effects))
    found.counts["repeated"] += max(0, migrations(system) - migrated - 1)
    found.counts["left"] = int(system.host.path("/opt/app/.quarterdeck/lock").exists())


class Colleague(Person):
    """Another OS user; a profile and a store beside those that the user may have for another part."""

    @property
    def state(self) -> Path:
        return self.operator.home / "colleague"


def _colleague(lab: Lab, one: Person) -> Person:
    """With the same profile and an empty store."""
    other = lab.operators[COLLEAGUE]
    made = Colleague(other, other.home / "colleague.yaml")
    made.env = {"QUARTERDECK_STATE_DIR": str(made.state)}
    if made.state.exists():
        shutil.rmtree(made.state)
    body = json.loads(one.profile.read_text())
    for host in body["hosts"].values():
        host["ssh_config"] = str(other.ssh_config)  # OpenSSH takes the home of who runs the tests from elsewhere
    made.write(body)
    made.keep_secrets(*body["credentials"])
    return made
