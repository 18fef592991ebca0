"""Values of environment files: every reader gets back what was written, or it is refused."""

from __future__ import annotations

import subprocess

import pytest

from console.text.envfile import CannotBeWritten, written

ODD = (
    "",
    "plain",
    "postgres://app:p%40ss@db:5432/app?x=1&y=2",
    "QUJD+/==",
    "a b",
    " leading and trailing ",
    "#begins with a hash",
    "a #b",
    "a#b",
    "$HOME ${HOME} $(id) `id`",
    "~/x",
    "a:~b",
    'say "x"',
    "back\\slash \\n \\t",
    "a\\b",
    "*?[x]",
    "{a,b}",
    "!x;y|z&w<v>u(t)",
    "ünïcödé – €",
    "export X=1",
    "=x",
)


@pytest.mark.parametrize("value", ODD)
def test_a_shell_reads_back_what_was_written(value: str) -> None:
    text = f"KEY={written(value)}\nNEXT=1\n"
    said = subprocess.run(
        ["sh", "-c", 'set -a; . /dev/stdin; printf "%s|%s" "$KEY" "$NEXT"'],
        input=text, capture_output=True, text=True, timeout=10, check=True, env={"HOME": "/nowhere"},
    ).stdout  # fmt: skip
    assert said == f"{value}|1"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("it's", "a single quote"),
        ("two\nlines", "an end of line"),
        ("bell\a", "a control character"),
        ("nul\0", "a control character"),
        ("latin \udce9", "bytes that are not UTF-8"),
        ("ends with \\", "a backslash"),
    ],
)
def test_what_the_readers_do_not_agree_on_is_refused(value: str, why: str) -> None:
    with pytest.raises(CannotBeWritten, match=why) as caught:
        written(value)
    assert value not in str(caught.value)


def test_docker_knows_no_quotes() -> None:
    assert written("a b", ["docker"]) == "a b"
    assert written("plain/+=", ["compose", "shell", "docker"]) == "plain/+="
    with pytest.raises(CannotBeWritten, match="needs quotes for Docker Compose and a shell"):
        written("a b", ["compose", "shell", "docker"])
