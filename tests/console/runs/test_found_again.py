"""An attempt that is on its host already is followed; whatever goes wrong with that, the run goes on and says so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.hosts.base import Guard, HostBusy, HostError, HostRefused, NoSuchAttempt, Result
from console.hosts.command import Command
from console.hosts.scripted import ScriptedHost, said
from console.runs.effects import Executor
from console.runs.spool import Spool
from console.text.redact import Redactor
from tests.console.runs.world import FAST

RUN = "20261124T021455-deploy-production-3fa9c1"


class Looked(ScriptedHost):
    """A host on which the attempt is, and which answers what it is told to whoever asks for it."""

    def __init__(self, *answers: HostError | Result) -> None:
        super().__init__("one")
        self.answers = list(answers)

    def attach(self, command: Command, guard: Guard, **_: Any) -> Result:
        answer = self.answers.pop(0)
        if isinstance(answer, HostError):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("answers", "verdict", "evidence"),
    [
        ((HostBusy("one", "No free channel."), said("well")), "yes", "well"),
        ((HostRefused("one", "Another host key."),), "unknown", "Another host key."),
        ((HostError("one", "It cannot be followed."),), "unknown", "It cannot be followed."),
        ((NoSuchAttempt("one", "Gone."),), "unknown", "one knows nothing of this attempt"),
    ],
)
def test_what_goes_wrong_with_following_is_an_outcome(
    answers: tuple[HostError | Result, ...], verdict: str, evidence: str, tmp_path: Path
) -> None:
    host = Looked(*answers)
    environment = SimpleNamespace(hosts={"one": host}, directory="/srv/app", timing=FAST)
    spool = Spool(tmp_path / "spool", Redactor())
    executor = Executor(cast(Any, environment), RUN, {}, spool, Redactor(), str, {"one": "1"})
    command = Command(argv=("touch", "x"), writes=True, deadline_s=5.0)
    host.guarded(command, executor.guard("one", "s1", 1))
    outcome = executor.execute(command, label="s1", host="one", attempt=1)
    spool.close()
    assert (outcome.verdict, outcome.evidence) == (verdict, evidence)
    assert len(host.effects()) == 1 and host.answers == []
