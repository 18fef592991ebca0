"""The audit against somebody who may write the store, or a host's audit.log: what is detected, and what cannot be."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.environment import Environment
from console.hosts.base import HostUnreachable
from console.runs import audit, locks
from console.runs.audit import CHECKPOINT, EVERY, STREAM, note, seal, signed_text
from console.runs.audit_check import Checked, check_here, check_hosts
from console.store.database import Database
from console.store.records import GENESIS, Record, Records, made
from console.store.signing import KeyUnusable, load, load_or_make, path_of, signed_by
from tests.console.runs.world import FAST, World

RUNS = 3


@pytest.fixture
def here(world: World) -> Iterator[Environment]:
    """An environment whose host holds the head of an audit of three runs, a few records each."""
    with world.environment() as environment:
        owner = locks.Owner(run="r", who="me", pid=1, reason="r", since=1.0)
        locks.take(environment.first_host, environment.directory, owner, FAST, environment="here")
        for number in range(RUNS):
            note(world.records, "asked.deploy", {"who": "me", "n": number})
            one(world.records, environment, number)
        world.records.append("journal", "step.done", {"step": "s1"})
        yield environment


def one(records: Records, environment: Environment, number: int) -> None:
    """What the end of a run does."""
    closed = note(records, "run.closed", {"run": f"r{number}", "ending": "succeeded"})
    assert audit.send(records, environment, ["one"], closed, head=True) == []


def checked(state: Path, environment: Environment) -> Checked:
    records = Records(Database(state / "store.sqlite3"))
    try:
        found = check_here(records)
        check_hosts(records, [environment], found)
        return found
    finally:
        records.database.close()


@contextmanager
def opened(state: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(state / "store.sqlite3", isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def execute(statement: str) -> Callable[[Path, Path], None]:
    def attack(state: Path, log: Path) -> None:
        with opened(state) as connection:
            assert connection.execute(statement).rowcount > 0

    return attack


def swap(state: Path, log: Path) -> None:
    with opened(state) as connection:
        for before, after in ((3, 99), (4, 3), (99, 4)):
            connection.execute("UPDATE record SET seq = ? WHERE stream = 'audit' AND seq = ?", (after, before))


def cut(state: Path, log: Path) -> None:
    """Everything after the second run's head."""
    with opened(state) as connection:
        assert connection.execute("DELETE FROM record WHERE stream = 'audit' AND seq > 8").rowcount > 0


def cut_and_go_on(state: Path, log: Path) -> None:
    """The same, and as many other records in their place, by the program itself."""
    cut(state, log)
    records = Records(Database(state / "store.sqlite3"))
    for number in range(8):
        note(records, "asked.status", {"n": number})
    seal(records)
    records.database.close()


def anew(state: Path, *, sign: bool, change: Callable[[Record], Mapping[str, object] | None]) -> None:
    """The whole chain written anew, with other contents, and sealed with the store's key if `sign`, else with none."""
    records = Records(Database(state / "store.sqlite3"))
    old, key = records.read(STREAM), load(state)
    assert key is not None
    fresh: list[Record] = []
    for record in old:
        body = change(record)
        if body is None:
            continue
        prev = fresh[-1].hash if fresh else GENESIS
        if record.kind == CHECKPOINT and sign:
            body = {**body, "seq": len(fresh), "head": prev, "signature": key.sign(signed_text(len(fresh), prev))}
        fresh.append(made(STREAM, len(fresh) + 1, record.at, record.kind, body, prev))
    with records.database.writing() as connection:
        connection.execute("DELETE FROM record WHERE stream = 'audit'")
        for record in fresh:
            connection.execute(
                "INSERT INTO record VALUES (?,?,?,?,?,?,?,?)",
                (record.stream, record.seq, record.at, record.kind, json.dumps(record.body), record.body_hash,
                 record.prev_hash, record.hash),
            )  # fmt: skip
    records.database.close()


def other(record: Record) -> Mapping[str, object]:
    return {**(record.body or {}), **({"who": "somebody else"} if record.seq == 1 else {})}


def without_the_key(state: Path, log: Path) -> None:
    anew(state, sign=False, change=other)


def with_the_key(state: Path, log: Path) -> None:
    anew(state, sign=True, change=other)


def without_checkpoints(state: Path, log: Path) -> None:
    anew(state, sign=False, change=lambda record: None if record.kind.startswith("audit.") else other(record))


def with_another_key(state: Path, log: Path) -> None:
    """The key file replaced, the audit written anew and sealed with the new one."""
    old = load(state)
    path_of(state).unlink()
    new = load_or_make(state)
    assert old is not None

    def change(record: Record) -> Mapping[str, object]:
        text = json.dumps(other(record)).replace(old.public, new.public)
        return dict(json.loads(text))

    anew(state, sign=True, change=change)


def replace_key(state: Path, log: Path) -> None:
    path_of(state).unlink()
    load_or_make(state)


def edit_log(old: str, new: str) -> Callable[[Path, Path], None]:
    def attack(state: Path, log: Path) -> None:
        text = log.read_text()
        assert old in text
        log.write_text(text.replace(old, new))

    return attack


ATTACKS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "edit a content": (
        execute("UPDATE record SET body = replace(body, 'me', 'you') WHERE stream = 'audit' AND seq = 1"),
        "record 1 of audit: its content was changed",
    ),
    "edit a kind": (execute("UPDATE record SET kind = 'x' WHERE stream = 'audit' AND seq = 5"), "record 5 of audit"),
    "edit a time": (execute("UPDATE record SET at = at - 9 WHERE stream = 'audit' AND seq = 2"), "record 2 of audit"),
    "edit a hash": (
        execute("UPDATE record SET hash = replace(hash, 'a', 'b') WHERE stream = 'audit' AND seq = 2"),
        "record 2 of audit",
    ),
    "delete the first": (
        execute("DELETE FROM record WHERE stream = 'audit' AND seq = 1"),
        "record 2 of audit: record 1 is missing",
    ),
    "delete one in the middle": (
        execute("DELETE FROM record WHERE stream = 'audit' AND seq = 6"),
        "record 7 of audit: record 6 is missing",
    ),
    "reorder two": (swap, "record 3 of audit"),
    "repeat one": (
        execute(
            "INSERT INTO record SELECT stream, 99, at, kind, body, body_hash, prev_hash, hash FROM record "
            "WHERE stream = 'audit' AND seq = 2"
        ),
        "record 99 of audit",
    ),
    "take a content out": (
        execute("UPDATE record SET body = NULL WHERE stream = 'audit' AND seq = 1"),
        "record 1 of audit: its content was taken out",
    ),
    "take a step's content out": (
        execute("UPDATE record SET body = NULL WHERE stream = 'journal'"),
        "record 1 of journal: its content was taken out",
    ),
    "cut the end off": (cut, "record 9 of audit is missing"),
    "cut the end off and go on": (cut_and_go_on, "of audit, or one before it, is another than"),
    "write it anew without the key": (without_the_key, "record 4 of audit: this checkpoint is of another chain"),
    "write it anew with the key": (with_the_key, "record 3 of audit, or one before it, is another than"),
    "write it anew without checkpoints": (without_checkpoints, "is another than"),
    "write it anew with another key": (with_another_key, "does not hold checkpoint"),
    "replace the key": (
        lambda state, log: (path_of(state).unlink(), load_or_make(state))[0],
        "one of them was replaced",
    ),
    "empty the host's log": (lambda state, log: log.write_text("") and None, "does not hold checkpoint"),
    "edit the host's copy of a head": (edit_log('"seq":6,"signature"', '"seq":5,"signature"'), "that is not ours"),
}
UNDETECTED: dict[str, Callable[[Path, Path], None]] = {
    "write it anew with the key, and the host's log as well": lambda state, log: (
        with_the_key(state, log),
        log.write_text(
            "".join(f"{record.line()}\n" for record in Records(Database(state / "store.sqlite3")).read(STREAM))
        ),
        None,
    )[-1],
    "cut off what came after the newest head": lambda state, log: (
        (records := Records(Database(state / "store.sqlite3"))),
        records.append(STREAM, "shell.opened", {}),
        execute("DELETE FROM record WHERE kind = 'shell.opened'")(state, log),
        None,
    )[-1],
    "replace store and key, and what is remembered of hosts": lambda state, log: (
        with_another_key(state, log),
        execute("DELETE FROM seen WHERE key LIKE 'audit-sent:%'")(state, log),
        None,
    )[-1],
}


def test_every_attack_of_this_list_is_detected_and_the_first_bad_record_is_named(
    world: World, here: Environment, tmp_path: Path
) -> None:
    world.records.database.close()
    log = world.app / ".quarterdeck" / "audit.log"
    whole, state = log.read_bytes(), tmp_path / "attacked"
    clean = checked(world.state, here)
    assert (clean.bad, clean.notes, clean.silent, clean.asked) == ([], [], [], ["one (here)"])
    assert clean.checkpoints == RUNS
    detected = {}
    for name, (attack, sentence) in ATTACKS.items():
        shutil.copytree(world.state, state)
        attack(state, log)
        found = checked(state, here)
        detected[name] = any(sentence in one for one in found.bad), found.bad
        shutil.rmtree(state)
        log.write_bytes(whole)
    assert {name: bad for name, (seen, bad) in detected.items() if not seen} == {}
    assert checked(world.state, here).bad == []


@pytest.mark.parametrize("name", UNDETECTED)
def test_what_is_not_detected(name: str, world: World, here: Environment) -> None:
    """Said in the documentation, and held here so that it stays true."""
    UNDETECTED[name](world.state, world.app / ".quarterdeck" / "audit.log")
    assert checked(world.state, here).bad == []


def test_an_older_copy_of_the_store_is_recognised_by_the_hosts(world: World, here: Environment, tmp_path: Path) -> None:
    world.records.database.close()
    shutil.copytree(world.state, tmp_path / "backup")
    one(world.records, here, RUNS)
    (sentence,) = checked(tmp_path / "backup", here).bad
    assert "is missing" in sentence and "an older copy of the store" in sentence


def test_a_checkpoint_is_made_every_so_many_records(world: World) -> None:
    for number in range(EVERY + 3):
        note(world.records, "k", {"n": number})
    kinds = [record.kind for record in world.records.read(STREAM)]
    assert kinds[EVERY : EVERY + 2] == ["audit.key", CHECKPOINT] and kinds.count(CHECKPOINT) == 1
    assert seal(world.records) is not None
    assert seal(world.records) == world.records.last(STREAM), "sealing what is sealed adds nothing"
    found = check_here(world.records)
    assert (found.bad, found.checkpoints) == ([], 2)


def test_checkpoints_that_are_not_made_any_more_are_missed(world: World) -> None:
    for number in range(2 * EVERY + 1):
        world.records.append(STREAM, "k", {"n": number})
    (sentence,) = check_here(world.records).bad
    assert sentence.startswith(f"record {EVERY} of audit: no checkpoint was made there")


def test_the_key_is_private_and_another_is_said(world: World) -> None:
    note(world.records, "k", {})
    seal(world.records)
    path = path_of(world.state)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    key = load(world.state)
    assert key is not None and not signed_by(key.public, "other", key.sign("text"))
    path.chmod(0o640)
    with pytest.raises(KeyUnusable, match="only its owner can read"):
        note(world.records, "k", {}) and seal(world.records)
    assert any("only its owner can read" in one for one in check_here(world.records).bad)
    path.unlink()
    assert "makes another" in check_here(world.records).notes[0]
    note(world.records, "k", {})
    seal(world.records)
    found = check_here(world.records)
    assert found.bad == [] and "another key signs" in found.notes[0]


def test_a_host_that_does_not_answer_is_said_and_is_no_proof_of_anything(
    world: World, here: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise HostUnreachable("one", "one does not answer.")

    monkeypatch.setattr(type(here.first_host), "script", silent)
    found = checked(world.state, here)
    assert (found.bad, found.asked) == ([], [])
    assert found.silent == ["The audit.log of one (here) could not be read: one does not answer."]


def test_a_host_that_was_never_given_anything_is_not_said_to_say_the_same(world: World) -> None:
    with world.environment() as environment:
        note(world.records, "asked.status", {"who": "me"})  # never signed: no run has ended
        found = checked(world.places.state, environment)
    assert (found.asked, found.silent, found.bad) == ([], [], [])


def test_a_host_whose_log_is_gone_is_told_apart_from_one_that_was_never_given_a_head(
    world: World, here: Environment
) -> None:
    (world.app / ".quarterdeck" / "audit.log").unlink()
    assert any("does not hold checkpoint" in one for one in checked(world.state, here).bad)
    world.records.database.connection().execute("DELETE FROM seen WHERE key LIKE 'audit-sent:%'")
    assert checked(world.state, here).bad == []


def test_a_runner_leaves_a_head_on_its_hosts(world: World) -> None:
    run = world.create("do")
    assert world.carry(run) == 0, world.log(run)
    kinds = [json.loads(line)["kind"] for line in (world.app / ".quarterdeck" / "audit.log").read_text().splitlines()]
    assert kinds == ["run.executed", "run.closed", CHECKPOINT]
    with world.environment() as environment:
        found = check_here(world.records)
        check_hosts(world.records, [environment], found)
    assert (found.bad, found.checkpoints, found.asked) == ([], 1, ["one (here)"])
