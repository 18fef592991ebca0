"""Following a run that has ended prints all of its output, however much is read at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.cli.following import follow_to_end
from console.live.runs import RunsDesk
from console.session import OutputShown, RunShown
from console.store.places import Places
from console.watch.views import RunLine

LINE = RunLine("r", "deploy", "here", "Deploy", "succeeded", "ok", "me", 1.0, 1.0, "", True)


class Ended:
    """A session with one ended run, whose output is given in three portions."""

    def run(self, run: str) -> RunShown:
        return RunShown(LINE, (), ending="succeeded: done", exit_code=0)

    def output(self, run: str, offset: int, step: str | None) -> Iterator[OutputShown]:
        if offset < 3:
            yield OutputShown("s1", f"portion {offset}\n", offset + 1)

    def marks(self, run: str) -> tuple[object, ...]:
        return ()


def test_all_of_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow_to_end(cast(Any, Ended()), "r", as_json=False, may_cancel=False) == 0
    said = capsys.readouterr()
    assert said.err.split("\n")[:3] == ["    portion 0", "    portion 1", "    portion 2"]
    assert said.out == "succeeded: done\n"


@pytest.mark.parametrize("changed", ["store", "spool", ""])
def test_what_is_new_is_looked_at_at_once(tmp_path: Path, changed: str) -> None:
    """And what came between the marks and the wait as well."""
    places = Places(tmp_path, tmp_path / "config")
    places.spools.mkdir()
    ground: Any = SimpleNamespace(places=places)
    desk = RunsDesk(ground)
    files = {"store": places.database, "spool": places.spool("r")}
    before = desk.marks("r")
    if changed:
        threading.Timer(0.1, lambda: files[changed].write_text("new")).start()
    began = time.monotonic()
    desk.wait_for_change("r", before, 5.0 if changed else 0.3)
    took = time.monotonic() - began
    assert took < 4.0 if changed else took >= 0.3
    if changed:
        desk.wait_for_change("r", before, 30.0)
        assert time.monotonic() - began < 20.0
