"""A profile of the working directory is trusted once, by its digest, after what it names was shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.console.cli.program import Terminal, quarterdeck

TEXT = """
system: x
hosts: {here: {local: true}, there: {address: 127.0.0.1, port: 1}}
environments:
  only:
    hosts: [here]
    directory: DIRECTORY
    stack: {kind: compose, project: x, files: [compose.yml], services: {web: {health: none}},
            images: {web: 'x.example/y:{release}'}}
    commands:
      wipe: {argv: [rm, "-rf", "/data"], title: Wipe}
"""


@pytest.fixture
def profile(places: Path) -> Path:
    file = places / "quarterdeck.yaml"
    file.write_text(TEXT.replace("DIRECTORY", str(places)))
    return file


def test_nobody_to_ask_is_four_and_nothing_is_opened(profile: Path) -> None:
    said = quarterdeck("status", "--json")
    assert said.code == 4
    assert "has not been trusted yet" in json.loads(said.out)["error"] and "quarterdeck status" in said.err
    assert "127.0.0.1" in said.err and "rm -rf" in said.err


def test_a_local_host_has_no_key_to_be_trusted(profile: Path) -> None:
    said = quarterdeck("-p", str(profile), "hosts", "trust", "here")
    assert said.code == 0
    assert said.err == "here is this machine: it is not reached by SSH, and has no key to be trusted.\n"
    assert quarterdeck("-p", str(profile), "hosts", "trust", "nowhere").code == 2


def test_a_no_is_four_a_yes_is_kept_until_the_profile_changes(profile: Path) -> None:
    with Terminal("hosts", "only") as terminal:
        terminal.expect("Trust it? [y/N]")
        terminal.type("\n")
        assert terminal.ended() == 4
    assert quarterdeck("hosts", "only").code == 4
    with Terminal("hosts", "only") as terminal:
        terminal.expect("Trust it? [y/N]")
        terminal.type("y\n")
        assert terminal.ended() == 0
    assert quarterdeck("hosts", "only").code == 0
    (record,) = json.loads(quarterdeck("audit", "show", "--json").out)
    assert record["kind"] == "profile.trusted" and record["body"]["path"] == str(profile)
    profile.write_text(profile.read_text() + "# changed\n")
    assert quarterdeck("hosts", "only").code == 4
    assert quarterdeck("-p", str(profile), "hosts", "only").code == 0, "named by hand it is meant"
