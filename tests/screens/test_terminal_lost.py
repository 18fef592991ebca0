"""The terminal is gone and nobody says so (SIGHUP ignored): the console ends, and the run that it began does not."""

from __future__ import annotations

from pathlib import Path

from screens.hangup import EVERY_S, GRACE_S, HANGUP
from tests.torture.terminal import lose


def test_the_console_ends_within_seconds_and_its_runner_goes_on(tmp_path: Path) -> None:
    found = lose(tmp_path)
    assert found.seconds is not None, f"it is looked every {EVERY_S:g} s and waited for {2 * GRACE_S:g} s at most"
    assert found.code == HANGUP
    assert found.ending == "succeeded"
    assert found.effects == ("do s1", "begin s2", "do s2", "do s3")
