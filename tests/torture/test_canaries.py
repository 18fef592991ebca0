"""A sample of the canary matrix, and one real run. The whole: python -m tests.torture canaries"""

from __future__ import annotations

from pathlib import Path

from tests.torture.canaries import SINKS, matrix
from tests.torture.canary_run import a_run

STREAMS = tuple(name for name in SINKS if name != "journal")


def test_no_canary_leaks_into_any_sink() -> None:
    found = matrix(every=7, only=STREAMS)
    assert found.leaks == 0, found.leaked
    assert found.forms > 80 and found.cases > 2000


def test_no_canary_leaks_into_the_journal() -> None:
    found = matrix(only=("journal",))
    assert found.leaks == 0, found.leaked


def test_control_without_a_redactor_every_form_leaks_into_every_sink() -> None:
    found = matrix(guarded=False, every=1000, only=STREAMS)
    assert found.leaks > 0.8 * found.forms * len(STREAMS), found


def test_a_real_run_leaves_no_secret_here_nor_on_its_host(tmp_path: Path) -> None:
    found = a_run(tmp_path)
    assert found.leaks == []
    assert found.places > 10
    assert len(found.kept_raw) == 2, "what the two commands printed; docs/security.md says so"


def test_control_a_real_run_without_a_redactor_does(tmp_path: Path) -> None:
    found = a_run(tmp_path, guarded=False)
    kinds = " ".join(found.leaks)
    assert all(name in kinds for name in ("spool/", "store.sqlite3", "runner-logs/", "records.jsonl")), found
