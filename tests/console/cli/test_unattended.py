"""Machines that work alone: the examples of docs/secrets.md, run as they stand, with every process watched."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.console.cli.program import PROGRAM, Said, quarterdeck
from tests.lab.leaks import watched_processes

DOCUMENT = Path(__file__).parents[3] / "docs" / "secrets.md"
PASSPHRASE = f"a-passphrase-of-machines-{secrets.token_hex(4)}"
VALUE = f"value-of-the-setting-{secrets.token_hex(4)}"
"""Of this test run alone: every process of the machine is looked at."""
PROFILE = """\
system: alone
keyring: sealed
credentials: {api: {}}
hosts: {here: {local: true}}
environments:
  production:
    production: true
    hosts: [here]
    directory: %(app)s
    stack:
      kind: process
      artifacts: %(app)s/releases/{release}
      services: {web: {command: ["true"], port: 45871}}
    files:
      env: {path: app.env, template: app.env.template}
"""


@pytest.fixture
def profile(places: Path) -> Path:
    app = places / "app"
    app.mkdir()
    (places / "app.env.template").write_text("API_KEY={secret: api}\nLOG=info\n")
    file = places / "quarterdeck.yaml"
    file.write_text(PROFILE % {"app": app})
    said = handed(file, "credentials", "set", "api", "--stdin", given=VALUE)
    assert said.code == 0, said.err
    return file


def handed(profile: Path, *words: str, given: str = "") -> Said:
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode())
    os.close(writing)
    try:
        return quarterdeck(
            "-p", str(profile), "--passphrase-fd", str(reading), *words, given=given, descriptors=(reading,)
        )
    finally:
        os.close(reading)


def example(kind: str) -> str:
    """The shell words of an example in the document."""
    blocks = re.findall(r"```(\w+)\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    (text,) = [body for word, body in blocks if word == kind]
    if kind == "yaml":
        return textwrap.dedent(text.partition("run: |\n")[2])
    (line,) = re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", text, re.MULTILINE)
    return str(line)


@pytest.mark.parametrize("kind", ["yaml", "ini"])
def test_the_examples_of_the_document(profile: Path, tmp_path: Path, kind: str) -> None:
    done, seen = followed(profile, tmp_path, kind, example(kind))
    assert done.returncode == 0, done.stderr
    assert seen == []
    written = (profile.parent / "app" / "app.env").read_text()
    assert written == f"API_KEY={VALUE}\nLOG=info\n"
    for text in (done.stdout, done.stderr):
        assert PASSPHRASE not in text and VALUE not in text


def test_an_example_that_leaves_the_passphrase_to_what_it_starts_is_seen(profile: Path, tmp_path: Path) -> None:
    """The control: without its `unset`, the console and the runner have it in their environment."""
    told = example("yaml")
    done, seen = followed(profile, tmp_path, "yaml", told.replace("unset KEYRING_PASSPHRASE\n", ""))
    assert done.returncode == 0, done.stderr
    assert any("'KEYRING_PASSPHRASE=<secret>'" in one and "configure" in one for one in seen), seen
    assert any("console.runner" in one for one in seen), seen


def followed(
    profile: Path, tmp_path: Path, kind: str, words: str
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """What the shell words of an example came to, and where a secret was seen meanwhile."""
    digest = json.loads(handed(profile, "plan", "configure", "production", "--json").out)["digest"]
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    quoted = " ".join(f"'{word}'" if " " in word else word for word in PROGRAM[:3]) + f' "{PROGRAM[3]}"'
    (bin_ / "quarterdeck").write_text(f'#!/bin/sh\nexec {quoted} -p {profile} "$@"\n')
    (bin_ / "quarterdeck").chmod(0o755)
    (tmp_path / "keyring").write_text(PASSPHRASE + "\n")
    given = {"DIGEST": digest, "PATH": f"{bin_}:{os.environ['PATH']}", "GITHUB_RUN_ID": "run 4711"}
    given |= {"KEYRING_PASSPHRASE": PASSPHRASE} if kind == "yaml" else {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    with watched_processes((PASSPHRASE, VALUE)) as found:
        done = subprocess.run(
            ["bash" if kind == "yaml" else "/bin/sh", "-c", words],
            env={**os.environ, **given}, capture_output=True, text=True, timeout=120, start_new_session=True,
        )  # fmt: skip
    # The shell that Actions starts has it, as Actions gave it; nothing that the shell starts has.
    return done, [one for one in found if not one.startswith("environ of b'bash\\x00-c\\x00")]


def test_without_a_descriptor_it_is_refused_and_an_environment_variable_opens_nothing(
    profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUARTERDECK_PASSPHRASE", "KEYRING_PASSPHRASE", "PASSPHRASE"):
        monkeypatch.setenv(name, PASSPHRASE)
    said = quarterdeck("-p", str(profile), "plan", "configure", "production")
    assert said.code == 4 and "--passphrase-fd N" in said.err
    assert not (profile.parent / "app" / "app.env").exists()
