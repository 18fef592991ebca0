"""A sample of the torture, drawn anew each time; all of it is `make torture`. QUARTERDECK_SEED takes that sample again.

Each zero here has its control in the same test.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from pathlib import Path

import pytest

from tests.torture import frozen, kills, races, report
from tests.torture.__main__ import PARTS, part
from tests.torture.cells import Cell, Part, Result, run

SEED = int(os.environ.get("QUARTERDECK_SEED") or secrets.randbelow(1_000_000))


def _sample(chosen: Part, cells: list[Cell], folder: Path) -> list[tuple[Cell, Result]]:
    """Run cells; each real one is as it must be, and each control counts."""
    print(f"QUARTERDECK_SEED={SEED}")
    done = list(run(chosen, cells, SEED, folder, float("inf")))
    assert len(done) == len(cells)
    bad = [f"{cell.name}: {result}" for cell, result in done if not cell.control and result.bad]
    assert not bad, "\n".join(bad)
    counted: Counter[str] = Counter()
    for cell, result in done:
        if cell.control:
            counted[cell.control] += sum(result.counts.values())
    assert all(counted[control] for control in {cell.control for cell in cells} - {""}), counted
    return done


def test_killed_at_seven_kinds_of_boundary_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    chance = Cell(kills.NAME, "sample", 0).drawn(SEED)
    cells = [Cell(kills.NAME, group, chance.randrange(kills.COUNT)) for group in chance.sample(list(kills.GROUPS), 7)]
    cells += [Cell(kills.NAME, group, 0, "intent and attempts") for group in kills.CONTROL_GROUPS[:1]]
    _sample(kills, cells, tmp_path)


def test_of_two_starters_exactly_one_wins(tmp_path: Path) -> None:
    cells = [Cell(races.NAME, races.HERE, number) for number in range(15)]
    _sample(races, cells + [Cell(races.NAME, races.HERE, number, "mutex") for number in range(6)], tmp_path)


def test_a_sleeper_changes_nothing_after_a_take_over(tmp_path: Path) -> None:
    chance = Cell(frozen.NAME, "sample", 0).drawn(SEED)
    groups = ["at the guard", *chance.sample(sorted(set(frozen.GROUPS) - {"at the guard"}), 1)]
    cells = [Cell(frozen.NAME, group, chance.randrange(frozen.COUNT)) for group in groups]
    _sample(frozen, cells + [Cell(frozen.NAME, "at the guard", number, "fence") for number in range(2)], tmp_path)


@pytest.mark.parametrize("name", PARTS)
def test_a_cell_is_drawn_alike_from_its_seed_and_name(name: str) -> None:
    cells = part(name).cells(None)
    assert len({cell.name for cell in cells}) == len(cells)
    assert cells[0].drawn(1).random() == cells[0].drawn(1).random() != cells[0].drawn(2).random()


def test_the_page_says_what_ran_what_did_not_and_what_was_wrong() -> None:
    found = {
        "kills": [
            (Cell("kills", "closing", 0), Result({"lost": 0, "repeated": 2, "left": 0}, {"resume": 1.0}), "abc"),
            (Cell("kills", "closing", 1), Result({"lost": 0, "repeated": 0, "left": 0}, {"resume": 2.0}), "abc"),
            (Cell("kills", "during the effect", 0, "intent and attempts"), Result({"repeated": 7}), "abc"),
        ],
        "races": [],
    }
    text = report.page([kills, races], found, 42, {"SQLite": "3"})
    assert (
        "| seed | 42 |" in text
        and "| source (`git rev-parse HEAD:console`) | abc |" in text
        and "| SQLite | 3 |" in text
    )
    assert "| closing | 2 of 100 | 0 | 2 | 0 | 0 |" in text and "- `kills/closing/0`: repeated 2" in text
    assert "| starting | 0 of 100 |" in text
    assert "| **all** | 2 of 1300 | 0 | 2 | 0 | 0 |" in text
    assert "| intent and attempts | during the effect | 1 | 0 | 7 | 0 |" in text and "say nothing" not in text
    del found["kills"][2]
    assert "with intent and attempts off, nothing was counted" in report.page([kills], found, 42, {})
    assert "## Not run with this seed\n\n- Races of two starters (`races`)" in text
