"""What is told of runs beside the environment that they left."""

from __future__ import annotations

import pytest

from console.cli.status import environment_text
from console.watch.views import EnvironmentView, RunLine, left_to_a_person


def line(state: str, action: str = "deploy", environment: str = "staging") -> RunLine:
    return RunLine(f"{action}-{state}", action, environment, f"A {action}", state, "bad", "me@here", 1.0, 2.0)


NEEDS = line("NEEDS A HUMAN")


@pytest.mark.parametrize(
    ("newest_first", "found"),
    [
        ([], None),
        ([NEEDS], NEEDS),
        ([line("refused"), line("running"), line("failed, undone"), NEEDS], NEEDS),
        ([line("succeeded", "command"), NEEDS], NEEDS),
        ([line("succeeded", environment="production"), NEEDS], NEEDS),
        ([line("succeeded", "rollback"), NEEDS], None),
        ([line("undone"), line("succeeded"), NEEDS], None),
        ([line("NEEDS A HUMAN", environment="production")], None),
    ],
)
def test_a_run_that_needs_a_human_is_told_until_one_has_succeeded_since(
    newest_first: list[RunLine], found: RunLine | None
) -> None:
    assert left_to_a_person(newest_first, "staging") is found


def test_it_is_said_below_its_environment() -> None:
    view = EnvironmentView("staging", "Staging", False, "blue")
    assert "A deploy: NEEDS A HUMAN (deploy-NEEDS A HUMAN)" in environment_text(view, (NEEDS,))
    assert "NEEDS" not in environment_text(view)
