"""A run's output file, written by one runner after the other, read by offset."""

from __future__ import annotations

from pathlib import Path

from console.runs.spool import Spool, read
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
