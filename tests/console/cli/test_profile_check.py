"""`profile check` on uploaded files that hold a secret: a warning with file and line, and never the value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from profiles.starter import init_text
from tests.console.cli.program import called

SECRET = "hunter2-Zx9"


@pytest.mark.parametrize(("value", "warned"), [(SECRET, True), ("${DB_PASSWORD}", False)])
def test_a_secret_in_an_uploaded_file(
    places: Path, capsys: pytest.CaptureFixture[str], value: str, warned: bool
) -> None:
    compose = places / "docker-compose.yml"
    compose.write_text(f"services:\n  db:\n    environment:\n      DB_PASSWORD: {value}\n")
    profile = places / "profile.yaml"
    profile.write_text(init_text("compose").replace("files: [docker-compose.yml]", "upload: [docker-compose.yml]"))
    said = called(capsys, "profile", "check", str(profile))
    assert said.code == 0 and "a sound profile" in said.out and SECRET not in said.out + said.err
    assert (f"{compose}, line 4: DB_PASSWORD looks like a secret" in said.err) is warned
    document = json.loads(called(capsys, "profile", "check", str(profile), "--json").out)
    assert document["ok"] and len(document["warnings"]) == (1 if warned else 0) and SECRET not in str(document)
