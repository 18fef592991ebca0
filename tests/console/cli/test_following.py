"""Following a run that has ended prints all of its output, however much is read at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from console.cli.following import follow_to_end
from console.session import OutputShown, RunShown
from console.watch.views import RunLine

LINE = RunLine("r", "deploy", "here", "Deploy", "succeeded", "ok", "me", 1.0, 1.0, "", True)


class Ended:
    """A session with one ended run, whose output is given in three portions."""

    def run(self, run: str) -> RunShown:
        return RunShown(LINE, (), ending="succeeded: done", exit_code=0)

    def output(self, run: str, offset: int, step: str | None) -> Iterator[OutputShown]:
        if offset < 3:
            yield OutputShown("s1", f"portion {offset}\n", offset + 1)


def test_all_of_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert follow_to_end(cast(Any, Ended()), "r", as_json=False, may_cancel=False) == 0
    said = capsys.readouterr()
    assert said.err.split("\n")[:3] == ["    portion 0", "    portion 1", "    portion 2"]
    assert said.out == "succeeded: done\n"
