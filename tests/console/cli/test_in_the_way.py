"""A run's runner that was stopped in the middle of a write: who goes on with the run is asked whether to end it."""

from __future__ import annotations

from typing import Any

import pytest

from console.cli.output import Exit
from console.cli.runs import _make_way

RUN = "20261124T021455-tally-here-00000c"


class Session:
    """One whose store is held by a process, or is free."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        self.ended = False

    def in_the_way(self, run: str) -> int | None:
        return self.pid

    def make_way(self, run: str) -> None:
        self.ended = True


def test_it_is_ended_once_confirmed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    session: Any = Session(4711)
    asked: list[str] = []
    monkeypatch.setattr("console.cli.runs.yes_typed", lambda question, otherwise: asked.append(question))
    with pytest.raises(Exit) as refused:
        _make_way(session, RUN, yes=False)
    assert refused.value.code == 4 and "kill -CONT 4711" in str(refused.value) and not session.ended
    assert "process 4711, was stopped in the middle of a write" in capsys.readouterr().err and len(asked) == 1
    _make_way(session, RUN, yes=True)
    assert session.ended and len(asked) == 1


def test_nobody_is_asked_where_nobody_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = Session(None)
    monkeypatch.setattr("console.cli.runs.yes_typed", lambda *_: pytest.fail("asked"))
    _make_way(session, RUN, yes=False)
    assert not session.ended
