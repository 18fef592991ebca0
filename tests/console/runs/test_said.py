"""The evidence of a step is the line that says something, not the id of a layer."""

from typing import Any

import pytest

from console.hosts.base import Result
from console.hosts.command import Command
from console.runs.said import in_short, telling
from console.text.redact import Redactor

PULLED = """\
fetching registry.example/backend@sha256:7c1d
registry.example/backend@sha256:7c1d: Pulling from backend
9824c27679d3: Pulling fs layer
9824c27679d3: Verifying Checksum
9824c27679d3: Download complete
9824c27679d3: Pull complete
Digest: sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
Status: Downloaded newer image for registry.example/backend@sha256:7c1d
registry.example/backend@sha256:7c1d
"""
LAYERS = "9824c27679d3: Download complete\n9824c27679d3: Pull complete\n"


def test_progress_of_layers_and_bare_ids_are_left_out() -> None:
    assert telling(PULLED, 6) == [PULLED.splitlines()[n] for n in (0, 1, 7, 8)]
    assert telling("started\n" + "f0" * 32 + "\n\n", 6) == ["started"]
    assert telling(LAYERS, 1) == ["9824c27679d3: Pull complete"], "rather than nothing"
    assert telling("deadbeef is not a commit\nfeed: 12", 6) == ["deadbeef is not a commit", "feed: 12"]


@pytest.mark.parametrize(
    ("evidence", "short"),
    [
        ("", ""),
        ("alembic current = a3", "alembic current = a3"),
        ("backend healthy\nfrontend healthy", "backend healthy, frontend healthy"),
        (PULLED, "registry.example/backend@sha256:7c1d"),
        (f"exit code 1. {LAYERS}Error: no space left on device", "exit code 1. Error: no space left on device"),
        ("exit code 3.", "exit code 3."),
        (f"{'a' * 50}\n{'b' * 50}", "b" * 50),
    ],
)
def test_an_evidence_in_one_line(evidence: str, short: str) -> None:
    assert in_short(evidence) == short


def test_what_a_command_wrote_becomes_evidence_without_layers() -> None:
    from console.runs.effects import Executor

    executor: Any = object.__new__(Executor)
    executor.redactor = Redactor()
    pull = Command(argv=("docker", "pull", "x"), deadline_s=1)
    for rc, begins in ((0, "fetching"), (1, "exit code 1. fetching")):
        outcome = executor._outcome(pull, Result(rc, PULLED.encode(), b"", "exited", 1.0))
        assert outcome.evidence.startswith(begins)
        assert "9824c27679d3" not in outcome.evidence
