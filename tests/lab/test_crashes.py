"""Killed with SIGKILL: the console while it follows, the runner in each step of a deploy. Then resumed, or undone.

That nothing is done twice is counted by the target: rows that migrations insert, lines that entrypoints append, and the
engine's own events. One test shows that these counters do count a step that was repeated.

`QUARTERDECK_LAB_MOMENTS=3` kills three times in each step, and takes a run back from each step rather than from
one. Without, the runner is killed in those that change most, and in three that QUARTERDECK_LAB_SEED draws.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.counted import SLOW, services_started, starts
from tests.lab.lab import Lab, LabError, System
from tests.lab.person import Begun, Done, Person, no_leftovers, person, until
from tests.lab.routing_ml import profile

pytestmark = pytest.mark.timeout(1800 if os.environ.get("QUARTERDECK_LAB_MOMENTS") else 300)
MOMENTS = int(os.environ.get("QUARTERDECK_LAB_MOMENTS", "1"))
ALWAYS = ("migrate", "up")
SEED = int(os.environ.get("QUARTERDECK_LAB_SEED", "20261124"))
UNDONE_FROM = ("up",)


@pytest.fixture
def op1(lab: Lab, system: System) -> Iterator[Person]:
    """op1, with 1.0.0 live by hand and migrations that take a while."""
    system.start("1.0.0")
    system.write_env(MIGRATION_DELAY="1")
    one = person(lab.operators["op1"], profile(lab))
    with no_leftovers(one):
        yield one


def begun_steps(one: Person, run: str) -> list[str]:
    """Ids of the steps that a run's output names so far, in that order, repeats left out."""
    file = one.state / "spool" / f"{run}.log"
    if not file.exists():
        return []
    found: dict[str, None] = {}
    for line in file.read_bytes().split(b"\n"):
        if line.startswith(b'{"step": "'):
            step = str(json.loads(line)["step"]).partition("~")[0].partition(".")[0]
            if step:
                found[step] = None
    return list(found)


def spool_end(one: Person, run: str) -> str:
    """The last of a run's output, for a failure's report."""
    return (one.state / "spool" / f"{run}.log").read_bytes()[-4000:].decode("utf-8", "replace")


def deploy(one: Person, candidate: str) -> tuple[str, list[dict[str, Any]]]:
    """Begin a deploy and let go of it; its run and its steps."""
    begun = one.run("deploy", "--detach", candidate=candidate)
    run = begun.out.strip()
    assert run and begun.code in (0, 6), begun
    return run, one.shown(run)["steps"]


def kill_in(one: Person, run: str, step: str, chance: random.Random) -> str:
    """Kill the runner at a chosen moment after a step has begun; the step it was in, empty if none lived any more."""
    try:
        until(lambda: step in begun_steps(one, run) or not one.runners(), 60, f"{run} never came to {step}")
    except LabError as never:
        raise LabError(f"{never}\n{one('runs', 'show', run)}\n{spool_end(one, run)}") from never
    time.sleep(chance.uniform(0, SLOW.get(step, 0.1)))  # the moment of the kill, not a wait for anything
    return begun_steps(one, run)[-1] if one.kill_runners() else ""


def again(one: Person, run: str, word: str) -> Done:
    """`runs resume` or `runs undo`, to its end."""
    return one("runs", word, run, "--yes", timeout_s=180)


def test_the_runner_killed_in_step_after_step_and_resumed(lab: Lab, system: System, op1: Person) -> None:
    """One deploy, its runner killed in step after step, each time resumed: it succeeds, nothing is done twice."""
    with system.host.container_starts() as told:
        kill_and_resume(lab, system, op1, told)


def kill_and_resume(lab: Lab, system: System, op1: Person, told: list[dict[str, str]]) -> None:
    """The test itself; `told`: what the engine says it starts."""
    chance = random.Random(SEED)
    hit: Counter[str] = Counter()
    for moment in range(MOMENTS):
        run, steps = deploy(op1, "1.1.0")
        ids = [step["id"] for step in steps]
        drawn = {*ALWAYS, *chance.sample([one for one in ids if one not in ALWAYS], 3)}
        chosen = [one for one in ids if MOMENTS > 1 or one in drawn]
        following: list[Begun] = []
        closed = False
        for step in chosen:
            landed = kill_in(op1, run, step, chance)
            closed = step == ids[-1] and op1.shown(run)["exit_code"] is not None  # killed behind its last record
            if not landed or closed:
                break
            hit[landed] += 1
            following.append(op1.begin("runs", "resume", run, "--yes"))
            until(op1.runners, 60, f"no runner began again after a kill in {landed}")
        *cut_short, last = [one.end(180) for one in following]
        assert {one.code for one in cut_short} <= {6}, "whoever followed is told that the runner died"
        assert last.code in ((0, 6) if closed else (0,)), str(last)
        if moment + 1 < MOMENTS:
            back = op1("runs", "undo", run, "--yes")
            assert back.code == 0, back
    done = op1("runs", "follow", run)
    print("killed in", dict(hit))
    assert done.code == 0, done
    assert len(hit) >= len(chosen) * 2 // 3, f"too few steps were hit: {hit}"
    assert system.live_digests() == lab.digests("1.1.0")
    assert system.healthy()
    assert system.database.migration_effects() == ["a1", "a2"]
    if MOMENTS == 1:
        found = starts(system, "1.1.0")
        assert found["backend: alembic upgrade head"] == 1, found
        served = {name: count for name, count in found.items() if "alembic" not in name}
        assert len(served) == 3 and set(served.values()) == {1}, found
        own = {name: count for name, count in services_started(told).items() if name.startswith("routing-ml-")}
        assert len(own) == 3 and set(own.values()) == {1}, own
    shown = op1("runs", "show", run)
    assert shown.code == 0 and "succeeded" in shown.out, shown
    assert not system.host.path("/opt/app/.quarterdeck/lock").exists()
    assert [row for row in system.containers() if row["oneoff"] == "True"] == []


def test_the_console_killed_then_runners_and_their_runs_undone(lab: Lab, system: System, op1: Person) -> None:
    """On one system: a console dies and its run ends well; runs are taken back; the control, with a repeated step."""
    the_console_is_killed_while_it_follows(lab, system, op1)
    the_runner_is_killed_and_the_run_undone(lab, system, op1)
    the_counters_count_a_step_that_is_repeated(system, op1)


def the_counters_count_a_step_that_is_repeated(system: System, op1: Person) -> None:
    """The traces of a migration under way are taken away, so that recovery takes it for never begun."""
    system.write_env(MIGRATION_DELAY="3")
    run, _ = deploy(op1, "1.4.0")
    traces = system.host.path(f"/opt/app/.quarterdeck/runs/{run}/steps")
    until(lambda: starts(system, "1.4.0")["backend: alembic upgrade head"], 60, "the migration never began")
    assert op1.kill_runners() == 1
    for trace in traces.glob("migrate.*"):
        shutil.rmtree(trace)
    resumed = op1.begin("runs", "resume", run, "--yes")
    until(lambda: starts(system, "1.4.0")["backend: alembic upgrade head"] == 2, 60, "the migration was not repeated")
    op1.kill_runners()
    resumed.end()


def the_runner_is_killed_and_the_run_undone(lab: Lab, system: System, op1: Person) -> None:
    """Killed in a step, then taken back with `runs undo`: what was live (1.1.0) is live, and the schema is told."""
    chance = random.Random(SEED + 1)
    wanted = UNDONE_FROM if MOMENTS == 1 else tuple(one["id"] for one in op1.shown(op1.runs()[0]["id"])["steps"])
    for step in wanted * MOMENTS:
        candidate = "1.3.0" if step == "migrate" and "a3" not in system.database.migration_effects() else "1.5.0"
        deploy_and_undo(lab, system, op1, candidate, step, chance)
    effects = system.database.migration_effects()
    assert effects in (["a1", "a2"], ["a1", "a2", "a3"]) and len(effects) == len(set(effects))


def deploy_and_undo(lab: Lab, system: System, one: Person, candidate: str, step: str, chance: random.Random) -> None:
    """One deploy on 1.1.0, killed in a step and taken back; everything is looked at on the system."""
    images = system.image_names()
    keeps = sorted(row["name"] for row in system.containers())
    run, _ = deploy(one, candidate)
    landed = kill_in(one, run, step, chance)
    if landed:
        shown = one("runs", "show", run)
        assert shown.code == 6 and "interrupted" in shown.out, shown
        done = again(one, run, "undo")
        assert done.code == 0 and done.out.startswith("undone"), f"killed in {landed}\n{done}"
        schema = system.database.revision()
        if schema == "a3" and candidate == "1.3.0":
            assert "schema at a3" in done.out, done
    else:  # it was quicker than the kill: 1.5.0 fails its smoke tests and is undone by itself
        until(lambda: not one.runners(), 60, "the runner stays")
    assert system.live_digests() == lab.digests("1.1.0"), f"{candidate} killed in {landed}"
    assert system.healthy()
    assert system.image_names() == images, f"{candidate} killed in {landed}: images stay"
    assert sorted(row["name"] for row in system.containers()) == keeps, f"{candidate} killed in {landed}"
    assert not system.host.path("/opt/app/.quarterdeck/lock").exists()


def the_console_is_killed_while_it_follows(lab: Lab, system: System, op1: Person) -> None:
    """The run ends well without it, and another one shows all of it, from the first step to the ending."""
    began = op1.begin("run", "deploy", "staging", "--set", "candidate=1.1.0", "--yes")
    began.wait_for("  running  migrate the database")
    began.kill()
    assert op1.runners(), "the runner went with the console"
    run = op1.runs()[0]["id"]
    follow = op1("runs", "follow", run)
    assert follow.code == 0 and follow.out.startswith("succeeded"), follow
    for text in (
        "record what is live",
        "Pulling from backend",
        "migrate the database",
        "a2",
        "smoke logged-out: passed",
    ):
        assert text in follow.err, f"{text!r} is not shown\n{follow}"
    assert system.live_digests() == lab.digests("1.1.0")
    assert starts(system, "1.1.0")["backend: alembic upgrade head"] == 1
    second = op1("runs", "follow", run)
    assert (second.code, second.out) == (0, follow.out)
