"""Wrong words, missing things, closed streams: a sentence and the right exit code, never a traceback."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from console.cli import COMPLETE, console_alone
from console.cli.group import COMMANDS
from console.demo.control import DemoSystem
from tests.console.cli.program import PROGRAM, called, quarterdeck

REFUSED = [
    (("status", "stagin"), 2, "no environment stagin in Routing demo. Did you mean staging?"),
    (("plan", "deplo", "staging"), 2, "no action called deplo. Did you mean deploy?"),
    (("plan", "deploy", "stagin"), 2, "Did you mean staging?"),
    (("plan", "deploy", "staging"), 2, "deploy needs the parameter candidate"),
    (("plan", "deploy", "staging", "--set", "candidat=1"), 2, "Did you mean candidate?"),
    (("plan", "deploy", "staging", "--set", "x"), 2, "--set takes NAME=VALUE, not 'x'."),
    (("plan", "deploy", "staging", "--set", "a=1", "--set", "a=2"), 2, "--set gives a twice"),
    (
        ("plan", "deploy", "staging", "--set", "candidate=1.1.0", "--without", "nope"),
        2,
        "has no host 'nope' that could",
    ),
    (("run", "deploy", "staging", "--set", "candidate=1.1.0", "--without", "here"), 2, "All hosts of staging are left"),
    (("run", "deploy", "staging", "--set", "--without=here"), 2, "a host is left out with --without HOST"),
    (("plan", "deploy", "staging", "--set", "candidate=9.9.9"), 4, "has no release 9.9.9"),
    (("run", "deploy", "staging", "--set", "candidate=9.9.9"), 4, "has no release 9.9.9"),
    (("run", "deploy", "staging", "--set", "candidate=1.1.0"), 4, "no terminal to ask on"),
    (("run", "deploy", "production", "--set", "candidate=1.1.0"), 4, "--yes together with --reason"),
    (("run", "restart", "staging", "--set", "service=backend", "--expect", "abc"), 2, "at least the first 12"),
    (("run", "restart", "staging", "--set", "service=backend", "--expect", "0" * 64), 4, "not the one you expected"),
    (("runs", "show", "nope"), 2, "no run nope here"),
    (("runs", "follow", "nope"), 2, "no run nope here"),
    (("runs", "cancel", "nope"), 2, "no run nope here"),
    (("runs", "undo", "nope", "--yes"), 2, "no run nope here"),
    (("releases", "nope"), 2, "no environment nope"),
    (("lock", "nope", "--reason", "x"), 2, "no environment nope"),
    (("lock", "staging", "--reason", " "), 2, "needs a reason"),
    (("unlock", "nope"), 2, "no environment nope"),
    (("checklist", "nope"), 2, "no environment nope"),
    (("checklist", "tick", "nope"), 2, "no item nope"),
    (("checklist", "verify", "nope"), 2, "no item nope"),
    (("credentials", "check", "nope"), 2, "names no credential nope"),
    (("credentials", "remove", "nope", "--yes"), 2, "no credential nope"),
    (("credentials", "set", "x", "--file", "/nonexistent"), 2, "/nonexistent cannot be read"),
    (("credentials", "set", "x", "--stdin"), 2, "The value is empty"),
    (("hosts", "nope"), 2, "no environment nope"),
    (("hosts", "trust", "nope"), 2, "There is no host nope"),
    (("doctor", "nope"), 2, "no environment nope"),
    (("staging",), 2, "needs a terminal"),
    (("staging", "--read-only"), 2, "needs a terminal"),
    (("statsu",), 2, "no command and no environment statsu. Did you mean status?"),
    (("stagin",), 2, "no command and no environment stagin. Did you mean staging?"),
    (("warehouse",), 2, "no command and no environment warehouse."),
    (("status", "--bogus"), 2, "No such option '--bogus'"),
    (("demo", "--stop", "--reset"), 2, "not both"),
]


def test_every_wrong_word_has_its_sentence_and_code(demo: DemoSystem, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for words, code, sentence in REFUSED:
        alone = "terminal" in sentence or "--stdin" in words or "--yes" in sentence
        said = quarterdeck("-p", "demo", *words) if alone else called(capsys, "-p", "demo", *words)
        # Why there is no plan is what was asked for: it stands on standard output.
        where, other = (said.out, said.err) if said.out and words[0] == "plan" else (said.err, said.out)
        if said.code != code or sentence not in where or other:
            wrong.append((words, said))
    assert wrong == []
    assert quarterdeck("-p", "demo", "runs").out == "No runs yet.\n"


def test_with_json_a_failure_is_one_document_too(demo: DemoSystem) -> None:
    for words in (
        ("status", "stagin", "--json"),
        ("plan", "deploy", "staging", "--json"),
        ("plan", "deploy", "staging", "--set", "candidate=9.9.9", "--json"),
        ("run", "deploy", "staging", "--set", "candidate=9.9.9", "--json"),
        ("run", "deploy", "staging", "--set", "candidate=1.1.0", "--json"),
        ("runs", "show", "nope", "--json"),
        ("status", "--json", "--bogus"),
    ):
        said = quarterdeck("-p", "demo", *words)
        document = json.loads(said.out)
        assert said.code in (2, 4), words
        assert document.get("refusal") or (document["error"] and document["exit_code"] == said.code), words
        assert said.err or words[0] == "plan", "people read it as well"


def test_json_of_what_works(demo: DemoSystem, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("status", "--json"),
        ("plan", "restart", "staging", "--set", "service=backend", "--json"),
        ("runs", "--json"),
        ("releases", "staging", "--json"),
        ("runs", "list", "--json"),
        ("checklist", "staging", "--json"),
        ("checklist", "staging", "--json", "--no-ask"),
        ("credentials", "list", "--json"),
        ("hosts", "--json"),
        ("audit", "show", "--json"),
        ("audit", "verify", "--json"),
        ("profile", "check", "--json"),
        ("profile", "schema"),
    ):
        said = called(capsys, "-p", "demo", *words)
        assert (said.code, said.err) == (0, ""), words
        json.loads(said.out)


def test_status_check_says_it_by_its_exit_code(demo: DemoSystem) -> None:
    assert quarterdeck("-p", "demo", "status", "--check").code == 0
    pid = next(piece.pid for piece in demo.status().pieces if piece.name == "staging/backend")
    assert pid is not None
    os.kill(pid, 9)
    sick = quarterdeck("-p", "demo", "status", "--check", "--json")
    assert sick.code == 1 and json.loads(sick.out)["environments"][0]["state"] == "bad"
    assert quarterdeck("-p", "demo", "status").code == 0, "without --check it only tells"
    assert quarterdeck("-p", "demo", "status", "production", "--check").code == 0


def test_a_host_that_is_not_reached_is_five_or_unknown(places: Path) -> None:
    profile = places / "p.yaml"
    profile.write_text(
        "system: x\nhosts: {gone: {address: 127.0.0.1, port: 1, user: nobody}}\nenvironments:\n  only:\n"
        "    hosts: [gone]\n    directory: /srv/x\n    stack: {kind: compose, project: x, files: [compose.yml], "
        "services: {web: {health: none}}, images: {web: 'x.example/y:{release}'}}\n"
    )
    words = ("-p", str(profile))
    assert quarterdeck(*words, "profile", "check").code == 0
    assert quarterdeck(*words, "status", "--check").code == 6
    for more in (("hosts",), ("releases", "only"), ("lock", "only", "--reason", "x"), ("unlock", "only")):
        said = quarterdeck(*words, *more)
        assert said.code == 5, (more, said)
        assert "gone" in said.err + said.out and "127.0.0.1" in said.err + said.out
    said = quarterdeck(*words, "plan", "restart", "only", "--set", "service=web", "--json")
    assert said.code == 5 and "127.0.0.1" in json.loads(said.out)["refusal"]


def test_without_a_profile_it_says_what_to_do(places: Path) -> None:
    said = quarterdeck("status")
    assert said.code == 2 and "quarterdeck demo" in said.err and "profile init" in said.err
    said = quarterdeck("-p", "demo", "status")
    assert said.code == 2 and "The demo system is not running" in said.err and "quarterdeck demo" in said.err
    said = quarterdeck("-p", "no-such", "status")
    assert said.code == 2 and "routing-ml" in said.err


def test_a_bad_profile_names_every_mistake_and_nothing_of_it_reaches_the_terminal_raw(places: Path) -> None:
    profile = places / "bad.yaml"
    profile.write_text('system: x\nhosts: {a: {locl: true}}\nenvironmens: {}\n"\\e[31mred": 1\n')
    for words in (("-p", str(profile), "status"), ("profile", "check", str(profile))):
        said = quarterdeck(*words)
        assert said.code == 2 and "bad.yaml:2:" in said.err and "bad.yaml:3:" in said.err
        assert "\x1b" not in said.err + said.out
    errors = json.loads(quarterdeck("profile", "check", str(profile), "--json").out)["errors"]
    assert {error["mark"]["line"] for error in errors} >= {2, 3}


def test_profile_init_writes_once(places: Path) -> None:
    assert quarterdeck("profile", "init").code == 0
    assert quarterdeck("profile", "check", "quarterdeck.yaml").code == 0
    said = quarterdeck("profile", "init")
    assert said.code == 2 and "is there already" in said.err
    assert quarterdeck("profile", "init", "nope", "--file", "other.yaml").code == 2
    assert not (places / "other.yaml").exists()


def test_a_broken_newer_or_unwritable_store(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = places / "state"
    monkeypatch.setenv("QUARTERDECK_STATE_DIR", str(state))
    assert quarterdeck("audit", "show").code == 0
    file = state / "store.sqlite3"
    file.write_bytes(b"no database at all, and long enough to be looked at by SQLite" * 40)
    said = quarterdeck("audit", "verify")
    assert said.code == 2 and "it is damaged" in said.err and str(file) in said.err
    file.unlink()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version=99")
    said = quarterdeck("audit", "verify")
    assert said.code == 2 and "newer Quarterdeck" in said.err
    monkeypatch.setenv("QUARTERDECK_STATE_DIR", str(file))
    said = quarterdeck("audit", "show")
    assert said.code == 2 and "QUARTERDECK_STATE_DIR" in said.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_an_answer_that_cannot_be_written_is_not_a_success(places: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "profile", "schema"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30
        )
    assert done.returncode == 6 and done.stderr == "Standard output cannot be written: No space left on device.\n"


def test_a_reader_that_has_enough_changes_nothing(places: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*PROGRAM, "profile", "schema"], stdout=writing, stderr=subprocess.PIPE, timeout=30)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_closed_streams_do_no_harm(demo: DemoSystem) -> None:
    for redirect in (">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {redirect}', "sh", *PROGRAM, "-p", "demo", "status", "--check"],
            capture_output=True,
            timeout=30,
        )
        assert done.returncode == 0 and b"Traceback" not in done.stderr


def test_a_locale_without_arrows_gets_escapes(demo: DemoSystem) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    said = quarterdeck("-p", "demo", "plan", "deploy", "staging", "--set", "candidate=1.1.0", env=env)
    assert said.code == 0 and said.out.isascii() and "digest" in said.out


def test_version_and_help(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quarterdeck("--version").out.startswith("quarterdeck ")
    said = called(capsys, "--help")
    assert said.code == 0 and "credentials" in said.out and "--passphrase-fd" in said.out
    for name in COMMANDS:
        said = called(capsys, name, "--help")
        assert said.code == 0 and said.out.startswith("Usage: quarterdeck"), name
        assert "..." not in said.out.partition("Commands:")[2], f"{name}: a line of help is cut"
    for name in ("plan", "run"):
        shown = " ".join(called(capsys, name, "--help").out.split())
        assert "deploy Deploy a release. --set candidate=VALUE [--set services=VALUE]" in shown
    assert "QUARTERDECK_THEME" in called(capsys, "--help").out


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), (None, False)),
        (("-p", "demo"), ("demo", False)),
        (("--read-only", "--profile", "p.yaml"), ("p.yaml", True)),
        (("-p", "a", "-p", "b"), ("b", False)),
        (("-p",), None),
        (("-p", "--read-only"), None),
        (("--profile=demo",), None),
        (("staging",), None),
        (("status",), None),
        (("-p", "demo", "status"), None),
        (("--help",), None),
        (("--passphrase-fd", "3"), None),
    ],
)
def test_only_plain_words_open_the_console_without_a_parser(
    words: tuple[str, ...], options: tuple[str | None, bool] | None
) -> None:
    assert console_alone(words, {}) == options
    assert console_alone(words, {COMPLETE: "bash_complete"}) is None, "a shell asks how the words could go on"


def test_the_console_needs_a_terminal_however_it_is_asked_for() -> None:
    for words in ((), ("--read-only",), ("-p", "demo"), ("-p", "demo", "staging")):
        said = quarterdeck(*words)
        assert said.code == 2 and "needs a terminal" in said.err and said.out == ""
