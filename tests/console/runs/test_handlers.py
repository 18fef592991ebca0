"""What the handlers of common Ops say, asked for real."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from console.runs.handlers import smoke
from tests.console.hosts.web import Door, serving


@pytest.mark.parametrize(("status", "verdict"), [(200, "yes"), (500, "no")])
@pytest.mark.parametrize("left_out", [(), ("two",)])
def test_smoke_tests_say_that_they_were_asked_through_another_host(
    left_out: tuple[str, ...], status: int, verdict: str
) -> None:
    config = SimpleNamespace(hosts=("one",))
    with serving(lambda handler: handler.say(status, "")) as web:
        hosts = {name: Door(web.server_port) for name in ("one", "two")}
        environment = SimpleNamespace(hosts=hosts, left_out=left_out, config=config, secret_field=None)
        ctx: Any = SimpleNamespace(
            environment=environment, say=print, sleep=lambda _: None, cancelled=threading.Event(), deadline_s=20.0
        )
        step = {"name": "alive", "url": f"{web.url}/", "via": "two", "expect": {"status": 200}}
        outcome = smoke(ctx, {"steps": [step, step]})
    assert outcome.verdict == verdict
    assert ("asked through one, since two is left out" in outcome.evidence) is bool(left_out)
    assert outcome.evidence.count("asked through") == len(left_out)
