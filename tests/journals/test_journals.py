"""Runs of every version that was released open, resume and undo with today's code."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from console.assembly import op_handlers
from console.plugins import load
from console.runs.api import Op, Plan
from console.runs.create import decide, reopen_to_undo
from console.runs.model import fold
from console.store.records import check_chain, parse_lines
from tests.console.runs.tally import ACTION
from tests.console.runs.world import World
from tests.journals.kept import HERE, STATES, every, laid_out, records_of, turn

KEPT = every()
NAMES = [f"{folder.parent.name}/{folder.name}" for folder in KEPT]
PLANS = sorted(HERE.glob("*/plans/*.jsonl"))
CLAIMS = ("environment:here",)
STATE_OF = {name: name if name in ("created", "undoing", "closing") else "running" for name in STATES}


def test_every_state_of_every_version_is_here() -> None:
    versions = {folder.parent.name for folder in KEPT}
    assert versions and set(NAMES) >= {f"{version}/{name}" for version in versions for name in STATES}
    shipped = {"baseline", "deploy", "rollback", "restart", "stop", "start", "command", "level", "configure"}
    shipped |= {"rotate-command", "rotate-database-two-roles", "rotate-jwt", "rotate-ssh-key", "rotate-grafana"}
    assert all({file.stem for file in PLANS if file.parts[-3] == version} >= shipped for version in versions)


@pytest.mark.parametrize("folder", KEPT, ids=NAMES)
def test_it_opens(folder: Path) -> None:
    records = records_of(folder)
    check_chain(records)
    view = fold(records)
    plan = Plan.model_validate(view.body["plan"])
    assert plan.digest == view.body["digest"], "what was confirmed then is what would run now"
    ACTION.params_type.model_validate(view.body["params"])
    assert view.state == {"succeeded": "closed", "needs-human": "closed"}.get(folder.name, STATE_OF[folder.name])


@pytest.mark.parametrize("file", PLANS, ids=[f"{file.parts[-3]}/{file.stem}" for file in PLANS])
def test_a_run_of_a_shipped_action_opens_and_all_that_its_plan_names_is_known(file: Path) -> None:
    records = parse_lines(file.read_text())
    check_chain(records)
    view = fold(records)
    plan = Plan.model_validate(view.body["plan"])
    assert plan.digest == view.body["digest"]
    action = load(view.action)
    action.params_type.model_validate(view.body["params"])
    action.facts_type.model_validate(view.body["facts"])
    effects = [one for step in plan.steps for one in (step.run, step.check, step.undo, step.undo_check)]
    unknown = {one.name for one in effects if isinstance(one, Op)} - set(op_handlers())
    assert not unknown, "a handler is kept as long as a journal may name it"


def _resumed(folder: Path, where: Path) -> None:
    world, run = laid_out(folder, where)
    before = {record.hash for record in world.records.read(run)}
    if folder.name == "asked":
        decide(world.records, run, "resume", "me")
    code = world.carry(run)
    view = world.view(run)
    wanted = {"undoing": "failed-undone", "needs-human": "needs-human"}.get(folder.name, "succeeded")
    assert (view.state, view.ending) == ("closed", wanted), f"{code} {view.text}\n{world.log(run)}"
    assert before <= {record.hash for record in world.records.read(run)}
    steps = [f"s{number}" for number, kind in enumerate(STATES[folder.name].kinds, 1) if kind != "park"]
    if wanted == "succeeded":
        assert world.made() == steps
    _once(world)


def _undone(folder: Path, where: Path) -> None:
    world, run = laid_out(folder, where)
    if world.view(run).state == "closed":
        reopen_to_undo(world.records, run, CLAIMS, "me")
    else:
        decide(world.records, run, "undo", "me")
    world.carry(run)
    view = world.view(run)
    assert (view.state, view.ending) == ("closed", "undone"), f"{view.text}\n{world.log(run)}"
    assert world.made() == []
    _once(world)


def _once(world: World) -> None:
    """Nothing was done twice, then or now, and no lock stays."""
    assert set(Counter(world.effects()).values()) <= {1}, world.effects()
    assert not world.locked()
    world.records.database.close()


@pytest.mark.parametrize("folder", KEPT, ids=NAMES)
def test_it_is_resumed(folder: Path) -> None:
    with turn() as where:
        _resumed(folder, where)


UNDOABLE = ("intent", "ended", "succeeded", "parked")


@pytest.mark.parametrize(
    "folder", [one for one in KEPT if one.name in UNDOABLE], ids=[name for name in NAMES if name.endswith(UNDOABLE)]
)
def test_it_is_undone(folder: Path) -> None:
    with turn() as where:
        _undone(folder, where)
