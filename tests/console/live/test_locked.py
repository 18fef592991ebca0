"""A person's lock under any name that systems give to people: taken, seen, kept and given back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.environment import Environment
from console.live import locked
from console.runs import locks
from console.session import AskFailed
from tests.console.runs.world import FAST, World

DIGEST = "x.example/y@sha256:" + "a" * 64


# -- a person's lock ---------------------------------------------------------------------------------------------------

NAMES = [
    "ann@desk",
    "DOMAIN\\nick@desk",
    'a"b@desk',
    "Jörg Müller@büro",
    "x\ny@desk",
    "$(id)@desk",
    "\\@desk",
    " @",
    "-e@x",
]


class Person:
    """A session's ground of somebody on the one host of a world."""

    def __init__(self, who: str, environment: Environment) -> None:
        self._who, self._environment, self.timing = who, environment, FAST
        self.records: list[Any] = []

    def who(self) -> str:
        return self._who

    def bound(self, _: str) -> Environment:
        return self._environment

    def record(self, *said: Any) -> Any:
        self.records.append(said)
        return SimpleNamespace(line=lambda: "{}")

    def tell(self, text: str) -> None:
        raise AssertionError(text)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Environment]:
    with World(tmp_path).environment() as environment:
        yield environment


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_of_anybody_is_seen_kept_and_given_back(here: Environment, name: str) -> None:
    me: Any = Person(name, here)
    locked.lock(me, "here", "the weekend")
    held = locks.look(here.first_host, here.directory, FAST)
    assert held is not None and held.owner.kind == "person"
    assert held.owner.run == locked.person_run(name) and held.owner.token
    if name.isprintable():
        assert held.owner.who == name
    fence = Path(here.directory, ".quarterdeck", "fence").read_text()
    assert fence == f"1 {locked.person_run(name)}\n"
    other: Any = Person(name + "2", here)
    with pytest.raises(locks.LockHeld):
        locked.lock(other, "here", "mine")
    with pytest.raises(AskFailed, match="It is not yours"):
        locked.unlock(other, "here", "")
    locked.unlock(me, "here", "")
    assert locks.look(here.first_host, here.directory, FAST) is None


def test_the_lock_of_a_run_is_taken_away_only_when_it_is_dead_and_with_a_reason(here: Environment) -> None:
    me: Any = Person("ann@desk", here)
    run = "20261124T021455-tally-here-00000a"
    owner = locks.Owner(run=run, who="bob@desk", pid=1, reason="a release", since=1.0)
    beat = Path(here.directory, ".quarterdeck", "lock", "beat")
    locks.take(here.first_host, here.directory, owner, FAST, environment="here")
    for reason in ("", "it hangs"):
        with pytest.raises(AskFailed, match="A run gives its lock back itself"):
            locked.unlock(me, "here", reason)
    os.utime(beat, (0, 0))
    with pytest.raises(AskFailed, match="nothing was heard of it") as refused:
        locked.unlock(me, "here", " ")
    assert any(f"runs resume {run}" in way for way in refused.value.ways_out)
    assert beat.exists()  # control: until there is a reason it stays
    locked.unlock(me, "here", "the host was away when it ended")
    assert locks.look(here.first_host, here.directory, FAST) is None
    assert me.records == [
        ("lock.seized", {"environment": "here", "run": run, "reason": "the host was away when it ended"})
    ]


def test_every_name_has_a_word_of_its_own() -> None:
    words = [
        locked.person_run(name) for name in [*NAMES, "DOMAIN_nick@desk", "DOMAIN/nick@desk", "a b@desk", "a_b@desk"]
    ]
    assert len(set(words)) == len(words)
    assert locked.person_run("ann@desk") == "person-ann@desk"
