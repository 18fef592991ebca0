"""A rotated SSH key is tried over hosts whose own keys have passphrases in a keyring that is locked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from actions.rotate.ssh_key import see
from console.credentials.errors import KeyringLocked
from console.environment import bind
from tests.console.hosts.sshd import running
from tests.console.runs.test_reached import entry
from tests.console.runs.world import World


def locked(name: str) -> str:
    raise KeyringLocked(f"The keyring is locked: {name}.")


def test_a_passphrase_that_is_not_to_be_had_is_said_and_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    with running(tmp_path / "sshd") as server:
        hosts = {
            "one": {**entry(server), "jump": ["door"]},
            "door": {**entry(server), "passphrase": {"secret": "door"}},
        }
        world = World(tmp_path, hosts=hosts, directory=str(tmp_path / "app"))
        body = {**world.profile.dumped(), "credentials": {"door": {"kind": "ssh"}}}
        body["environments"]["here"]["hosts"] = ["one"]
        environment = bind(type(world.profile).model_validate(body), "here", secrets=locked, unattended=True)
        ctx: Any = SimpleNamespace(environment=environment, secret=locked)
        seen = see(ctx, {"host": "one", "user": ""}, server.identity.read_text())
        environment.close()
    assert seen.verdict == "unknown"
    assert "not to be had" in seen.evidence and "The keyring is locked: door" in seen.evidence
