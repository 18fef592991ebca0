"""A run's output file, written by one runner after the other, read by offset."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from console.runs.spool import CHUNK, Spool, read
from console.text.redact import Redactor

TORN = b'{"step": "a", "attempt": 1, "at": 1.0, "bytes": 500}\nhalf of'


def test_what_a_killed_runner_wrote_in_part_hides_nothing_that_comes_after(tmp_path: Path) -> None:
    """SIGKILL can cut a write short; the next runner's output is read all the same. Without mending it is not."""
    for mended, expected in ((True, [b"one\n", b"two\n"]), (False, [b"one\n"])):
        path = tmp_path / str(mended)
        first = Spool(path, Redactor())
        first.say("a", 1, "one")
        first.close()
        if mended:
            path.write_bytes(path.read_bytes() + TORN)
        second = Spool(path, Redactor())
        if not mended:  # the control: torn after the file was opened
            path.write_bytes(path.read_bytes() + TORN)
        second.say("b", 1, "two")
        second.close()
        assert [chunk.data for chunk in read(path)] == expected


def written(path: Path, seed: int) -> list[tuple[str, bytes]]:
    """Chunks of all lengths, with what looks like a header in their data."""
    rng = random.Random(seed)
    spool, kept = Spool(path, Redactor()), []
    for _ in range(120):
        step = rng.choice(("a", "b.CHECK", "schritt-ä", 'quote"d'))
        data = rng.choice((b"", TORN, b"\n\n\n", b"x")) * rng.choice((1, 1, 3, 700, 3000)) + b"line\n"
        for begin in range(0, len(data), CHUNK):
            kept.append((step, data[begin : begin + CHUNK]))
        with spool._lock:
            spool._put(step, 1, data)
    spool.close()
    return kept


def steps_of(path: Path, limit: int, wanted: Callable[[str], bool] | None) -> list[tuple[str, bytes]]:
    """All that is given, read on from where each read ended."""
    got: list[tuple[str, bytes]] = []
    offset = 0
    while True:
        chunks = list(read(path, offset, limit, wanted))
        if not chunks:
            return got
        assert chunks[-1].next > offset
        offset = chunks[-1].next
        got += [(chunk.step, chunk.data) for chunk in chunks if chunk.data]


def test_chunks_of_any_length_are_given_whole_and_in_order(tmp_path: Path) -> None:
    for seed in range(6):
        path = tmp_path / f"{seed}"
        kept = written(path, seed)
        for limit in (1, 1000, 1 << 20):
            assert steps_of(path, limit, None) == kept
            for step in ("a", 'quote"d', "nobody's"):
                assert steps_of(path, limit, step.__eq__) == [pair for pair in kept if pair[0] == step]


def test_the_output_of_a_late_step_is_found_behind_any_amount_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One read looks at so much and says how far it came; whoever follows goes on from there."""
    monkeypatch.setattr("console.runs.spool.SCAN", 200_000)
    path = tmp_path / "spool"
    spool = Spool(path, Redactor())
    for _ in range(30):
        spool.write("early", 1, "out", b"y" * 50_000)
        spool.end("early", 1)
    spool.say("late", 1, "here")
    spool.close()
    (first,) = read(path, 0, wanted="late".__eq__)
    assert (first.data, first.step) == (b"", "early") and 200_000 <= first.next < 300_000
    assert steps_of(path, 1 << 20, "late".__eq__) == [("late", b"here\n")]
