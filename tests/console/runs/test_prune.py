"""What is kept of finished runs: by age and size, never of a run that has not ended, never of the audit."""

from __future__ import annotations

import dataclasses
import time

from console.live.shown import NOT_KEPT, run_line, run_shown
from console.runs.audit_check import check_here
from console.runs.create import reopen_to_undo
from console.runs.lease import unclaim
from console.runs.model import CLOSED, CLOSING, PARKED
from console.runs.prune import DAY_S, DEFAULT, Found, Keeping, daily, decide, find, prune, still_kept
from console.store.records import check_chain
from tests.console.runs.world import World

NOW = 1_000_000_000.0
LITTLE = Keeping(output_days=10, output_bytes=1000, journal_days=20, journals=6, always=2)
NOTHING = Keeping(output_days=0, output_bytes=0, journal_days=0, journals=0, always=0)


def run(days: float, *, closed: bool = True, busy: bool = False, output: int = 10, whole: bool = True) -> Found:
    return Found(f"r{days:g}", NOW - days * DAY_S, closed, busy, output, whole)


def fates(*found: Found, keeping: Keeping = LITTLE) -> dict[str, tuple[str, str]]:
    return {one.run: (one.journal, one.output) for one in decide(found, keeping, NOW)}


def finished(world: World) -> str:
    """A run that ended, with its output, as a runner leaves it."""
    name = world.create("do")
    world.records.append(name, CLOSING, {"ending": "succeeded", "text": "done"})
    world.records.append(name, CLOSED, {"ending": "succeeded"})
    unclaim(world.records.database, name)
    for path in (world.places.spool(name), world.places.logs / f"{name}.log"):
        path.write_text("said")
    return name


def test_by_age() -> None:
    assert fates(*map(run, (1, 9, 11, 21))) == {
        "r1": ("kept", "kept"),
        "r9": ("kept", "kept"),
        "r11": ("kept", "goes"),
        "r21": ("goes", "goes"),
    }


def test_the_newest_are_kept_whatever_a_wrong_clock_says() -> None:
    assert set(fates(*map(run, (4000, 4001))).values()) == {("kept", "kept")}
    assert fates(run(4000), run(4001), run(4002))["r4002"] == ("goes", "goes")


def test_by_size_the_oldest_output_goes_first_and_the_newest_run_keeps_its_own() -> None:
    found = [run(day, output=600) for day in (1, 2, 3)]
    assert fates(*found) == {"r1": ("kept", "kept"), "r2": ("kept", "goes"), "r3": ("kept", "goes")}
    assert fates(run(1, output=5000), run(2, output=0)) == {"r1": ("kept", "kept"), "r2": ("kept", "gone")}


def test_by_number() -> None:
    kept = fates(*(run(day / 10) for day in range(1, 9)))
    assert [kept[f"r{day / 10:g}"][0] for day in range(1, 9)] == ["kept"] * 6 + ["goes"] * 2


def test_what_has_not_ended_is_never_touched() -> None:
    assert fates(run(4000, closed=False), run(4001, busy=True), keeping=NOTHING) == {
        "r4000": ("kept", "kept"),
        "r4001": ("kept", "kept"),
    }


def test_a_person_is_told_why() -> None:
    said = {one.run: one.why for one in decide([*map(run, (1, 2, 11, 21)), run(3, closed=False)], LITTLE, NOW)}
    assert said == {
        "r1": "one of the newest 2",
        "r2": "one of the newest 2",
        "r3": "it has not ended",
        "r11": "output older than 10 days",
        "r21": "older than 20 days",
    }


def test_a_pruned_run_is_still_listed_and_its_chain_is_whole(world: World) -> None:
    done, open_ = world.create("do", "look"), ""
    assert world.carry(done) == 0
    assert world.records.remembered("pruned-at") is not None, "its runner has looked what is too old"
    world.records.append("audit", "something", {"who": "me"})
    open_ = world.create("do")
    before = run_line(world.runs.seen(done))
    whole = world.records.read(open_)
    decisions = decide(find(world.records, world.places), NOTHING, NOW * 2)
    assert prune(world.records, world.places, decisions, "me") == 1
    records = world.records.read(done)
    assert any(record.body is None for record in records) and records[0].body is None
    check_chain(records)
    assert check_here(world.records).bad == []
    seen = world.runs.seen(done)
    assert run_line(seen) == before
    assert seen.can == () and seen.view.changed and not seen.foreign
    assert NOT_KEPT in run_shown(seen).ending and run_shown(seen).exit_code == 0
    assert world.records.read(open_) == whole
    assert [record.body for record in world.records.read("audit") if record.kind == "something"] == [{"who": "me"}]
    (told,) = [record.body for record in world.records.read("audit") if record.kind == "runs.pruned"]
    assert told == {"who": "me", "journals": [done], "outputs": [done]}
    assert "2 runs, of 1 of them only what a list shows" in still_kept(world.records, world.places)
    assert prune(world.records, world.places, decide(find(world.records, world.places), NOTHING, NOW * 2), "me") == 0


def test_a_run_that_was_parked_is_pruned_as_any_other(world: World) -> None:
    run = world.create("do", "park", "do", park_s=0.1)
    assert world.carry(run) == 0, world.log(run)
    before = run_line(world.runs.seen(run))
    prune(world.records, world.places, decide(find(world.records, world.places), NOTHING, NOW * 2), "me")
    assert run_line(world.runs.seen(run)) == before and world.view(run).pruned
    assert all(record.body is None for record in world.records.read(run) if record.kind == PARKED)


def test_output_goes_with_what_the_runner_said(world: World) -> None:
    first, second = finished(world), finished(world)
    with world.records.database.writing() as connection:  # both may have been made within one tick of the clock
        connection.execute("UPDATE record SET at = at - 1 WHERE stream = ?", (first,))
    keeping = dataclasses.replace(DEFAULT, output_bytes=0)
    prune(world.records, world.places, decide(find(world.records, world.places), keeping, NOW * 2), "me")
    assert not world.places.spool(first).exists() and not (world.places.logs / f"{first}.log").exists()
    assert world.places.spool(second).exists()
    assert not world.runs.seen(first).view.pruned, "its journal is whole"


def test_a_run_that_was_begun_again_meanwhile_is_left_alone(world: World) -> None:
    done = finished(world)
    decisions = decide(find(world.records, world.places), NOTHING, NOW * 2)
    reopen_to_undo(world.records, done, (), "me")
    prune(world.records, world.places, decisions, "me")
    assert world.places.spool(done).exists() and all(record.body is not None for record in world.records.read(done))


def test_it_is_done_once_a_day_and_never_fails_anybody(world: World) -> None:
    done = finished(world)
    world.records.remember("pruned-at", time.time())
    daily(world.records, world.places, "me", NOTHING)
    assert world.records.read(done)[0].body is not None
    world.records.remember("pruned-at", 0)
    daily(world.records, world.places, "me", NOTHING)
    assert world.records.read(done)[0].body is None
    world.records.database.connection().execute("PRAGMA user_version=99")
    daily(world.records, world.places, "me", NOTHING)
