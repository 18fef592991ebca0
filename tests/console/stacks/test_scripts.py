"""The fixed scripts, run by the shells that hosts have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from console.stacks import around, process_scripts, scripts
from console.stacks.around import knows, recorded, same, then
from console.stacks.scripts import sections

SHELLS = [shell for shell in (("dash",), ("bash",), ("busybox", "sh")) if shutil.which(shell[0])]


def run(shell: tuple[str, ...], words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    assert words[:2] == ("sh", "-c")
    return subprocess.run((*shell, *words[1:]), capture_output=True, text=True, check=False, timeout=30)


ALL = {
    f"{module.__name__}.{name}": text
    for module in (scripts, around, process_scripts)
    for name, text in vars(module).items()
    if name.endswith("_SCRIPT") or name == "READ_RELEASES"
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_every_shell_can_parse_every_script(shell: tuple[str, ...], name: str) -> None:
    done = subprocess.run((*shell, "-n", "-c", ALL[name]), capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert len(ALL) > 15


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_then(shell: tuple[str, ...]) -> None:
    words = then(("printf", "%s|", "a b", "$HOME", ""), ("printf", "%s;", "c d", "*"))
    assert run(shell, words).stdout == "a b|$HOME||c d;*;"
    stopped = run(shell, then(("sh", "-c", "exit 3"), ("echo", "no")))
    assert (stopped.returncode, stopped.stdout) == (3, "")
    assert run(shell, then(("true",), ("sh", "-c", "exit 4"))).returncode == 4


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_recorded(shell: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "with space"
    done = run(shell, recorded(str(file), ("sh", "-c", "echo a1; echo chatter >&2")))
    assert (done.returncode, done.stdout, done.stderr, file.read_text()) == (0, "a1\n", "chatter\n", "a1\n")
    done = run(shell, recorded(str(file), ("sh", "-c", "echo half; exit 5")))
    assert (done.returncode, done.stdout, file.read_text()) == (5, "half\n", "a1\n")
    assert [path.name for path in tmp_path.iterdir()] == ["with space"]


@pytest.mark.parametrize(
    ("first", "second", "rc"),
    [
        ("echo 'b2 (head)'", "echo b2", 0),
        ("printf 'b2\\na1\\n'", "printf 'a1 x\\nb2\\n\\n'", 0),
        ("echo a1", "echo b2", 1),
        ("echo a1", "true", 1),
        ("exit 1", "echo a1", 2),
        ("echo a1", "exit 9", 2),
    ],
)
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_same(shell: tuple[str, ...], first: str, second: str, rc: int) -> None:
    assert run(shell, same(("sh", "-c", first), ("sh", "-c", second), say=True)).returncode == rc


def test_what_the_second_one_found_alone_is_printed_unless_a_difference_is_to_be_said() -> None:
    for say, err in ((True, "wanted a1, found b2\n"), (False, "")):
        done = run(SHELLS[0], same(("echo", "a1"), ("echo", "b2 (head)"), say=say))
        assert (done.stdout, done.stderr, done.returncode) == ("b2\n", err, 1)


@pytest.mark.parametrize(
    ("wanted", "rc"),
    [((), 0), (("a1",), 0), (("a1", "b2"), 0), (("a",), 1), (("b2", "c3"), 1), ((".*",), 1)],
)
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_knows(shell: tuple[str, ...], wanted: tuple[str, ...], rc: int, tmp_path: Path) -> None:
    history = "a1 -> b2 (head), more\n<base> -> a1, start"
    done = run(shell, knows(str(tmp_path / "known"), wanted, ("echo", history)))
    assert done.returncode == rc
    assert (tmp_path / "known").read_text() == history + "\n"
    failed = run(shell, knows(str(tmp_path / "other"), wanted, ("false",)))
    assert failed.returncode == 1 and not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("current", "rc", "says"),
    [
        (("echo", "b2 (head)"), 0, ""),
        (("printf", "a1\nb2 (mergepoint)\n"), 0, ""),
        (("true",), 0, ""),
        (
            ("sh", "-c", "echo FAILED; exit 255"),
            255,
            "FAILED\nThis image does not say at which revision the database is.\n",
        ),
        (("printf", "a1\nc3 x\n"), 1, "The database is at c3, and this image does not know that revision.\n"),
        (
            ("sh", "-c", "echo lost >&2; exit 7"),
            7,
            "lost\nThis image does not say at which revision the database is.\n",
        ),
    ],
)
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_knows_where_the_database_says_it_is(
    shell: tuple[str, ...], current: tuple[str, ...], rc: int, says: str, tmp_path: Path
) -> None:
    history = "a1 -> b2 (head), more\n<base> -> a1, start"
    done = run(shell, knows(str(tmp_path / "known"), (), ("echo", history), current))
    assert (done.returncode, done.stderr) == (rc, says)


def test_sections() -> None:
    text = "noise\n@@qd:one\n|a\n|@@qd:forged\nnoise\n\n@@qd:two\n@@qd:three x\n||b\n"
    assert list(sections(text)) == [("one", "a\n@@qd:forged"), ("two", ""), ("three x", "|b")]


KEYS = """
# a comment=1
PLAIN=value
export EXPORTED = spaced
QUOTED="one # two"
PEM="-----BEGIN KEY-----
AbCdEf=
inner=also not a key
-----END KEY-----"
SINGLE='first
second=no
end'
1BAD=x
  INDENTED=y
EMPTY=
LAST=z"""


def test_of_an_environment_file_only_the_names_are_printed(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(KEYS)
    words = ("sh", "-c", scripts.GROUND_SCRIPT, "ground", str(tmp_path), str(tmp_path / "state"), str(env))
    done = run(("dash",), words)
    found = dict(sections(done.stdout))
    assert found["keys"].split() == ["PLAIN", "EXPORTED", "QUOTED", "PEM", "SINGLE", "INDENTED", "EMPTY", "LAST"]
    for value in ("value", "spaced", "one #", "AbCdEf", "inner", "second", "BEGIN"):
        assert value not in done.stdout
    if Path("/etc/machine-id").exists():
        assert len(found["fingerprint"].split()[0]) == 64
        assert (
            found["fingerprint"].split()[0]
            != subprocess.run(("sha256sum", env), capture_output=True, text=True, check=True).stdout.split()[0]
        ), "a plain hash could be guessed against elsewhere"
