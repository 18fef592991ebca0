"""The disk of the state directory is full: nothing new begins, what has begun is ended or undone, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from console.runs.create import decide
from console.runs.spool import Spool, read
from console.store.database import StoreFull
from console.store.records import check_chain
from console.text.redact import Redactor
from tests.console.runs.world import World, until
from tests.console.store.small import filled, small_disk


@pytest.fixture
def small(tmp_path: Path) -> Iterator[World]:
    """A world whose state directory lies on a disk of its own; its host has room."""
    with small_disk(tmp_path / "state"):
        world = World(tmp_path)
        yield world
        world.records.database.close()


def use_up(world: World) -> None:
    """Write until the reserve is gone as well."""
    for length in (1000, 1):
        with suppress(StoreFull):
            while True:
                world.records.append("filler", "k", {"text": "x" * length})


def test_a_run_in_the_middle_asks_and_is_undone_on_a_full_disk(small: World) -> None:
    """The disk fills up while the second step runs; the third is not begun, and the undo of the two is recorded."""
    run = small.create("do", "wait", "do")
    child = small.runner(run)
    until(lambda: "begin s2" in small.effects(), "the second step", 90)
    with filled(small.state):
        (small.app / "go").touch()
        until(lambda: bool(small.view(run).question), "a question", 90)
        assert "the disk is full" in small.view(run).question
        assert small.effects() == ["do s1", "begin s2", "do s2"]
        with pytest.raises(StoreFull, match="No run and no step is begun"):
            small.create("do")
        decide(small.records, run, "undo", "me@here")
        assert child.wait(90) == 0, small.log(run)
        assert small.view(run).ending == "undone"
        assert small.effects() == ["do s1", "begin s2", "do s2", "undo s2", "undo s1"]
    check_chain(small.records.read(run))
    assert not small.locked() and small.made() == []
    assert small.records.streams("run.created") == [run]


def test_without_the_reserve_not_even_the_answer_can_be_recorded(small: World) -> None:
    """The control of the test above: the same, with the reserve used up."""
    run = small.create("do", "wait", "do")
    child = small.runner(run)
    until(lambda: "begin s2" in small.effects(), "the second step", 90)
    with filled(small.state):
        use_up(small)
        (small.app / "go").touch()
        assert child.wait(90) == 6
        with pytest.raises(StoreFull):
            decide(small.records, run, "undo", "me@here")
        assert small.view(run).state == "running"
    check_chain(small.records.read(run))
    assert small.carry(run, timeout=120) == 0, small.log(run)  # with room it is found again, checked, and goes on
    assert small.view(run).ending == "succeeded"
    assert small.effects() == ["do s1", "begin s2", "do s2", "do s3"]


def test_a_run_that_has_changed_nothing_is_refused(small: World) -> None:
    run = small.create("do")
    with filled(small.state):
        assert small.carry(run, timeout=120) == 4
        assert "Nothing was changed" in small.view(run).text
        assert not small.locked() and small.effects() == []


def test_output_that_has_no_room_is_counted_and_costs_no_step(tmp_path: Path) -> None:
    with small_disk(tmp_path / "spools") as folder:
        path = folder / "run.log"
        spool = Spool(path, Redactor())
        spool.say("s1", 1, "before")
        with filled(folder):
            spool.say("s1", 1, "x" * 100)
            spool.say("s1", 1, "y" * 100)
        spool.say("s1", 1, "after")
        spool.close()
        said = b"".join(chunk.data for chunk in read(path)).decode()
    first, missing, last = said.splitlines()
    assert (first, last) == ("before", "after")
    assert missing == "[202 bytes of output are missing here: there was no room for them on the disk]"


def test_a_spool_that_cannot_be_made_is_made_when_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "spools").write_text("in the way")
    spool = Spool(tmp_path / "spools" / "run.log", Redactor())
    spool.say("s1", 1, "one")
    (tmp_path / "spools").unlink()
    spool.say("s1", 1, "two")
    spool.close()
    assert b"".join(chunk.data for chunk in read(tmp_path / "spools" / "run.log")).endswith(b"two\n")
