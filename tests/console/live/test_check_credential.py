"""Whether a credential works: a server that is down, or broken, says nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.hosts.base import HostBusy, HostRefused, HostUnreachable
from console.live.check_credential import check_credential
from tests.console.hosts.web import Handler, Web, serving
from tests.console.watch.places import environment

PROBE = """\
probes:
  login: {kind: http, url: "{base}/me", auth: {basic: {username: me, password: {secret: metrics}}}, timeout: 2}
"""


def ground(folder: Path, url: str) -> Any:
    """As much of a session's ground as a check needs."""
    place = environment(folder, PROBE, hosts={}, url=url, secrets={"metrics": "hunter2-hunter2"})
    return SimpleNamespace(
        profile=place.profile,
        keys=SimpleNamespace(get=lambda name: ""),
        bound=lambda name: place,
        host=lambda name: None,
    )


def saying(status: int) -> Callable[[Handler], None]:
    return lambda request: request.say(status, "")


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, "yes"), (401, "no"), (403, "no"), (500, "unknown"), (503, "unknown")]
)
def test_only_a_server_that_works_can_refuse_it(tmp_path: Path, status: int, verdict: str) -> None:
    with serving(saying(status)) as web:
        found = check_credential(ground(tmp_path, web.url), "metrics")
    assert found.verdict == verdict and "probe login of staging" in found.evidence
    assert str(status) in found.evidence


def test_a_server_that_is_down_is_no_refusal(tmp_path: Path) -> None:
    with Web(saying(200)) as web:
        url = web.url
    assert check_credential(ground(tmp_path, url), "metrics").verdict == "unknown"


@pytest.mark.parametrize(
    ("problem", "verdict"),
    [
        (HostUnreachable("lab1", "lab1 does not answer."), "unknown"),
        (HostBusy("lab1", "lab1 has no channel free."), "unknown"),
        (HostRefused("lab1", "lab1 refused the login."), "no"),
    ],
)
def test_the_passphrase_of_a_key(tmp_path: Path, problem: Exception, verdict: str) -> None:
    made = ground(tmp_path, "http://127.0.0.1:1")
    named = made.profile.hosts["lab1"].model_copy(update={"passphrase": SimpleNamespace(secret="metrics")})
    made.profile = made.profile.model_copy(update={"hosts": {"lab1": named}})

    def connect() -> None:
        raise problem

    closed: list[str] = []
    made.another_host = lambda name: SimpleNamespace(connect=connect, close=lambda: closed.append(name))
    assert check_credential(made, "metrics").verdict == verdict
    assert closed == ["lab1"], "it is tried over a connection of its own: another has logged in before"
