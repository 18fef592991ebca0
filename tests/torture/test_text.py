"""A sample of hostile text through the recorder. The whole: python -m tests.torture text"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.torture import corpus
from tests.torture.hostile import system
from tests.torture.text import FEW, console, foreign_in, hostile_text

SEED = int(os.environ.get("QUARTERDECK_TORTURE_SEED", "1"))
BYTES = int(os.environ.get("QUARTERDECK_TORTURE_BYTES", "50000"))
"""conftest takes settings away from tests; these are read before."""


def test_nothing_foreign_reaches_the_terminal(tmp_path: Path) -> None:
    found = hostile_text(tmp_path, seed=SEED, size=BYTES, pressed=FEW)
    assert (found.foreign, found.crashes) == (0, 0), f"seed {SEED}: {found}"
    assert found.fed > BYTES and found.recorded > 10_000


def test_control_without_the_sanitiser_it_does(tmp_path: Path) -> None:
    with system(tmp_path, SEED) as there:
        found = console(there, 20_000, guarded=False, pressed=FEW[:3])
    assert found.foreign > 100, found


@pytest.mark.parametrize("piece", [one for one in corpus.PIECES if b"\x1b" in one or (one[0] < 0x20 and one != b"\t")])
def test_control_the_recorder_sees_every_sequence_of_the_corpus(piece: bytes) -> None:
    assert foreign_in(b"\x1b[1;1H\x1b[38;5;3mtext" + piece + b" more\r\n")[0] > 0


def test_control_the_recorder_knows_what_is_ours() -> None:
    ours = b"\x1b[?1049h\x1b[?25l\x1b[1;1H\x1b[1;38;2;1;2;3mtext\x1b[0m\r\n\x1b]22;pointer\x07\x1b[?2026$p\x1b[>1u"
    assert foreign_in(ours) == (0, "")


def test_the_corpus_is_made_from_its_seed() -> None:
    one, two, other = (corpus.lines(random.Random(seed), 500_000) for seed in (1, 1, 2))
    assert one == two != other and b"\x1b]52" in one and len(max(one.split(b"\n"), key=len)) > 500
